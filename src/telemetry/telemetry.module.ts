import { type DynamicModule, Module } from '@nestjs/common';
import { GatewayMetrics } from './gateway-metrics';
import { OperationsController } from './operations.controller';
import { Readiness } from './readiness';

@Module({})
export class TelemetryModule {
  static register(readiness: Readiness, metrics: GatewayMetrics): DynamicModule {
    return {
      module: TelemetryModule,
      controllers: [OperationsController],
      providers: [
        { provide: Readiness, useValue: readiness },
        { provide: GatewayMetrics, useValue: metrics },
      ],
    };
  }
}

import { Controller, Get, Header, HttpStatus, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import {
  ApiForbiddenResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiServiceUnavailableResponse,
  ApiTags,
  ApiTooManyRequestsResponse,
  ApiUnauthorizedResponse,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { GatewayMetrics } from './gateway-metrics';
import { Readiness, type ReadinessAnswer } from './readiness';
import { Recent } from './recent';

/** Both ask the store, and anybody may be let ask them. */
const KEPT_MS = 1000;

/** What an operator's tools ask: is it alive, can it serve, how does it do. Who may ask: `auth.open`. */
@ApiTags('operations')
@ApiUnauthorizedResponse({ description: 'Authentication is required, or the credentials are bad.' })
@ApiForbiddenResponse({ description: 'Not allowed.' })
@ApiTooManyRequestsResponse({ description: 'Too many failed logins. See `Retry-After`.' })
@Controller()
export class OperationsController {
  private readonly ready: Recent<ReadinessAnswer>;
  private readonly scraped: Recent<string>;

  constructor(
    private readonly readiness: Readiness,
    metrics: GatewayMetrics,
  ) {
    this.ready = new Recent(() => readiness.look(), KEPT_MS);
    this.scraped = new Recent(() => metrics.registry.metrics(), KEPT_MS);
  }

  @Get('healthz')
  @RouteConfig({ rules: { open: 'health' } })
  @ApiOperation({ summary: 'The process is alive', operationId: 'healthz' })
  @ApiOkResponse({ schema: { type: 'object', properties: { status: { type: 'string', enum: ['ok'] } } } })
  healthz(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('readyz')
  @RouteConfig({ rules: { open: 'health' } })
  @ApiOperation({ summary: 'Requests can be served; what the store, the disk and each backend say', operationId: 'readyz' })
  @ApiOkResponse({
    description: '`ready`, or `degraded`: the API answers, but a backend is away, the disk is nearly full or the audit log is not written',
  })
  @ApiServiceUnavailableResponse({ description: '`unavailable`: the store cannot be used, or the gateway is stopping' })
  async readyz(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessAnswer> {
    const answer = await (this.readiness.isStopping ? this.readiness.look() : this.ready.get());
    void reply.status(answer.status === 'unavailable' ? HttpStatus.SERVICE_UNAVAILABLE : HttpStatus.OK);
    return answer;
  }

  @Get('metrics')
  @RouteConfig({ rules: { open: 'metrics', roles: ['admin', 'viewer'] } })
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @ApiOperation({ summary: 'Metrics for Prometheus', operationId: 'metrics' })
  @ApiProduces('text/plain')
  @ApiOkResponse({ description: 'In the text format of Prometheus', schema: { type: 'string' } })
  prometheus(): Promise<string> {
    return this.scraped.get();
  }
}

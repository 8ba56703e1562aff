import { type DynamicModule, Module, type ModuleMetadata } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { API_SETTINGS, type ApiSettings, SERVICE_INFO_SETTINGS, type ServiceInfoSettings } from './api-settings';
import { RequestRates } from './auth/request-rates';
import { ErrorFilter } from './http/error.filter';
import { PersonalTokens } from '../ports/personal-tokens';
import { OwnCredentials } from '../ports/credentials';
import { CredentialsController } from './extension/credentials.controller';
import { MeController } from './extension/me.controller';
import { UsersController } from './extension/users.controller';
import { TokensController } from './extension/tokens.controller';
import { ExtensionController } from './extension/extension.controller';
import { RootController } from './http/root.controller';
import { ServiceInfoController } from './service-info/service-info.controller';
import { TasksController } from './tasks/tasks.controller';

/**
 * The HTTP side. `gateway.ts` and the tests put it together like this:
 *
 * ```ts
 * const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(fastifyAdapterOptions(settings)));
 * configureHttp(app, settings, guard); // before init: who is asking, body parser, CORS, 405
 * serveDocumentation(app, version, settings, authenticators); // /docs, /docs-json, /docs-yaml
 * await app.listen(port, host);
 * ```
 *
 * The error filter is global, so that routes of other modules (health, metrics) fail in the same shape.
 */
export interface ApiModuleOptions {
  readonly settings: ApiSettings;
  readonly serviceInfo: ServiceInfoSettings;
  /** The same that the guard has. */
  readonly rates: RequestRates;
  /** Modules that export `TaskService`, `LogReader`, `BackendRegistry` and `StorageRegistry`, unless those are global. */
  /** Their routes are there only with it. */
  readonly personalTokens?: PersonalTokens | undefined;
  /** Likewise. */
  readonly credentials?: OwnCredentials | undefined;
  readonly imports?: NonNullable<ModuleMetadata['imports']>;
}

@Module({})
export class ApiModule {
  static register(options: ApiModuleOptions): DynamicModule {
    return {
      module: ApiModule,
      imports: options.imports ?? [],
      controllers: [
        TasksController,
        ServiceInfoController,
        ExtensionController,
        MeController,
        UsersController,
        ...(options.personalTokens ? [TokensController] : []),
        ...(options.credentials ? [CredentialsController] : []),
        RootController,
      ],
      providers: [
        { provide: API_SETTINGS, useValue: options.settings },
        { provide: SERVICE_INFO_SETTINGS, useValue: options.serviceInfo },
        { provide: RequestRates, useValue: options.rates },
        { provide: PersonalTokens, useValue: options.personalTokens },
        { provide: OwnCredentials, useValue: options.credentials },
        { provide: APP_FILTER, useClass: ErrorFilter },
      ],
    };
  }
}

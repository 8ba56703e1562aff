import { Global, Module } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { ApiModule } from '../../../src/api/api.module';
import type { ApiSettings, ServiceInfoSettings } from '../../../src/api/api-settings';
import { RequestRates } from '../../../src/api/auth/request-rates';
import { configureHttp, fastifyAdapterOptions } from '../../../src/api/http/http-server';
import { serveDocumentation } from '../../../src/api/http/openapi';
import { AnonymousAuthenticator } from '../../../src/auth/none/anonymous.authenticator';
import type { Authenticator } from '../../../src/ports/authenticator';
import { KnownBackends } from '../../../src/engine/known-backends';
import { LogReader } from '../../../src/engine/log-reader';
import { TaskService } from '../../../src/engine/task.service';
import { UserList } from '../../../src/engine/user-list';
import { Networks } from '../../../src/ports/networks';
import { StorageRegistry } from '../../../src/ports/registries';

export const SETTINGS: ApiSettings = {
  bodyLimitBytes: 16 * 1024 * 1024,
  connections: { inAll: 1000, ofAddress: 0 },
  hasTls: false,
  corsOrigins: [],
  proxies: new Networks([]),
  host: '127.0.0.1',
  allowedHosts: ['*'],
};

export const SERVICE_INFO: ServiceInfoSettings = {
  id: 'org.example.tes',
  name: 'tes-gateway',
  organization: { name: 'Example', url: 'https://example.org' },
  version: '0.1.0',
};

/** What stands behind the API in these tests: only what a test needs of it. */
export interface Behind {
  readonly tasks?: Partial<Pick<TaskService, 'create' | 'countsOf' | 'quotaOf' | 'get' | 'list' | 'cancel' | 'explain'>>;
  readonly logs?: Pick<LogReader, 'open'>;
  readonly authenticators?: readonly Authenticator[];
  readonly rates?: RequestRates;
}

/** The HTTP side alone, listening on a free port, with scripted use cases behind it. */
export async function startApi(behind: Behind, settings: Partial<ApiSettings> = {}): Promise<NestFastifyApplication> {
  const all = { ...SETTINGS, ...settings };
  const authenticators = behind.authenticators ?? [new AnonymousAuthenticator()];
  @Global()
  @Module({
    providers: [
      { provide: TaskService, useValue: behind.tasks ?? {} },
      { provide: LogReader, useValue: behind.logs ?? {} },
      { provide: UserList, useValue: {} },
      { provide: KnownBackends, useValue: { all: () => [] } },
      { provide: StorageRegistry, useValue: new StorageRegistry([]) },
    ],
    exports: [TaskService, LogReader, UserList, KnownBackends, StorageRegistry],
  })
  class BehindModule {}
  const rates = behind.rates ?? new RequestRates({});
  const api = ApiModule.register({ settings: all, serviceInfo: SERVICE_INFO, rates });
  const module = await Test.createTestingModule({ imports: [BehindModule, api] }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(fastifyAdapterOptions(all)), { logger: false });
  configureHttp(app, all, { authenticators, open: ['service-info', 'docs'], rates });
  serveDocumentation(app, '0.1.0', all, authenticators);
  await app.listen(0, '127.0.0.1');
  return app;
}

/** One server for all tests of a `describe`. */
export function sharedApi(behind: Behind, settings: Partial<ApiSettings> = {}): { port: () => number } {
  let app: NestFastifyApplication;
  let port = 0;
  beforeAll(async () => {
    app = await startApi(behind, settings);
    port = Number(new URL(await app.getUrl()).port);
  });
  afterAll(() => app.close());
  return { port: () => port };
}

import { randomBytes } from 'node:crypto';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { ApiSettings, ServiceInfoSettings } from '../../src/api/api-settings';
import { configureHttp, fastifyAdapterOptions } from '../../src/api/http/http-server';
import { RequestRates } from '../../src/api/auth/request-rates';
import type { GuardOptions } from '../../src/api/auth/route-guard';
import { serveDocumentation } from '../../src/api/http/openapi';
import { AnonymousAuthenticator } from '../../src/auth/none/anonymous.authenticator';
import { AppModule } from '../../src/app.module';
import { createCore } from '../../src/engine/core';
import type { Engine } from '../../src/engine/engine';
import type { EngineSettings } from '../../src/engine/engine-settings';
import type { AdmissionSettings } from '../../src/engine/task-admission';
import { taskId } from '../../src/engine/task-id';
import type { TaskService, TaskServiceSettings } from '../../src/engine/task.service';
import { Networks } from '../../src/ports/networks';
import type { Authenticator } from '../../src/ports/authenticator';
import type { ExecutionBackend } from '../../src/ports/execution-backend';
import { BackendRegistry, StorageRegistry } from '../../src/ports/registries';
import type { StorageClient } from '../../src/ports/storage-client';
import type { TaskStore } from '../../src/ports/store/task-store';
import { SqliteTaskStore } from '../../src/stores/sqlite/sqlite-task-store';
import type { Placement } from '../../src/task/placement';
import { MemoryStorage } from '../support/memory-storage';
import { ScriptedBackend, ScriptedWorld } from '../support/scripted-backend';
import { ADMISSION, ENGINE, SERVICE, SILENT } from '../support/settings';

export const SERVICE_INFO: ServiceInfoSettings = {
  id: 'org.example.tes',
  name: 'tes-gateway',
  organization: { name: 'Example', url: 'https://example.org' },
  version: '1.2.3',
};

export interface GatewayOptions {
  readonly api?: Partial<ApiSettings>;
  readonly service?: Partial<TaskServiceSettings>;
  readonly admission?: Partial<AdmissionSettings>;
  readonly engine?: Partial<EngineSettings>;
  readonly authenticators?: readonly Authenticator[];
  readonly open?: readonly string[];
  readonly rates?: RequestRates;
  /** Instead of the scripted one. */
  readonly backends?: readonly ExecutionBackend[];
  /** Where they stand, by name. */
  readonly placements?: Readonly<Record<string, Placement>>;
  /** Besides `mem://`. */
  readonly storage?: readonly StorageClient[];
  /** Instead of an empty one in memory; a test that wants to see or slow down its calls gives its own. */
  readonly store?: TaskStore;
  readonly shortage?: () => string | undefined;
}

/** The whole application but for its settings: HTTP, engine, SQLite in memory. A task runs as its tag `life` says. */
export class TestGateway {
  private constructor(
    private readonly app: NestFastifyApplication,
    private readonly engine: Engine,
    readonly tasks: TaskService,
    readonly store: TaskStore,
    readonly backend: ScriptedBackend,
    readonly storage: MemoryStorage,
    readonly port: number,
  ) {}

  static async start(options: GatewayOptions = {}): Promise<TestGateway> {
    const api: ApiSettings = {
      bodyLimitBytes: 16 * 2 ** 20,
      connections: { inAll: 1000, ofAddress: 0 },
      hasTls: false,
      corsOrigins: [],
      proxies: new Networks([]),
      host: '127.0.0.1',
      allowedHosts: ['*'],
      ...options.api,
    };
    const store = options.store ?? (await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 }));
    const backend = scriptedBackend();
    const memory = new MemoryStorage();
    const backends = new BackendRegistry(options.backends ?? [backend], new Map(Object.entries(options.placements ?? {})));
    const storage = new StorageRegistry([memory, ...(options.storage ?? [])]);
    const core = createCore({
      store,
      backends,
      storage,
      settings: {
        engine: { ...ENGINE, ...options.engine },
        admission: { ...ADMISSION, ...options.admission },
        service: { ...SERVICE, ...options.service },
        logs: { pollMs: 20, mostFollowers: 10 },
      },
      log: SILENT,
      now: Date.now,
      random: Math.random,
      newId: (nowMs) => taskId(nowMs, randomBytes(10)),
      ...(options.shortage && { shortage: options.shortage }),
    });
    const { engine, tasks } = core;
    const authenticators = options.authenticators ?? [new AnonymousAuthenticator()];
    const rates = options.rates ?? new RequestRates({});
    const module = AppModule.register({ core, storage, api: { settings: api, serviceInfo: SERVICE_INFO, rates } });
    const app = await serve(module, api, { authenticators, open: options.open ?? ['service-info', 'docs', 'health'], rates });
    await engine.start();
    await app.listen(0, '127.0.0.1');
    return new TestGateway(app, engine, tasks, store, backend, memory, Number(new URL(await app.getUrl()).port));
  }

  async stop(): Promise<void> {
    await this.engine.stop(0);
    await this.app.close();
    await this.store.close();
  }
}

/** One gateway for all tests of a `describe`. */
export function sharedGateway(options: GatewayOptions = {}): () => TestGateway {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start(options);
  });
  afterAll(() => gateway.stop());
  return () => gateway;
}

/** Tag `life`: `run` runs until it is finished or cancelled, `fail` ends with exit code 1, anything else succeeds at once. */
function scriptedBackend(): ScriptedBackend {
  return new ScriptedBackend(new ScriptedWorld(), {
    life: ({ request }) => {
      const life = request.tags?.['life'];
      return { looks: life === 'run' ? Infinity : 0, ending: { phase: life === 'fail' ? 'failed' : 'succeeded' } };
    },
    capacity: { cpuCores: 64, ramGb: 256 },
    capabilities: { pollMs: { first: 10, longest: 200 } },
  });
}

async function serve(module: DynamicModule, settings: ApiSettings, guard: GuardOptions): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter(fastifyAdapterOptions(settings));
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, { logger: ['error'] });
  configureHttp(app, settings, guard);
  serveDocumentation(app, SERVICE_INFO.version, settings, guard.authenticators);
  return app;
}

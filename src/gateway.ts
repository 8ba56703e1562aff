import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { Server as HttpsServer } from 'node:https';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { adapters as everyAdapter } from './adapters';
import { AppModule } from './app.module';
import {
  type Composition,
  createAuthenticators,
  createBackends,
  createCredentials,
  createStorages,
  type GatewayContext,
  openStore,
} from './chosen-adapters';
import { RequestRates } from './api/auth/request-rates';
import { configureHttp, fastifyAdapterOptions } from './api/http/http-server';
import { TlsFiles } from './api/http/tls-files';
import { serveDocumentation } from './api/http/openapi';
import { listenFault } from './config/address';
import { instanceName } from './config/instance-name';
import { type Core, createCore } from './engine/core';
import { taskId } from './engine/task-id';
import type { StoreInReach } from './ports/adapter';
import type { Audit } from './ports/audit';
import type { OwnCredentials } from './ports/credentials';
import type { Authenticator } from './ports/authenticator';
import { ProcessLock } from './ports/process-lock';
import { BackendRegistry, StorageRegistry } from './ports/registries';
import { Rounds } from './ports/rounds';
import * as slices from './settings-slices';
import { AppendedFile } from './telemetry/appended-file';
import { AuditLog } from './telemetry/audit-log';
import { EventLoopWatch } from './telemetry/event-loop-watch';
import { FreeDisk } from './telemetry/free-disk';
import { engineLog } from './telemetry/gateway-log';
import { GatewayMetrics } from './telemetry/gateway-metrics';
import { NestLogger } from './telemetry/nest-logger';
import { Readiness } from './telemetry/readiness';
import { observeRequests } from './telemetry/request-telemetry';
import { endProcess } from './telemetry/standard-streams';
import { logTasks } from './telemetry/task-log';
import { TelemetryModule } from './telemetry/telemetry.module';

export type { GatewayContext } from './chosen-adapters';
export { createLog } from './telemetry/gateway-log';

/** A store that is away is waited for so long before the gateway listens without it, ms. */
const STORE_PATIENCE_MS = 2000;
/** How long requests under way may take once everything else has stopped, ms. */
const LAST_ANSWERS_MS = 3000;
/** Between two looks at whether the certificate has changed, ms. */
const CERTIFICATE_MS = 10_000;

interface GatewayParts {
  readonly context: GatewayContext;
  readonly app: NestFastifyApplication;
  readonly stored: StoreInReach;
  readonly core: Core;
  readonly readiness: Readiness;
  readonly watches: { readonly disk: FreeDisk; readonly loop: EventLoopWatch; readonly certificate: Rounds };
  readonly audit: AppendedFile | undefined;
  readonly lock: ProcessLock;
}

/** One gateway process, put together by hand from the settings. */
export class Gateway {
  private stopping = false;

  private constructor(private readonly parts: GatewayParts) {}

  /** Opens the store, or begins to, and wires everything; nothing runs yet. Throws `StoreError` when the store cannot be used. */
  static async create(context: GatewayContext): Promise<Gateway> {
    const { settings } = context;
    const inUse = `The data directory ${settings.data_dir} is in use: another tes-gateway process has it. Give each its own (setting data_dir)`;
    const lock = ProcessLock.acquire(join(settings.data_dir, 'gateway.lock'), inUse);
    try {
      return await Gateway.createIn(context, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private static async createIn(given: GatewayContext, lock: ProcessLock): Promise<Gateway> {
    const { settings, log } = given;
    const instance = instanceName(settings.instance, settings.data_dir);
    const context: Composition = { adapters: everyAdapter, ...given, instance };
    const stored = await openStore(context);
    const { store } = stored;
    const credentials = await createCredentials(context, stored);
    const backends = new BackendRegistry(
      await createBackends(context, credentials),
      new Map(settings.backends.map((backend) => [backend.name, slices.placement(backend)])),
    );
    const storage = new StorageRegistry(await createStorages(context, credentials));
    const disk = new FreeDisk(slices.freeDiskSettings(settings), (line, fields) => log.warn(fields, line));
    const core = createCore({
      store,
      backends,
      storage,
      settings: slices.coreSettings(settings, instance),
      log: engineLog(log),
      now: Date.now,
      random: Math.random,
      newId: (nowMs) => taskId(nowMs, randomBits()),
      shortage: () => disk.shortage(),
    });
    const { engine } = core;
    logTasks(engine.changes, log);
    const audit = await openAudit(context);
    const readiness = new Readiness(store, backends, engine.monitor, { disk, audit }, engine.scheduler);
    const metrics = new GatewayMetrics({ store, backends, engine, disk, version: context.version });
    const loop = new EventLoopWatch(engine.changes, engineLog(log), (seconds) => metrics.loopDelayed(seconds));
    const tls = tlsFiles(context);
    const authenticators = await createAuthenticators(context, store);
    const telemetry = TelemetryModule.register(readiness, metrics);
    const app = await createApp(context, core, { storage, authenticators, credentials, metrics, audit, tls, telemetry });
    const certificate = new Rounds(CERTIFICATE_MS, async () => tls?.look(app.getHttpServer() as unknown as HttpsServer));
    return new Gateway({ context, app, stored, core, readiness, watches: { disk, loop, certificate }, audit, lock });
  }

  /** Starts the loops, then listens; while the store is away it listens first, so that it can say so. Resolves with the port. */
  async start(): Promise<number> {
    const { server } = this.parts.context.settings;
    // The backends ask their runtimes, which are other processes, while the routes are made.
    const begun = [this.parts.watches.disk.start(), this.startEngine(), this.parts.app.init()];
    this.parts.watches.loop.start();
    this.parts.watches.certificate.start();
    // Whoever stops the gateway because one of them failed finds none of the others half-way.
    await Promise.allSettled(begun);
    await Promise.all(begun);
    await this.parts.app.listen(server.port, server.host).catch((error: unknown) => {
      throw listenFault(error, server.host, server.port);
    });
    const address = this.parts.app.getHttpServer().address();
    return typeof address === 'object' && address !== null ? address.port : server.port;
  }

  /** Files were changed: one that grows is begun anew under its name, the certificate is looked at. */
  reopenFiles(): void {
    this.parts.audit?.reopen();
    void this.parts.watches.certificate.now();
  }

  /** Creates are refused at once; reads go on while transfers under way get their grace; then everything is let go. Jobs are left alone. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.parts.core.tasks.stopTaking();
    this.parts.readiness.stop();
    // A file server that does not answer must not hold up the stop.
    void this.parts.watches.disk.stop();
    this.parts.watches.loop.stop();
    void this.parts.watches.certificate.stop();
    await this.parts.core.engine.stop(this.parts.context.settings.server.shutdown_grace_seconds * 1000);
    await this.closeHttp();
    await this.parts.audit?.close();
    await this.parts.stored.store.close();
    this.parts.lock.release();
  }

  /** Resolves when the loops go; or without them when the store is away, they then begin when it comes. */
  private async startEngine(): Promise<void> {
    const { opened } = this.parts.stored;
    const started = opened.then(() => this.parts.core.engine.start());
    started.catch(() => undefined);
    if (await Promise.race([opened.then(() => true), pause(STORE_PATIENCE_MS, false, { ref: false })])) await started;
    else started.catch((error: unknown) => this.giveUp(error));
  }

  /** The store was away when the gateway began to listen, and turns out to be one that it cannot use. */
  private giveUp(error: unknown): void {
    // A stop closes a store that was still away.
    if (this.stopping) return;
    this.parts.context.log.fatal({ err: error }, `the gateway cannot go on: ${(error as Error).message}`);
    void this.stop().finally(() => endProcess(1));
  }

  /** A client that sends or reads slowly must not hold up the stop. */
  private async closeHttp(): Promise<void> {
    const cut = setTimeout(() => this.parts.app.getHttpServer().closeAllConnections(), LAST_ANSWERS_MS);
    await this.parts.app.close();
    clearTimeout(cut);
  }
}

function tlsFiles({ settings: { server }, log }: Composition): TlsFiles | undefined {
  const { certificate_file: certificate, key_file: key } = server.tls;
  return certificate === '' ? undefined : new TlsFiles({ certificate, key }, engineLog(log));
}

function certificateFault(error: unknown): never {
  throw new Error(`the certificate cannot be used (settings server.tls): ${(error as Error).message}`, { cause: error });
}

async function openAudit({ settings, log }: Composition): Promise<AppendedFile | undefined> {
  const { file } = settings.audit;
  if (file === '') return undefined;
  return AppendedFile.open(file, engineLog(log)).catch((error: unknown) => {
    throw new Error(`the audit log cannot be opened (setting audit.file): ${(error as Error).message}`, { cause: error });
  });
}

function auditOf(file: AppendedFile): Audit {
  const written = new AuditLog(file);
  return (entry) => written.record(entry);
}

interface AppParts {
  readonly storage: StorageRegistry;
  readonly authenticators: readonly Authenticator[];
  readonly credentials: OwnCredentials | undefined;
  readonly metrics: GatewayMetrics;
  readonly audit: AppendedFile | undefined;
  readonly tls: TlsFiles | undefined;
  readonly telemetry: DynamicModule;
}

async function createApp(
  context: Composition,
  core: Core,
  { storage, authenticators, credentials, metrics, audit, tls, telemetry }: AppParts,
): Promise<NestFastifyApplication> {
  const { settings, version, log } = context;
  const api = slices.apiSettings(settings);
  const serviceInfo = slices.serviceInfoSettings(settings, version);
  const https = tls && { https: await tls.read().catch(certificateFault) };
  const rates = new RequestRates(slices.rateLimits(settings));
  const personalTokens = authenticators.find((one) => one.personalTokens)?.personalTokens;
  const module = AppModule.register({
    core,
    storage,
    api: { settings: api, serviceInfo, rates, personalTokens, credentials },
    others: [telemetry],
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter({ ...fastifyAdapterOptions(api), ...https }), {
    logger: new NestLogger(log),
    abortOnError: false,
  });
  configureHttp(app, api, { authenticators, open: settings.auth.open, rates, ...(audit && { audit: auditOf(audit) }) });
  observeRequests(app.getHttpAdapter().getInstance(), metrics, log);
  serveDocumentation(app, version, api, authenticators);
  return app;
}

/** 80 random bits: of a UUID, because Node draws those of many at once, where each call of `randomBytes` asks the system. */
function randomBits(): Uint8Array {
  const uuid = randomUUID();
  return Buffer.from(uuid.slice(0, 8) + uuid.slice(24), 'hex');
}

import { join } from 'node:path';
import type { ApiSettings, ServiceInfoSettings } from './api/api-settings';
import { COMMAND_ENVIRONMENT } from './backends/local/local.settings';
import type { LocalBackendSettings } from './backends/local/local.settings';
import type { PulsarBackendSettings } from './backends/pulsar/pulsar.settings';
import { spanMs } from './config/setting-formats';
import type { BackendSettings, LocalBackendEntry, PulsarBackendEntry } from './config/backend-settings';
import type { Settings } from './config/settings';
import type { EngineSettings } from './engine/engine-settings';
import type { EndWaitSettings } from './engine/end-waits';
import type { LogReaderSettings } from './engine/log-reader';
import type { AdmissionSettings } from './engine/task-admission';
import type { TaskServiceSettings } from './engine/task.service';
import type { FileStorageSettings } from './storage/file/file.storage';
import type { HttpStorageSettings } from './storage/http/http.storage';
import type { MongoTaskStoreOptions } from './stores/mongo/mongo-task-store';
import type { SqliteTaskStoreOptions } from './stores/sqlite/sqlite-task-store';
import type { Placement, WhenAway } from './task/placement';
import type { TesState } from './task/tes';
import { prefixFolders } from './task/url-folders';
import type { FreeDiskSettings } from './telemetry/free-disk';

/** From the page of settings to what each part reads: its own names, its own units. What nobody would set is decided here. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const GB = 1e9;

export function engineSettings(settings: Settings, instance: string): EngineSettings {
  const { retry, transfers, limits } = settings;
  const retentionMs = spanMs(settings.retention.finished);
  const keepOutputsMs = spanMs(settings.retention.unstored_outputs);
  return {
    instance,
    retry: {
      attempts: retry.attempts,
      firstDelayMs: retry.first_delay_seconds * SECOND,
      longestDelayMs: retry.longest_delay_seconds * SECOND,
      patienceMs: retry.backend_patience_seconds * SECOND,
      storagePatienceMs: retry.storage_patience_seconds * SECOND,
      outputPatienceMs: retry.output_patience_seconds * SECOND,
    },
    leaseMs: 30 * SECOND,
    tickMs: 30 * SECOND,
    peekMs: 2 * SECOND,
    places: { transfers: transfers.tasks, calls: 32 },
    longestTransferMs: transfers.max_seconds * SECOND,
    transfers: { parallel: transfers.parallel, tries: transfers.tries },
    // A cancel waits for the grace inside one call: it must be able to see the end of it.
    callTimeoutMs: (30 + settings.local.kill_grace_seconds) * SECOND,
    bigTaskWaitMs: limits.big_task_wait_seconds * SECOND,
    ...(limits.max_queued_seconds > 0 && { maxQueuedMs: limits.max_queued_seconds * SECOND }),
    tailBytes: settings.logs.tail_bytes,
    healthMs: 10 * SECOND,
    sweepMs: 5 * MINUTE,
    ...(retentionMs === undefined ? {} : { retentionMs }),
    ...(keepOutputsMs === undefined ? {} : { keepOutputsMs }),
    keepOutputsBytes: settings.retention.unstored_outputs_gb * GB,
  };
}

export function admissionSettings({ api, limits, transfers }: Settings): AdmissionSettings {
  return {
    contentBytes: api.content_limit_bytes,
    outputPatterns: limits.max_output_patterns,
    counts: {
      inputsAndOutputs: limits.max_inputs_and_outputs,
      executors: limits.max_executors,
      volumes: limits.max_volumes,
      tags: limits.max_tags,
      backendParameters: limits.max_backend_parameters,
    },
    defaultCpuCores: limits.default_cpu_cores,
    defaultRamGb: limits.default_ram_gb,
    maxRuntimeSeconds: { default: limits.default_runtime_seconds, max: limits.max_runtime_seconds },
    maxTransferSeconds: transfers.max_seconds,
    overCapacity: limits.over_capacity,
  };
}

export function taskServiceSettings({ api, limits }: Settings): TaskServiceSettings {
  const shown = (state: string): TesState | undefined => (state === 'off' ? undefined : (state as TesState));
  const showCancelingAs = shown(api.show_canceling_as);
  const showQueuedAs = shown(api.show_queued_as);
  return {
    views: { ...(showCancelingAs ? { showCancelingAs } : {}), ...(showQueuedAs ? { showQueuedAs } : {}) },
    maxQueued: limits.max_queued,
    keyTtlMs: 24 * HOUR,
    pageBytes: 8 * 2 ** 20,
  };
}

/** TES 1.0 clients know no CANCELING: most jobs end within this time, and then their next look reads CANCELED. */
export const END_WAITS: EndWaitSettings = { waitMs: 2 * SECOND, lookMs: SECOND / 2, most: 256 };

export function logReaderSettings({ logs }: Settings): LogReaderSettings {
  return { pollMs: SECOND / 2, mostFollowers: logs.followers };
}

export function sqliteOptions(settings: Settings): Pick<SqliteTaskStoreOptions, 'path' | 'maxDueMs'> {
  return { path: join(settings.data_dir, 'tasks.sqlite'), maxDueMs: maxDueMs(settings) };
}

export function mongoOptions(
  settings: Settings,
  instance: string,
): Pick<MongoTaskStoreOptions, 'url' | 'database' | 'instance' | 'maxDueMs'> {
  const { url, database } = settings.store;
  return { url, database, instance, maxDueMs: maxDueMs(settings) };
}

function maxDueMs({ retry }: Settings): number {
  return Math.max(HOUR, retry.longest_delay_seconds * SECOND);
}

export function fileStorageSettings({ storage }: Settings, instance: string): FileStorageSettings {
  return { allowed: storage.file.allowed, instance };
}

export function httpStorageSettings({ storage: { http } }: Settings): HttpStorageSettings {
  return {
    enabled: http.enabled,
    maxRedirects: http.max_redirects,
    allowPrivateAddresses: http.allow_private_addresses,
    connectTimeoutMs: 10 * SECOND,
    idleTimeoutMs: http.timeout_seconds * SECOND,
  };
}

export function apiSettings({ server }: Settings): ApiSettings {
  return {
    bodyLimitBytes: server.body_limit_bytes,
    corsOrigins: server.cors_origins,
    trustProxy: server.trust_proxy,
    host: server.host,
    allowedHosts: server.allowed_hosts,
  };
}

export function serviceInfoSettings({ service_info: info }: Settings, version: string): ServiceInfoSettings {
  return {
    id: info.id,
    name: info.name,
    organization: { name: info.organization_name, url: info.organization_url },
    version,
    ...(info.description === '' ? {} : { description: info.description }),
    ...(info.contact_url === '' ? {} : { contactUrl: info.contact_url }),
    ...(info.documentation_url === '' ? {} : { documentationUrl: info.documentation_url }),
    ...(info.environment === '' ? {} : { environment: info.environment }),
  };
}

export function freeDiskSettings({ data_dir, work_dir, limits }: Settings): FreeDiskSettings {
  return { directories: { data_dir, work_dir }, minFreeBytes: limits.min_free_disk, everyMs: 5 * SECOND };
}

/** What the engine reads of an entry of `backends`, whatever its type. */
export function placement(backend: BackendSettings): Placement {
  return {
    labels: backend.labels ?? {},
    ...(backend.url_prefixes === undefined ? {} : { urlPrefixes: prefixFolders(backend.url_prefixes) }),
    whenAway: whenAway(backend),
  };
}

/** What runs on another machine goes on there while it cannot be reached: it is worth waiting for. */
function whenAway(backend: BackendSettings): WhenAway {
  if (backend.type === 'local') return { kind: 'patience' };
  return backend.when_away === 'move' ? { kind: 'move', afterMs: backend.move_after_seconds * SECOND } : { kind: 'wait' };
}

/** One entry of `backends` of type `local`. */
export function localBackendSettings(
  settings: Settings,
  backend: LocalBackendEntry,
  surroundings: Pick<LocalBackendSettings, 'instance' | 'log'> & { readonly environment: Readonly<Record<string, string>> },
): LocalBackendSettings {
  const { images, local } = settings;
  return {
    name: backend.name,
    runtime: backend.runtime,
    network: backend.network,
    ...(backend.cpus === undefined ? {} : { cpus: backend.cpus }),
    ...(backend.ram_gb === undefined ? {} : { ramGb: backend.ram_gb }),
    drain: backend.drain,
    workDir: join(settings.work_dir, backend.name),
    instance: surroundings.instance,
    killGraceSeconds: local.kill_grace_seconds,
    pidsLimit: local.pids_limit,
    capabilities: local.capabilities,
    keepWorkspace: local.keep_workspace,
    images: {
      allowed: images.allowed,
      map: images.map,
      pull: images.pull,
      ...(images.auth_file === '' ? {} : { authFile: images.auth_file }),
    },
    environment: Object.fromEntries(
      COMMAND_ENVIRONMENT.flatMap((name) => {
        const value = surroundings.environment[name];
        return value === undefined ? [] : [[name, value]];
      }),
    ),
    log: surroundings.log,
  };
}

/** One entry of `backends` of type `pulsar`. */
export function pulsarBackendSettings(
  settings: Settings,
  backend: PulsarBackendEntry,
  surroundings: Pick<PulsarBackendSettings, 'instance' | 'log'>,
): PulsarBackendSettings {
  return {
    name: backend.name,
    ...(backend.url === undefined ? {} : { url: backend.url }),
    token: backend.token,
    ...(backend.amqp_url === undefined ? {} : { amqpUrl: backend.amqp_url }),
    ...(backend.amqp_key_prefix === undefined ? {} : { amqpKeyPrefix: backend.amqp_key_prefix }),
    ...(backend.manager === undefined ? {} : { manager: backend.manager }),
    runtime: backend.runtime,
    network: backend.network,
    slots: backend.slots,
    ...(backend.cpus === undefined ? {} : { cpus: backend.cpus }),
    ...(backend.ram_gb === undefined ? {} : { ramGb: backend.ram_gb }),
    drain: backend.drain,
    instance: surroundings.instance,
    killGraceSeconds: settings.local.kill_grace_seconds,
    pidsLimit: settings.local.pids_limit,
    capabilities: settings.local.capabilities,
    pull: settings.images.pull,
    imageDirectories: settings.images.allowed,
    environment: backend.environment,
    ...(backend.staging === 'worker' ? { stager: stagerSettings(settings, backend) } : {}),
    log: surroundings.log,
  };
}

/** What the stager on a worker is told of the settings: the transfers of the gateway, but its own files. */
function stagerSettings(settings: Settings, backend: PulsarBackendEntry): NonNullable<PulsarBackendSettings['stager']> {
  const { transfers } = settings;
  return {
    command: backend.stager,
    ...(backend.stager_image === undefined ? {} : { image: backend.stager_image }),
    files: backend.stager_files,
    transfers: { parallel: transfers.parallel, tries: transfers.tries },
    retry: engineSettings(settings, '').retry,
    storage: [
      { name: 'http', schemes: ['http', 'https'], settings: httpStorageSettings(settings) },
      { name: 'file', schemes: ['file'], settings: { allowed: backend.stager_files } },
    ],
  };
}

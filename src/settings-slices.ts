import { join } from 'node:path';
import type { ApiSettings, ServiceInfoSettings } from './api/api-settings';
import type { RateLimits } from './api/auth/request-rates';
import { spanMs } from './config/setting-formats';
import type { Settings } from './config/settings';
import type { CoreSettings } from './engine/core';
import type { EngineSettings } from './engine/engine-settings';
import type { EndWaitSettings } from './engine/end-waits';
import type { LogReaderSettings } from './engine/log-reader';
import type { AdmissionSettings } from './engine/task-admission';
import type { TaskServiceSettings } from './engine/task.service';
import type { Adapters, BackendContext, BackendEntry, StorageElsewhere, Surroundings } from './ports/adapter';
import { isLoopback } from './ports/host-name';
import { Networks } from './ports/networks';
import type { RetryPolicy } from './task/failure-policy';
import type { Placement, WhenAway } from './task/placement';
import type { TesState } from './task/tes';
import { prefixFolders } from './task/url-folders';
import type { FreeDiskSettings } from './telemetry/free-disk';

/** From the page of settings to what each part reads: its own names, its own units. What nobody would set is decided here. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const GB = 1e9;

/** The slices of everything between the ports. */
export function coreSettings(settings: Settings, instance: string): CoreSettings {
  return {
    engine: engineSettings(settings, instance),
    admission: admissionSettings(settings),
    service: taskServiceSettings(settings),
    logs: logReaderSettings(settings),
    endWaits: END_WAITS,
  };
}

export function engineSettings(settings: Settings, instance: string): EngineSettings {
  const { transfers, limits } = settings;
  const retentionMs = spanMs(settings.retention.finished);
  const keepOutputsMs = spanMs(settings.retention.unstored_outputs);
  return {
    instance,
    retry: retryPolicy(settings),
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
    active: {
      ...(limits.max_active_of_user > 0 && { ofUser: limits.max_active_of_user }),
      ...(limits.max_active_of_group > 0 && { ofGroup: limits.max_active_of_group }),
    },
    tailBytes: settings.logs.tail_bytes,
    healthMs: 10 * SECOND,
    sweepMs: 5 * MINUTE,
    ...(retentionMs !== undefined && { retentionMs }),
    ...(keepOutputsMs !== undefined && { keepOutputsMs }),
    keepOutputsBytes: settings.retention.unstored_outputs_gb * GB,
  };
}

function retryPolicy({ retry }: Settings): RetryPolicy {
  return {
    attempts: retry.attempts,
    firstDelayMs: retry.first_delay_seconds * SECOND,
    longestDelayMs: retry.longest_delay_seconds * SECOND,
    patienceMs: retry.backend_patience_seconds * SECOND,
    storagePatienceMs: retry.storage_patience_seconds * SECOND,
    outputPatienceMs: retry.output_patience_seconds * SECOND,
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

export function taskServiceSettings({ api, auth, limits }: Settings): TaskServiceSettings {
  const shown = (state: string): TesState | undefined => (state === 'off' ? undefined : (state as TesState));
  const showCancelingAs = shown(api.show_canceling_as);
  const showQueuedAs = shown(api.show_queued_as);
  return {
    views: { ...(showCancelingAs && { showCancelingAs }), ...(showQueuedAs && { showQueuedAs }) },
    access: auth.access,
    quota: {
      queued: limits.max_queued,
      ...(limits.max_tasks_of_user > 0 && { ofUser: limits.max_tasks_of_user }),
      ...(limits.max_tasks_of_group > 0 && { ofGroup: limits.max_tasks_of_group }),
    },
    keyTtlMs: 24 * HOUR,
    pageBytes: 8 * 2 ** 20,
  };
}

/** TES 1.0 clients know no CANCELING: most jobs end within this time, and then their next look reads CANCELED. */
const END_WAITS: EndWaitSettings = { waitMs: 2 * SECOND, lookMs: SECOND / 2, most: 256 };

export function logReaderSettings({ logs }: Settings): LogReaderSettings {
  return { pollMs: SECOND / 2, mostFollowers: logs.followers };
}

/** The longest interval the engine ever puts between now and a `dueAt`, ms. */
export function maxDueMs({ retry }: Settings): number {
  return Math.max(HOUR, retry.longest_delay_seconds * SECOND);
}

export function apiSettings({ server }: Settings): ApiSettings {
  return {
    bodyLimitBytes: server.body_limit_bytes,
    connections: { inAll: server.max_connections, ofAddress: server.max_connections_per_address },
    hasTls: server.tls.certificate_file !== '',
    corsOrigins: server.cors_origins,
    proxies: new Networks(server.trust_proxy),
    host: server.host,
    allowedHosts: server.allowed_hosts,
  };
}

export function rateLimits({ rates }: Settings): RateLimits {
  return {
    creates: { ofUser: rates.creates, ofAddress: rates.creates_per_address },
    lists: { ofUser: rates.lists, ofAddress: rates.lists_per_address },
    gets: { ofUser: rates.gets, ofAddress: rates.gets_per_address },
  };
}

export function serviceInfoSettings({ service_info: info }: Settings, version: string): ServiceInfoSettings {
  return {
    id: info.id,
    name: info.name,
    organization: { name: info.organization_name, url: info.organization_url },
    version,
    ...(info.description !== '' && { description: info.description }),
    ...(info.contact_url !== '' && { contactUrl: info.contact_url }),
    ...(info.documentation_url !== '' && { documentationUrl: info.documentation_url }),
    ...(info.environment !== '' && { environment: info.environment }),
  };
}

export function freeDiskSettings({ data_dir, work_dir, limits }: Settings): FreeDiskSettings {
  return { directories: { data_dir, work_dir }, minFreeBytes: limits.min_free_disk, everyMs: 5 * SECOND };
}

/** What the engine reads of an entry of `backends`, whatever its type. */
export function placement(backend: BackendEntry): Placement {
  return {
    labels: backend.labels ?? {},
    ...(backend.url_prefixes !== undefined && { urlPrefixes: prefixFolders(backend.url_prefixes) }),
    whenAway: whenAway(backend),
  };
}

/** What runs on another machine goes on there while it cannot be reached: it is worth waiting for. */
function whenAway({ when_away: kind, move_after_seconds: seconds = 0 }: BackendEntry): WhenAway {
  if (kind === undefined) return { kind: 'patience' };
  return kind === 'move' ? { kind, afterMs: seconds * SECOND } : { kind };
}

/** What storages have to know of this gateway. */
export function surroundingsOf({ server }: Settings): Surroundings {
  return { servesThisMachineOnly: isLoopback(server.host) && server.trust_proxy.length === 0 && server.allowed_hosts.length === 0 };
}

/** What every backend gets, whatever its type. */
export function backendContext(
  settings: Settings,
  name: string,
  surroundings: Pick<BackendContext, 'instance' | 'environment' | 'logins' | 'log'>,
  { storages }: Adapters,
): BackendContext {
  const { images, local, retention, transfers } = settings;
  const keptMs = spanMs(retention.unstored_outputs);
  return {
    ...surroundings,
    workDir: join(settings.work_dir, name),
    jobs: {
      killGraceSeconds: local.kill_grace_seconds,
      pidsLimit: local.pids_limit,
      capabilities: local.capabilities,
      keepWorkspace: local.keep_workspace,
      kept: { ...(keptMs !== undefined && { ageMs: keptMs }), bytes: retention.unstored_outputs_gb * GB },
    },
    images: {
      allowed: images.allowed,
      map: images.map,
      pull: images.pull,
      ...(images.auth_file !== '' && { authFile: images.auth_file }),
    },
    transfers: { parallel: transfers.parallel, tries: transfers.tries },
    retry: retryPolicy(settings),
    storagesElsewhere: storages.flatMap((storage): StorageElsewhere[] => {
      const { type: name, schemes } = storage;
      const values = settings.storage[name] ?? {};
      return storage.elsewhere
        ? [{ name, schemes, slice: (directories) => storage.elsewhere?.(values, { ...surroundingsOf(settings), directories }) ?? {} }]
        : [];
    }),
  };
}

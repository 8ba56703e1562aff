import { counts, outputPatterns } from './largest-tasks';
import type { EngineLog } from '../../src/engine/engine-log';
import type { EngineSettings } from '../../src/engine/engine-settings';
import type { AdmissionSettings } from '../../src/engine/task-admission';
import type { TaskServiceSettings } from '../../src/engine/task.service';

/** Settings of the engine for tests without a clock to wait for: short pauses, small numbers. */
export const ENGINE: EngineSettings = {
  instance: 'test',
  retry: { attempts: 3, firstDelayMs: 100, longestDelayMs: 2_000, patienceMs: 60_000, storagePatienceMs: 60_000, outputPatienceMs: 60_000 },
  leaseMs: 15_000,
  tickMs: 5_000,
  peekMs: 1_000,
  transfers: { tries: 2, firstDelayMs: 10, longestDelayMs: 50 },
  places: { transfers: 4, calls: 16 },
  longestTransferMs: 3_600_000,
  callTimeoutMs: 30_000,
  bigTaskWaitMs: 60_000,
  tailBytes: 1024,
  healthMs: 10_000,
  sweepMs: 60_000,
};

export const ADMISSION: AdmissionSettings = {
  contentBytes: 4 * 1024 * 1024,
  outputPatterns,
  counts,
  defaultCpuCores: 1,
  defaultRamGb: 1,
  maxRuntimeSeconds: { default: 3600, max: 86_400 },
  maxTransferSeconds: 86_400,
  overCapacity: 'clamp',
};

export const SERVICE: TaskServiceSettings = { views: {}, keyTtlMs: 86_400_000, pageBytes: 8 * 1024 * 1024 };

/** A log that nobody reads. */
export const SILENT: EngineLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

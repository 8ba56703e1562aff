import type { TaskRecord, TaskStep } from './task-record';
import { isStoring } from './task-state';

/** How often and how patiently failures of the system are tried again (settings `retry.*`). Executor failures never are. */
export interface RetryPolicy {
  /** Attempts a task may have in all. */
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
  /** How long a backend may be away before an attempt on it is given up, ms. */
  readonly patienceMs: number;
  /** How long inputs wait for a storage that is away, and outputs for one that answers with a fault of its own, ms. */
  readonly storagePatienceMs: number;
  /** How long outputs, which took computing, wait for a storage that is away, ms. */
  readonly outputPatienceMs: number;
}

/** How a storage is away (ports' `StorageAway`). */
export interface AwayStorage {
  readonly brief?: boolean;
  readonly retryAfterMs?: number;
  readonly isWorkDisk?: true;
}

/** What went wrong, as data: the members of ports' `RunError` that decide. */
export interface Failure {
  readonly reason: string;
  readonly retryable: boolean;
  readonly unavailable: boolean;
  /** The data of the attempt has gone: nothing that is tried again in this attempt helps. */
  readonly lost?: boolean;
  /** A storage is away, and no backend. */
  readonly storage?: AwayStorage;
}

/** What a task does whose backend did not answer. */
export type AwayRule =
  | { readonly kind: 'patience' | 'wait' }
  /** There is another backend for it. `mayHaveStarted`: its job may run over there, or begin to. */
  | { readonly kind: 'move'; readonly afterMs: number; readonly mayHaveStarted: boolean };

export type FailureDecision =
  /** Stay in the step and look again. */
  | { readonly kind: 'defer'; readonly delayMs: number }
  /** Wait for a storage without using room of the backend, and without using up an attempt. */
  | { readonly kind: 'await'; readonly delayMs: number }
  /** It waited as long as the settings allow. */
  | { readonly kind: 'give-up'; readonly waitedMs: number; readonly patience: 'storage' | 'output' }
  /** Give this attempt up and start another one. */
  | { readonly kind: 'retreat' }
  /** Give this attempt up without a fence, because nobody can reach its job, and start another one. */
  | { readonly kind: 'move' }
  | { readonly kind: 'fail' };

/**
 * The table of what is retried (`README.md`, "The life of a task"):
 *
 * | what | where | decision |
 * |---|---|---|
 * | anything | fence or clean-up (`cancel`, `retreat`, `cleanup`) | defer, for ever: it must be confirmed |
 * | anything | outputs that an operator has stored again (`restore`) | fail: the workspace is still kept, and may be asked for again |
 * | not retryable (401, 403, 404, unknown image, bad reference) | elsewhere | fail |
 * | the backend is away, `wait` | elsewhere | defer, for ever: the job may be at its end when the backend is back |
 * | the backend is away, `move` | also `retreat` | defer for so long, then move; with a job that may have started only while attempts are left |
 * | a storage is away | elsewhere | wait for it while its patience lasts, then fail: neither the backend nor an attempt is kept meanwhile |
 * | the disk of the workspaces is full | `stage-in`, `submit` | as an input's storage that is away; elsewhere as a backend that is away: what runs is not given up |
 * | the backend is away, or a look at a running job failed | elsewhere | defer while patience lasts, then as retryable |
 * | the workspace has gone | elsewhere | another attempt while there are some left, else fail; fail if a program had failed: that is the result |
 * | retryable | `stage-out` | defer, as many times as there are attempts: the executors are not repeated for an upload |
 * | retryable | elsewhere | another attempt while there are some left, else fail |
 *
 * `now` is the store's time; `random` in [0, 1): full jitter.
 */
export function decideFailure(
  task: TaskRecord,
  failure: Failure,
  now: number,
  policy: RetryPolicy,
  random: number,
  away: AwayRule = { kind: 'patience' },
): FailureDecision {
  if (task.step === 'restore') return { kind: 'fail' };
  if (failure.storage && !FENCED.has(task.step) && (failure.storage.isWorkDisk !== true || BEGINNING.has(task.step)))
    return decideAway(task, failure.storage, now, policy, random);
  const tries = task.trouble?.count ?? 0;
  const awayMs = now - (task.trouble?.since ?? now);
  const delayMs = backOff(tries, policy, random);
  if (failure.unavailable && away.kind === 'move' && task.step !== 'cancel' && task.step !== 'cleanup' && task.step !== 'kept') {
    const isAllowed = !away.mayHaveStarted || hasAttempts(task, policy);
    if (isAllowed && awayMs >= away.afterMs) return { kind: 'move' };
    // Looked at again when it may move, not long after.
    return { kind: 'defer', delayMs: isAllowed ? Math.max(policy.firstDelayMs, Math.min(delayMs, away.afterMs - awayMs)) : delayMs };
  }
  switch (task.step) {
    case 'cancel':
    case 'retreat':
    case 'cleanup':
    case 'kept':
      return { kind: 'defer', delayMs };
    case 'stage-in':
    case 'submit':
    case 'run':
    case 'stage-out':
    case 'await-storage': {
      if (failure.lost === true) return hasAttempts(task, policy) && task.outcome !== 'failed' ? { kind: 'retreat' } : { kind: 'fail' };
      if (failure.unavailable && (away.kind === 'wait' || awayMs < policy.patienceMs)) return { kind: 'defer', delayMs };
      if (!failure.retryable && !failure.unavailable) return { kind: 'fail' };
      if (isStoring(task.step)) return tries + 1 < policy.attempts ? { kind: 'defer', delayMs } : { kind: 'fail' };
      return hasAttempts(task, policy) ? { kind: 'retreat' } : { kind: 'fail' };
    }
    case 'queued':
    case 'done':
      return { kind: 'fail' };
    default: {
      const never: never = task.step;
      return never;
    }
  }
}

/** Its job has not been handed over: nothing is lost with the workspace. */
const BEGINNING: ReadonlySet<TaskStep> = new Set(['stage-in', 'submit']);

/** What must be confirmed, however long that takes. */
const FENCED: ReadonlySet<TaskStep> = new Set(['cancel', 'retreat', 'cleanup', 'kept']);

function decideAway(task: TaskRecord, away: AwayStorage, now: number, policy: RetryPolicy, random: number): FailureDecision {
  const of = isStoring(task.step) ? 'outputs' : away.isWorkDisk ? 'workspace' : 'inputs';
  const wait = task.storageWait?.of === of ? task.storageWait : undefined;
  const waitedMs = now - (wait?.since ?? now);
  const patience = of === 'outputs' && away.brief !== true ? 'output' : 'storage';
  const leftMs = (patience === 'output' ? policy.outputPatienceMs : policy.storagePatienceMs) - waitedMs;
  if (leftMs <= 0) return { kind: 'give-up', waitedMs, patience };
  // What fills the disk may be this task's own inputs: each try takes the room of others, so tries become rare.
  const leastMs = away.isWorkDisk ? Math.min(Math.round(waitedMs / 2), LONGEST_REST_MS) : (away.retryAfterMs ?? 0);
  const delayMs = Math.max(backOff(wait?.count ?? 0, policy, random), leastMs);
  // Tried once more when the time is up, not long after.
  return { kind: 'await', delayMs: Math.min(delayMs, Math.max(leftMs, LEAST_DELAY_MS)) };
}

/** Another attempt is allowed. Those that ended because an input's storage was away do not count. */
function hasAttempts({ attempt, waitedAttempts = 0 }: TaskRecord, policy: RetryPolicy): boolean {
  return attempt - waitedAttempts < policy.attempts;
}

/** Between two tries of a task that found no room, ms. */
const LONGEST_REST_MS = 600_000;

/** However the settings say it: a task that is deferred without a pause would spin, with a write each time. */
const LEAST_DELAY_MS = 100;

/** Exponential with full jitter, never less than a tenth of the first delay or `LEAST_DELAY_MS`. */
export function backOff(tries: number, policy: Pick<RetryPolicy, 'firstDelayMs' | 'longestDelayMs'>, random: number): number {
  const ceiling = Math.min(policy.longestDelayMs, policy.firstDelayMs * 2 ** Math.min(tries, 30));
  return Math.round(Math.max(LEAST_DELAY_MS, policy.firstDelayMs / 10, ceiling * random));
}

import type { Size } from './amounts';
import type { Scope } from './scopes';
import type { FoundTypes, TesState } from './tes';

/**
 * Where an attempt is, inside its state (see `task-state.ts` for the picture):
 * `queued` waits for a backend · `stage-in` workspace and inputs · `submit` handing the job over · `run` executors ·
 * `stage-out` outputs · `await-storage` outputs whose storage is away: the workspace stays, the backend's room is free · `retreat` an attempt that failed is fenced and cleaned before the next one ·
 * `cancel` the fence of a cancelled task · `cleanup` terminal, the job's remains are being removed ·
 * `kept` terminal, but the outputs were not stored: the workspace stays for a time · `restore` an operator has them stored again · `done` nothing left to do.
 */
export const TASK_STEPS = [
  'queued',
  'stage-in',
  'submit',
  'run',
  'stage-out',
  'retreat',
  'cancel',
  'cleanup',
  'done',
  'await-storage',
  'kept',
  'restore',
] as const;
export type TaskStep = (typeof TASK_STEPS)[number];

/**
 * A backend's own note on a job, opaque to the engine: it is saved, handed back, and never looked into except for `step`.
 * `prepared` = the workspace exists, inputs may be written, nothing can run yet; `submitted` = the job has been handed over.
 * A backend may name further steps of its own between the two. `version` lets a newer gateway read an older one's handle.
 */
export interface Handle {
  readonly backend: string;
  readonly version: number;
  readonly step: 'prepared' | 'submitted' | (string & {});
  readonly data: Readonly<Record<string, string>>;
}

/** Output of one executor stream as kept in the record: the last bytes, decoded as UTF-8 (bad bytes become U+FFFD). */
export interface LogTail {
  readonly text: string;
  /** Bytes the executor wrote in all; more than the tail holds when something was left out. */
  readonly totalBytes: number;
  /** The file that the executor names for it is another one: the way there was a link, or a directory. */
  readonly unplaced?: true;
}

/** One executor that has ended. Times are milliseconds since the epoch. */
export interface ExecutorRecord {
  readonly exitCode: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly stdout?: LogTail;
  readonly stderr?: LogTail;
}

export interface OutputFile {
  readonly url: string;
  readonly path: string;
  readonly sizeBytes: number;
}

/** One try of a task: what becomes one entry of `logs[]`. */
export interface AttemptRecord {
  readonly attempt: number;
  readonly backend: string;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly executors: readonly ExecutorRecord[];
  readonly outputs: readonly OutputFile[];
  readonly systemLogs: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** What the scheduler must know of a request, computed once at create so that no loop ever reads the request to wait. */
export interface TaskNeeds extends Size {
  /** `backend_parameters.backend`, if the client chose one. */
  readonly backend?: string;
  /** The folders that inputs and outputs lie in (`url-folders.ts`); absent = none, or a task of an older gateway. */
  readonly folders?: readonly string[];
  /** Whether all of `folders` lie below a list of prefixes, by a name of that list; what is not in it has not been looked at yet. */
  readonly reaches?: Readonly<Record<string, boolean>>;
  /** Labels that the backend must bear, by name. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Backends, or `backend@gateway` of those bound to their gateway, that said of themselves that they cannot carry it out. */
  readonly refusedBy?: readonly string[];
  /** The gateway whose backends were asked at create; absent = there was no other. Those of others are asked before they get it. */
  readonly admittedBy?: string;
  /** Its owner and groups that have a limit of active tasks, once one of them was reached when it could have gone on. Absent = none was. */
  readonly limitedBy?: readonly Scope[];
  /** Lower-cased backend parameter keys. With `strict`, only a backend that knows all of them will do. */
  readonly parameterKeys: readonly string[];
  readonly strict: boolean;
  readonly maxRuntimeSeconds: number;
  /** For one try at all inputs, or at all outputs; absent = what the settings allow. */
  readonly maxTransferSeconds?: number;
  readonly hasInputs: boolean;
  readonly hasOutputs: boolean;
  readonly executorCount: number;
}

/** Learned after create; the views lay it over the immutable request. */
export interface TaskOverlay {
  /** By index of `inputs`/`outputs`; only entries that differ from the request. */
  readonly inputTypes?: FoundTypes;
  readonly outputTypes?: FoundTypes;
  /** Lower-cased backend parameter keys that the chosen backend does not support: they disappear from every view (TES `backend_parameters`). */
  readonly droppedParameters?: readonly string[];
}

/** A job that may run on a backend that was away when its task moved to another one. Nobody could end it then. */
export interface LeftJob {
  readonly backend: string;
  readonly attempt: number;
  readonly handle?: Handle;
}

/** What a task waits for whose storage is away. */
export interface StorageWait {
  /** `workspace`: the disk of the workspaces is full. */
  readonly of: 'inputs' | 'outputs' | 'workspace';
  /** Store time, ms. */
  readonly since: number;
  /** Tries so far. */
  readonly count: number;
  /** What the last one met; public. */
  readonly reason: string;
  /** From it to the next one, ms. */
  readonly pauseMs: number;
}

export interface Lease {
  /** Names one claim and no other: instance, loop, and a token of the process. What is done under a claim is refused once this is another. */
  readonly holder: string;
  /** Store time, ms. */
  readonly until: number;
}

/**
 * The small, mutable record of a task; everything the engine's loops read. Changed only by `TaskWriter` through `reduce`
 * and a compare-and-swap on `revision`. Times are milliseconds since the epoch.
 */
export interface TaskRecord {
  readonly id: string;
  /** Issuer and subject of the principal, as one opaque string. */
  readonly owner: string;
  /** What the owner is called, where that is not `owner`. */
  readonly ownerName?: string;
  /** Groups that the owner was in when it was created; their members may be let see it. Absent = none. */
  readonly groups?: readonly string[];
  readonly name?: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: number;
  readonly state: TesState;
  readonly step: TaskStep;
  readonly revision: number;
  /** 0 until the first assignment; then the number of the current (or last) attempt. Part of the job's name. */
  readonly attempt: number;
  readonly backend?: string;
  /** Only this instance can reach the job (set where the backend is bound to its gateway). */
  readonly boundTo?: string;
  readonly handle?: Handle;
  /**
   * The attempt that `backend` and `handle` mean where that is not `attempt`: the job of an earlier one, which stayed behind, is being ended
   * because the task was cancelled.
   */
  readonly jobAttempt?: number;
  /** Jobs of earlier attempts that nobody has ended yet; never more than there may be attempts. Absent = none. */
  readonly leftBehind?: readonly LeftJob[];
  /** True once the job of this attempt is known to have ended by itself, so that clean-up needs no fence. */
  readonly jobEnded: boolean;
  /** How the executors ended, remembered while outputs are stored. */
  readonly outcome?: 'succeeded' | 'failed';
  /** When the engine next looks at it, in the store's time; absent for QUEUED and for what is done. */
  readonly dueAt?: number;
  readonly lease?: Lease;
  /** While QUEUED: since when, in the store's time; absent in a record of an older gateway. */
  readonly queuedAt?: number;
  /** A QUEUED task is not assigned before this (retry back-off), in the store's time. Gone once it has passed. */
  readonly notBefore?: number;
  /** What the current attempt was given, where that is less than it needs. */
  readonly given?: Size;
  /** Consecutive failures in the current step, since when (store time, ms), and the last public reason. Reset by every success. */
  readonly trouble?: { readonly count: number; readonly since: number; readonly reason: string };
  /** A storage that is away. Outlives attempts, and the process, until everything has been read or stored. */
  readonly storageWait?: StorageWait;
  /** How many attempts ended because the storage of an input was away. They are not counted. */
  readonly waitedAttempts?: number;
  /** In `kept` and `restore`: when the workspace is removed, store time, ms. */
  readonly keptUntil?: number;
  /** In `kept` and `restore`: what the workspace takes on its disk, once that is known. */
  readonly keptBytes?: number;
  readonly needs: TaskNeeds;
  readonly attempts: readonly AttemptRecord[];
  /** Lines not (yet) belonging to an attempt: warnings at create, cancellation, reasons of earlier attempts without executors. */
  readonly systemLogs: readonly string[];
  readonly overlay: TaskOverlay;
  readonly endedAt?: number;
}

/** The name under which a backend knows the job of one attempt. Deterministic: a repeated submit finds the first one. */
export function jobName(taskId: string, attempt: number): string {
  return `tes-${taskId}-${attempt}`;
}

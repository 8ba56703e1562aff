import type { Readable } from 'node:stream';
import type { Observation } from '../task/observation';
import type { Owner } from '../task/owner';
import type { Handle, TaskNeeds } from '../task/task-record';
import type { TesTaskRequest } from '../task/tes';
import type { FillFile, SourceFile } from './local-file';
import type { Capacity } from '../task/amounts';

/** What a backend can do, as data. Everything the engine, the API and service-info ask about a backend stands here. */
export interface BackendCapabilities {
  /** Lower-cased `backend_parameters` keys it understands, besides those every backend has (`COMMON_PARAMETER_KEYS`). */
  readonly parameterKeys: readonly string[];
  /**
   * `gateway`: the Stager moves the data through `workspace`. `worker`: the job moves its own data; `workspace` is not used. Decides what
   * is done before a job starts; who stores the outputs of one that has ended is told by its observation (`outputs`).
   */
  readonly staging: 'gateway' | 'worker';
  /** What there is now, and may be filled. Absent amounts are unlimited. */
  readonly capacity: Capacity;
  /**
   * What it may grow to by itself, where that is more: tasks are admitted by it, and wait for the capacity to grow. Absent = it does not
   * grow. Amounts are as in `capacity`.
   */
  readonly atMost?: Capacity;
  /** True when only the gateway process that submitted a job can reach it (the job runs on that machine). */
  readonly boundToInstance: boolean;
  /** True when `list` is there. */
  readonly canList: boolean;
  /** New tasks are not given to it. */
  readonly draining: boolean;
  /** First and longest pause between two observations of a running job, ms. A push (`watch`) shortens it. */
  readonly pollMs: { readonly first: number; readonly longest: number };
  /** What it enforces and what it cannot, one line each, for the log at start, `/ext/v1/backends` and the README. */
  readonly notes: readonly string[];
}

/** Everything a backend needs to carry out one attempt. Built anew from the store whenever it is needed. */
export interface Job {
  readonly taskId: string;
  readonly attempt: number;
  /** `jobName(taskId, attempt)`. */
  readonly name: string;
  /** As the task knows it since its creation. */
  readonly owner: Owner;
  readonly request: TesTaskRequest;
  readonly needs: TaskNeeds;
  /** Final number of bytes kept of each stream. */
  readonly tailBytes: number;
}

/** A step of `submit` that is done, where the next one has to wait: an image that is being pulled, a machine that is being made. */
export interface SubmittedLater {
  readonly handle: Handle;
  /** Pause until the engine asks again, ms. It holds no place meanwhile. */
  readonly againMs: number;
}

/** A file, directory or link below a container path. `path` is absolute, inside the container. */
export interface WorkspaceEntry {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly sizeBytes: number;
  /** Permission bits. */
  readonly mode: number;
  /** When its bytes were last changed, where the backend can tell: ms since 1970, with a fraction. */
  readonly modifiedMs?: number;
  /** Of a link, as written. */
  readonly linkTarget?: string;
  /**
   * Of an `other` that TES cannot name, what goes on after "PATH": it, or what it leads to, has a name that is not UTF-8 (then `path` shows
   * its bytes). Asked for by name, it is a failure.
   */
  readonly reason?: string;
}

/** What an input is to be beside its bytes. */
export interface InputAttributes {
  /**
   * Whatever the image runs as may read and change it, and execute it where this lets anybody: nobody else gets into a workspace, so that
   * modes would protect from nobody but the task itself.
   */
  readonly mode: number;
  /** When it was last changed where it comes from, as in `WorkspaceEntry`; absent = now. */
  readonly modifiedMs?: number;
}

/**
 * The data of one job, in the words of the container: paths are absolute container paths, never host paths.
 * An implementation resolves them itself and never follows a link out of the workspace.
 * Failures are `TransferError`; a full disk is one with `retryable: true` and says so.
 */
export interface Workspace {
  /** Starts a fresh, empty input area; what an earlier try wrote is thrown away. Called once before the first `write`. */
  beginInputs(signal: AbortSignal): Promise<void>;
  /** Writes a file (parents are made). Twice on one path is an error; a write that failed may be repeated. */
  write(path: string, attributes: InputAttributes, content: Readable, signal: AbortSignal): Promise<{ sizeBytes: number }>;
  /** Where the workspace lies on this machine: as `write`, but `fill` writes the bytes. */
  writeFile?(path: string, attributes: InputAttributes, fill: FillFile, signal: AbortSignal): Promise<{ sizeBytes: number }>;
  /** Makes a directory (and its parents) that every user of the image may read and change. */
  mkdir(path: string, signal: AbortSignal): Promise<void>;
  /** Only links that stay inside the input they belong to; the caller has checked. */
  symlink(path: string, target: string, signal: AbortSignal): Promise<void>;
  /** Makes the inputs visible to the job, in one step. */
  commitInputs(signal: AbortSignal): Promise<void>;

  /**
   * After the executors ended: whether what the job left is still here, by a mark of the job's own, so that a workspace that has gone is not
   * taken for one in which nothing is. Asked anew each time.
   */
  isThere(signal: AbortSignal): Promise<boolean>;
  /** After the executors ended: what the workspace takes on its disk, bytes, as far as that can be seen; 0 once it has gone. May take minutes. */
  sizeBytes?(signal: AbortSignal): Promise<number>;
  /** After the executors ended: what is at this path; `undefined` when nothing is. Does not follow a link at the end. */
  stat(path: string, signal: AbortSignal): Promise<WorkspaceEntry | undefined>;
  /** Everything below a directory, depth first, a directory before what it holds; not the directory itself. Links are listed, not followed. */
  list(path: string, signal: AbortSignal): AsyncIterable<WorkspaceEntry>;
  /** A regular file's bytes. */
  read(path: string, signal: AbortSignal): Promise<Readable>;
  /** Where the workspace lies on this machine: as `read`, but lends the open file. The caller closes it. */
  openFile?(path: string, signal: AbortSignal): Promise<SourceFile>;
}

export interface LogChunk {
  /** Bytes from the offset asked for, at most what was asked for. */
  readonly bytes: Uint8Array;
  /** The stream has ended and `bytes` reaches its end. */
  readonly ended: boolean;
}

export interface BackendHealth {
  readonly ok: boolean;
  /** Public: version when ok, reason when not. */
  readonly detail: string;
  /** Public, of one that is ok: why nothing can begin there for now, though what runs goes on. */
  readonly full?: string;
}

/**
 * Runs jobs somewhere. An adapter returns data and never writes tasks. Every call takes a signal (the engine gives each a
 * time limit) and may be repeated; calls for different jobs may overlap, calls for one job never do, but a call may be
 * repeated after a crash in the middle of the last one. Failures are `BackendError` with `retryable`/`unavailable` set.
 */
export abstract class ExecutionBackend {
  abstract readonly name: string;
  /** Read whenever it is needed; may change while running (a daemon's answer, draining). */
  abstract capabilities(): BackendCapabilities;

  /** Why this request can never run here, as public sentences; empty = it can. Pure and fast: called for every create. */
  abstract check(request: TesTaskRequest, needs: TaskNeeds): readonly string[];

  /** Called once before anything else; finds out what the host can do. Must not throw when the runtime is away. */
  abstract start(signal: AbortSignal): Promise<void>;

  /**
   * Takes the job one idempotent step further and returns the handle that names the step; the engine saves it before it asks
   * for the next, until `step` is `submitted`. Without a handle: the first step, which must end in `prepared` when staging is `gateway`.
   * Between `prepared` and the next call the engine stages the inputs. Submitting a job that is already there finds it by name.
   * Under a cancel mark it starts nothing and throws a `BackendError` that is not retryable. What takes longer than a call should is begun,
   * and asked about again: `SubmittedLater`.
   */
  abstract submit(job: Job, handle: Handle | undefined, signal: AbortSignal): Promise<Handle | SubmittedLater>;

  /**
   * What became of these jobs. One observation for each job that could be asked about; one that could not is left out
   * (the engine asks again later). `lost` only when the backend has confirmed the absence.
   */
  abstract observe(
    jobs: readonly { readonly name: string; readonly handle: Handle; readonly tailBytes: number }[],
    signal: AbortSignal,
  ): Promise<readonly Observation[]>;

  /** Only where `staging` is `gateway`. `request` decides which paths exist. */
  abstract workspace(job: Job, handle: Handle): Workspace;

  /**
   * A fence: first leaves a durable mark under the job name (a later submit or start under it starts nothing), then ends
   * what runs, and resolves only when mark and absence are confirmed. `handle` may be missing (crash before it was saved):
   * the name alone must do. Resolves for a job that never existed. The observation, if any, tells what had run.
   */
  abstract cancel(name: string, handle: Handle | undefined, signal: AbortSignal): Promise<Observation | undefined>;

  /**
   * Removes everything of a job that has ended or was cancelled: workspace, containers, native records; the cancel mark may go
   * once nothing can start under the name any more. Idempotent, resolves for a job that never existed.
   */
  abstract cleanup(name: string, handle: Handle | undefined, options: { readonly failed: boolean }, signal: AbortSignal): Promise<void>;

  abstract health(signal: AbortSignal): Promise<BackendHealth>;

  /** Part of an executor's live or kept stream; `undefined` when there is none (not started, already removed). */
  readLog?(
    name: string,
    handle: Handle,
    executor: number,
    stream: 'stdout' | 'stderr',
    offset: number,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<LogChunk | undefined>;
  /** Calls `nudge` with a job name when something may have happened to it. A hint only: nudges may be lost or wrong. */
  watch?(nudge: (jobName: string) => void, signal: AbortSignal): void;
  /** Names of all jobs under this gateway's prefix that still have anything here, for the orphan sweep. Throws rather than answer incompletely. */
  list?(signal: AbortSignal): Promise<readonly { readonly name: string; readonly ageMs: number }[]>;
  /** Removes what no job has used for long (copies of images), or what was kept for a look long enough. Called every few minutes, beside jobs that start. */
  tidy?(signal: AbortSignal): Promise<void>;
  /** Stops watching and lets go of connections; never touches jobs. */
  close?(): Promise<void>;
}

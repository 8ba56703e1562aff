import type { TaskRecord, TaskStep } from '../../task/task-record';

export interface DueQuery {
  /** Decides, with `boundTo`, which jobs of `boundBackends` can be reached. */
  readonly instance: string;
  /** Shared backends that this process has adapters for. A task on any other backend is left alone. */
  readonly backends: readonly string[];
  /** Backends whose jobs only the instance in `boundTo` can reach: taken only when that is this instance. */
  readonly boundBackends: readonly string[];
  readonly steps: readonly TaskStep[];
  readonly limit: number;
  /** Most tasks of one backend, by its name; absent = `limit`. */
  readonly places?: ReadonlyMap<string, number>;
}

export interface ClaimQuery extends DueQuery {
  /** Written into the lease; never used for another claim (`Lease.holder`). */
  readonly holder: string;
  readonly leaseMs: number;
}

/** A task whose next look is put off: only if revision and `dueAt` are still those. */
export interface Postponement {
  readonly id: string;
  readonly revision: number;
  readonly dueAt: number;
  /** The new `dueAt`. */
  readonly until: number;
}

/** What somebody has to look at, and when. */
export interface DueTasks {
  /**
   * Takes due tasks (dueAt <= now, lease absent or over), oldest due first: sets the lease and `dueAt = now + leaseMs`,
   * adds 1 to the revision, and returns the records as they are afterwards. Atomic per task: two callers never get the same one.
   */
  claimDue(query: ClaimQuery): Promise<readonly TaskRecord[]>;
  /** What `claimDue` would take, as it is; nothing is written. */
  readDue(query: DueQuery): Promise<readonly TaskRecord[]>;
  /**
   * Pushes `dueAt` forward without a new revision. May be lost in a crash without harm, and is never waited for by a disk or a majority;
   * which of them were still as given is not told.
   */
  postpone(tasks: readonly Postponement[]): Promise<void>;
  /** When the next `dueAt` passes for what `claimDue` would take, so that a loop can sleep until then. */
  nextDue(query: Omit<DueQuery, 'limit' | 'places'>): Promise<number | undefined>;
  /** Pushes lease and dueAt forward without touching the revision; false when the lease is not this holder's any more. */
  renew(id: string, holder: string, leaseMs: number): Promise<boolean>;
  /** Ids among `ids` whose task is CANCELING: what another gateway was asked to end while this one is at work on it. */
  cancelingAmong(ids: readonly string[]): Promise<ReadonlySet<string>>;
}

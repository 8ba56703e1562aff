import type { LogTail, TaskRecord, TaskStep } from '../task/task-record';
import type { TesState } from '../task/tes';

export interface IdempotencyKey {
  /** As the client sent it; unique together with the owner. */
  readonly key: string;
  /** Of the parsed, normalised body. */
  readonly bodySha256: string;
  /** How long the key is remembered, ms. */
  readonly ttlMs: number;
}

export type InsertResult =
  | { readonly kind: 'inserted' }
  /** The key is known: the id it stands for, and whether the body was the same. */
  | { readonly kind: 'existing'; readonly id: string; readonly sameBody: boolean };

export interface ListQuery {
  /** Absent = every owner's (the service decides who may). */
  readonly owner?: string;
  /** One of them, where there are several (at least one). */
  readonly state?: TesState | readonly TesState[];
  /** Literal, case-sensitive; tasks without a name never match. */
  readonly namePrefix?: string;
  /** All must hold; an empty value matches any value (also an empty one), the key must be there. */
  readonly tags?: readonly { readonly key: string; readonly value: string }[];
  /** 1..2047. */
  readonly pageSize: number;
  /** From an earlier page of the same query. */
  readonly pageToken?: string;
}

/** One row of a MINIMAL page: `[id, state]`, arrays because a page of 256 is on the hot path. */
export type MinimalRow = readonly [id: string, state: TesState];

export interface StoredTask {
  readonly task: TaskRecord;
  /** The normalised request as JSON text, exactly as inserted; callers splice it instead of parsing where they can. */
  readonly requestJson: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** "" on the last page. URL-safe, opaque. */
  readonly nextPageToken: string;
}

/** Live output of a running executor; lost without harm. */
export interface TailRecord {
  readonly attempt: number;
  readonly executor: number;
  readonly stdout?: LogTail;
  readonly stderr?: LogTail;
}

export interface ClaimQuery {
  /** Decides, with `boundTo`, which jobs of `boundBackends` can be reached. */
  readonly instance: string;
  /** Who will hold the lease: written into the lease. Each loop of an instance has its own. */
  readonly holder: string;
  /** Shared backends that this process has adapters for. A task on any other backend is left alone. */
  readonly backends: readonly string[];
  /** Backends whose jobs only the instance in `boundTo` can reach: claimed only when that is this instance. */
  readonly boundBackends: readonly string[];
  readonly steps: readonly TaskStep[];
  readonly leaseMs: number;
  readonly limit: number;
}

export interface Reservation {
  readonly taskId: string;
  readonly attempt: number;
  readonly cpuCores: number;
  readonly ramGb: number;
}

export interface Capacity {
  readonly cpuCores: number;
  readonly ramGb: number;
  /** Most jobs at once, where a backend has such a limit. */
  readonly slots?: number;
}

/**
 * `durable`: on disk before the promise resolves. `relaxed`: every reader sees it and a crash of the process keeps it; a power failure
 * may take it back, but only together with everything written after it, and a durable write after it makes it durable too.
 */
export type Durability = 'durable' | 'relaxed';

/** Where the queue stands for one scheduling pass. */
export interface QueueQuery {
  readonly limit: number;
  /** A task that asks for a backend by name is given only if it is one of these: others are full, draining, away or unknown. */
  readonly backendsOpen: readonly string[];
  /** Only tasks that charge at most this much; absent = any. */
  readonly fits?: Capacity;
}

/**
 * The store of record. No permission logic, no state logic: filters come in the query, transitions from the reducer.
 *
 * The store owns the time: `dueAt`, `notBefore`, leases and key expiry are in `now()`, which never steps back while the
 * process lives and survives clock changes (SQLite: wall time at start advanced by the monotonic clock; MongoDB: the server's).
 * At start any `dueAt` further ahead than `maxDueMs` becomes now; a store that only one process can have open ends all leases then.
 *
 * `insert`, `deleteFinished` and, unless told otherwise, `update` resolve only after the write is durable (fsync, or w:majority
 * j:true). Leases and reservations are `relaxed`: after a power failure nobody holds them. A store may make everything durable.
 * A write that cannot be made throws `StoreError`.
 */
export abstract class TaskStore {
  /** Milliseconds since the epoch, see above. */
  abstract now(): number;

  /** True where other processes change tasks too: loops then look every so often for what those did. */
  abstract readonly isShared: boolean;

  /** Request and record together, durable before it resolves. An id that exists is a bug and throws. */
  abstract insert(requestJson: string, task: TaskRecord, key?: IdempotencyKey): Promise<InsertResult>;

  /** `undefined` when there is none, or when `owner` is given and it is someone else's. */
  abstract getState(id: string, owner?: string): Promise<TesState | undefined>;
  abstract getTask(id: string, owner?: string): Promise<TaskRecord | undefined>;
  abstract getStored(id: string, owner?: string): Promise<StoredTask | undefined>;
  abstract getTail(id: string): Promise<TailRecord | undefined>;

  /** Newest first by creation, keyset: neither repeats nor skips while tasks are added. Throws `InvalidRequest` on a token that is not ours. */
  abstract listMinimal(query: ListQuery): Promise<Page<MinimalRow>>;
  /** As `listMinimal`; a page also ends, with a token, when its request texts and records reach `maxBytes` (at least one item). */
  abstract listStored(query: ListQuery, maxBytes: number): Promise<Page<StoredTask>>;

  /**
   * Every task, oldest first, for an export: those after `pageToken` ("" = from the first), at most `limit`, and no more than `maxBytes` of
   * request texts and records (at least one). What is created meanwhile comes at the end.
   */
  abstract listOldest(pageToken: string, limit: number, maxBytes: number): Promise<Page<StoredTask>>;

  /**
   * Compare-and-swap: replaces the record if its stored revision is `expectedRevision`; `next.revision` must be greater.
   * False when it is not (or the task is gone); nothing is written then, and no neighbour in the same group commit is affected.
   * The columns `state`, `step`, `dueAt`, `notBefore`, `lease`, `backend`, `boundTo`, `needs` are taken from `next`.
   */
  abstract update(next: TaskRecord, expectedRevision: number, durability?: Durability): Promise<boolean>;

  /** Without revision or fsync. */
  abstract putTail(id: string, tail: TailRecord | undefined): Promise<void>;

  /** QUEUED tasks whose `notBefore` has passed, oldest first. */
  abstract queueHead(query: QueueQuery): Promise<readonly TaskRecord[]>;
  /** The oldest QUEUED task whatever it needs, for the reservation of big tasks; and when the next `notBefore` passes. */
  abstract queueOutlook(): Promise<{ readonly oldest?: TaskRecord; readonly nextNotBefore?: number; readonly length: number }>;

  /**
   * Takes due tasks (dueAt <= now, lease absent or over), oldest due first: sets the lease and `dueAt = now + leaseMs`,
   * adds 1 to the revision, and returns the records as they are afterwards. Atomic per task: two callers never get the same one.
   */
  abstract claimDue(query: ClaimQuery): Promise<readonly TaskRecord[]>;
  /** When the next `dueAt` passes for what `claimDue` would take, so that a loop can sleep until then. */
  abstract nextDue(query: Omit<ClaimQuery, 'holder' | 'leaseMs' | 'limit'>): Promise<number | undefined>;
  /** Pushes lease and dueAt forward without touching the revision; false when the lease is not this holder's any more, or the revision has moved on. */
  abstract renew(id: string, holder: string, revision: number, leaseMs: number): Promise<boolean>;

  /**
   * Reserves room, atomically over all gateways, if used + wanted <= capacity. Idempotent per task and attempt (true again).
   * `key` is the backend's name, or name and instance where every instance has its own.
   */
  abstract reserve(key: string, reservation: Reservation, capacity: Capacity): Promise<boolean>;
  /** Idempotent. */
  abstract release(key: string, taskId: string, attempt: number): Promise<void>;
  abstract reservations(key: string): Promise<readonly Reservation[]>;

  /** Ids among `ids` whose task is CANCELING: what another gateway was asked to end while this one is at work on it. */
  abstract cancelingAmong(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Ids among `ids` whose task is not terminal-and-cleaned: for the orphan sweep. Throws rather than answer incompletely. */
  abstract liveAmong(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Cheap at any size: counters, not a scan. Absent states are 0. */
  abstract counts(owner?: string): Promise<Partial<Record<TesState, number>>>;
  /** Backends named by live tasks, with how many: so that a name nobody serves can be reported. */
  abstract liveBackends(): Promise<ReadonlyMap<string, number>>;
  /** Deletes tasks that are done (cleaned) and ended before `endedBefore`, at most `limit`; returns how many. */
  abstract deleteFinished(endedBefore: number, limit: number): Promise<number>;
  /** Tasks bound to the instance that are not done, oldest first. */
  abstract listBoundTo(instance: string, limit: number): Promise<readonly TaskRecord[]>;
  /**
   * When each gateway instance last said that it has this store open, in the store's time. One that closed it, or was silent for more
   * than a minute, may be absent. Empty where only this process can have it open.
   */
  abstract seenGateways(): Promise<ReadonlyMap<string, number>>;

  /** Throws `StoreError` when reads or writes would fail. */
  abstract ping(): Promise<void>;
  abstract close(): Promise<void>;
}

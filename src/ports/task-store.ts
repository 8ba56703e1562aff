import type { Amounts, Capacity } from '../task/room';
import type { TaskRecord, TaskStep } from '../task/task-record';
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

/** What a gateway says of one of its backends to the other gateways on its store: all that admission and `/ext/v1/backends` need. */
export interface PublishedBackend {
  readonly name: string;
  readonly draining: boolean;
  readonly staging: 'gateway' | 'worker';
  readonly capacity: Capacity;
  /** Jobs can be reached by that gateway alone: another gateway's backend of the same name is another one. */
  readonly boundToInstance: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Folders below which all URLs of a task must lie; absent = anywhere. */
  readonly urlPrefixes?: readonly string[];
  readonly parameterKeys: readonly string[];
  readonly notes: readonly string[];
  /** It answers. */
  readonly isWell: boolean;
}

/**
 * `durable`: on disk before the promise resolves. `relaxed`: every reader sees it and a crash of the process keeps it; a power failure
 * may take it back, but only together with everything written after it, and a durable write after it makes it durable too.
 */
export type Durability = 'durable' | 'relaxed';

/** The tasks of one class (`queueClass`) that wait for a backend and for nothing else. */
export interface QueueClass {
  readonly key: string;
  /** How many; where gateways share the store, as exact as its counters. */
  readonly waiting: number;
  /** Place in the queue of the oldest of them, and since when that one is QUEUED, in the store's time. Places are compared as text. */
  readonly place: string;
  readonly since: number;
}

/** Sizes of tasks: no more than this, and more than `above`, where it says anything. */
export interface SizeRange extends Pick<Capacity, 'cpuCores' | 'ramGb'> {
  readonly above?: Pick<Capacity, 'cpuCores' | 'ramGb'>;
}

export interface QueueQuery {
  readonly queueClass: string;
  readonly limit: number;
  /** Only those behind this place. */
  readonly after?: string;
  /** Only tasks that one of these takes; absent = any. */
  readonly fits?: readonly SizeRange[];
}

export interface QueuedTask {
  readonly task: TaskRecord;
  readonly place: string;
}

/** `full`: there is no room for it. `lost`: its revision is another one by now. Nothing is changed then. */
export type AssignResult = 'assigned' | 'full' | 'lost';

/**
 * The store of record. No permission logic, no state logic: filters come in the query, transitions from the reducer.
 *
 * The store owns the time: `dueAt`, `notBefore`, leases and key expiry are in `now()`, which never steps back while the
 * process lives and survives clock changes (SQLite: wall time at start advanced by the monotonic clock; MongoDB: the server's).
 * At start any `dueAt` further ahead than `maxDueMs` becomes now; a store that only one process can have open ends all leases then.
 *
 * `insert`, `deleteFinished` and, unless told otherwise, `update` resolve only after the write is durable (fsync, or w:majority
 * j:true). Leases are `relaxed`: after a power failure nobody holds them. A store may make everything durable.
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

  /**
   * As `update`, of a QUEUED task that a backend takes, if used + wanted <= capacity there (`roomOf`): atomic over all gateways. The room
   * is used until an update leaves it.
   */
  abstract assign(next: TaskRecord, expectedRevision: number, capacity: Capacity, durability?: Durability): Promise<AssignResult>;
  /** What is used under each of these keys (`roomKey`); nothing where a key is absent. Its cost is that of the keys, whatever is live. */
  abstract used(keys: readonly string[]): Promise<ReadonlyMap<string, Amounts>>;

  /**
   * The classes of QUEUED tasks, in no order. Ends the pauses whose `notBefore` has passed: a task in a pause is in no class and no head.
   * Its cost is that of the classes, whatever waits.
   */
  abstract queueClasses(): Promise<readonly QueueClass[]>;
  /** The oldest tasks of a class. What is passed over because it does not fit costs an entry of an index. */
  abstract queueHead(query: QueueQuery): Promise<readonly QueuedTask[]>;
  /** How long the queue is, since when the longest waiting task is QUEUED, and when the next `notBefore` passes. */
  abstract queueOutlook(): Promise<{ readonly since?: number; readonly nextNotBefore?: number; readonly length: number }>;
  /** Tasks that are QUEUED since before `time`, in the store's time, longest first. */
  abstract queuedBefore(time: number, limit: number): Promise<readonly TaskRecord[]>;

  /**
   * Takes due tasks (dueAt <= now, lease absent or over), oldest due first: sets the lease and `dueAt = now + leaseMs`,
   * adds 1 to the revision, and returns the records as they are afterwards. Atomic per task: two callers never get the same one.
   */
  abstract claimDue(query: ClaimQuery): Promise<readonly TaskRecord[]>;
  /** What `claimDue` would take, as it is; nothing is written. */
  abstract readDue(query: DueQuery): Promise<readonly TaskRecord[]>;
  /**
   * Pushes `dueAt` forward without a new revision. May be lost in a crash without harm, and is never waited for by a disk or a majority;
   * which of them were still as given is not told.
   */
  abstract postpone(tasks: readonly Postponement[]): Promise<void>;
  /** When the next `dueAt` passes for what `claimDue` would take, so that a loop can sleep until then. */
  abstract nextDue(query: Omit<DueQuery, 'limit' | 'places'>): Promise<number | undefined>;
  /** Pushes lease and dueAt forward without touching the revision; false when the lease is not this holder's any more. */
  abstract renew(id: string, holder: string, leaseMs: number): Promise<boolean>;

  /** Ids among `ids` whose task is CANCELING: what another gateway was asked to end while this one is at work on it. */
  abstract cancelingAmong(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Those of these tasks that there are, in any order; at most 100 ids. Throws rather than answer incompletely. */
  abstract getTasks(ids: readonly string[]): Promise<readonly TaskRecord[]>;
  /** Cheap at any size: counters, not a scan. Absent states are 0. */
  abstract counts(owner?: string): Promise<Partial<Record<TesState, number>>>;
  /** Backends named by live tasks, with how many: so that a name nobody serves can be reported. */
  abstract liveBackends(): Promise<ReadonlyMap<string, number>>;
  /**
   * Deletes tasks that are done (cleaned) and ended before `endedBefore`, oldest end first, at most `limit`; returns how many. One whose
   * idempotency key is still remembered is kept until that is over. On a shared store one gateway at a time does so: 0 for another one.
   */
  abstract deleteFinished(endedBefore: number, limit: number): Promise<number>;
  /** Tasks bound to the instance that are not done, oldest first. */
  abstract listBoundTo(instance: string, limit: number): Promise<readonly TaskRecord[]>;
  /** The instances that tasks which are not done are bound to. */
  abstract boundInstances(): Promise<readonly string[]>;
  /** Tasks that a backend has and that are not done, in any order. Those that only wait for it are not among them. */
  abstract listOnBackend(backend: string, limit: number): Promise<readonly TaskRecord[]>;
  /**
   * When each gateway instance last said that it has this store open, in the store's time. One that closed it, or was silent for more
   * than a minute, may be absent. Empty where only this process can have it open.
   */
  abstract seenGateways(): Promise<ReadonlyMap<string, number>>;
  /** Tells the others which backends this gateway has, from now on and until it closes the store. Without effect where there are no others. */
  abstract publish(backends: readonly PublishedBackend[]): Promise<void>;
  /** What each gateway heard of within the last minute has published, this one included; empty where there are no others. */
  abstract published(): Promise<ReadonlyMap<string, readonly PublishedBackend[]>>;

  /** Throws `StoreError` when reads or writes would fail. */
  abstract ping(): Promise<void>;
  abstract close(): Promise<void>;
}

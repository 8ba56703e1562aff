import type { Scope, Scopes } from '../../task/scopes';
import type { TaskRecord } from '../../task/task-record';
import type { TesState } from '../../task/tes';

export interface IdempotencyKey {
  /** As the client sent it; unique together with the owner. */
  readonly key: string;
  /** Of the parsed, normalised body. */
  readonly bodySha256: string;
  /** How long the key is remembered, ms. */
  readonly ttlMs: number;
}

/** The key is known: the id it stands for, and whether the body was the same. */
export interface KnownKey {
  readonly kind: 'existing';
  readonly id: string;
  readonly sameBody: boolean;
}

export type InsertResult = { readonly kind: 'inserted' } | KnownKey;

export interface ListQuery {
  /** Only tasks that have one of these (`scopesOf`); absent = everybody's (the service decides who may). */
  readonly scopes?: readonly Scope[];
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

/**
 * `durable`: on disk before the promise resolves. `relaxed`: every reader sees it and a crash of the process keeps it; a power failure
 * may take it back, but only together with everything written after it, and a durable write after it makes it durable too.
 */
export type Durability = 'durable' | 'relaxed';

/** Tasks by id and by filter, and the compare-and-swap that changes one. */
export interface TaskRecords {
  /** Request and record together, durable before it resolves. An id that exists is a bug and throws. */
  insert(requestJson: string, task: TaskRecord, key?: IdempotencyKey): Promise<InsertResult>;
  /** Whose the key of an owner is; `undefined` = it is free. */
  knownKey(owner: string, key: IdempotencyKey): Promise<KnownKey | undefined>;
  /** `undefined` when there is none, or when it has none of `scopes`. */
  getState(id: string, scopes?: Scopes): Promise<TesState | undefined>;
  getTask(id: string, scopes?: Scopes): Promise<TaskRecord | undefined>;
  /** Those of these tasks that there are, in any order; at most 100 ids. Throws rather than answer incompletely. */
  getTasks(ids: readonly string[]): Promise<readonly TaskRecord[]>;
  getStored(id: string, scopes?: Scopes): Promise<StoredTask | undefined>;
  /** Newest first by creation, keyset: neither repeats nor skips while tasks are added. Throws `InvalidRequest` on a token that is not ours. */
  listMinimal(query: ListQuery): Promise<Page<MinimalRow>>;
  /** As `listMinimal`; a page also ends, with a token, when its request texts and records reach `maxBytes` (at least one item). */
  listStored(query: ListQuery, maxBytes: number): Promise<Page<StoredTask>>;
  /**
   * Compare-and-swap: replaces the record if its stored revision is `expectedRevision`; `next.revision` must be greater.
   * False when it is not (or the task is gone); nothing is written then, and no neighbour in the same group commit is affected.
   * The columns `state`, `step`, `dueAt`, `notBefore`, `lease`, `backend`, `boundTo`, `needs` are taken from `next`.
   */
  update(next: TaskRecord, expectedRevision: number, durability?: Durability): Promise<boolean>;
  /** As a durable `update`, of a task whose owner is another one from now on: lists, filters and counters follow. Its keys stay with the former. */
  give(next: TaskRecord, expectedRevision: number): Promise<boolean>;
  /** Whoever has, or had, tasks: at most `limit` that come after one of them ("" = the first), in an order that stays. */
  owners(after: string, limit: number): Promise<readonly string[]>;
  /** Of all tasks, or of one scope. Cheap at any size: counters, not a scan. Absent states are 0. */
  counts(scope?: Scope): Promise<Partial<Record<TesState, number>>>;
}

import type { Capacity } from '../../task/amounts';
import type { TaskRecord } from '../../task/task-record';
import type { Page, StoredTask } from './task-records';

/** What a gateway says of one of its backends to the other gateways on its store: all that admission and `/ext/v1/backends` need. */
export interface PublishedBackend {
  readonly name: string;
  readonly draining: boolean;
  readonly staging: 'gateway' | 'worker';
  readonly capacity: Capacity;
  /** Absent = it does not grow. */
  readonly atMost?: Capacity;
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

/** What concerns a store as a whole, and the gateways on it. */
export interface Upkeep {
  /**
   * Every task, oldest first, for an export: those after `pageToken` ("" = from the first), at most `limit`, and no more than `maxBytes` of
   * request texts and records (at least one). What is created meanwhile comes at the end.
   */
  listOldest(pageToken: string, limit: number, maxBytes: number): Promise<Page<StoredTask>>;
  /**
   * Deletes tasks that are done (cleaned) and ended before `endedBefore`, oldest end first, at most `limit`; returns how many. One whose
   * idempotency key is still remembered is kept until that is over. On a shared store one gateway at a time does so: 0 for another one.
   */
  deleteFinished(endedBefore: number, limit: number): Promise<number>;
  /** Backends named by live tasks, with how many: so that a name nobody serves can be reported. */
  liveBackends(): Promise<ReadonlyMap<string, number>>;
  /** Tasks bound to the instance that are not done, oldest first. */
  listBoundTo(instance: string, limit: number): Promise<readonly TaskRecord[]>;
  /** The instances that tasks which are not done are bound to. */
  boundInstances(): Promise<readonly string[]>;
  /** Tasks that a backend has and that are not done, in any order. Those that only wait for it are not among them. */
  listOnBackend(backend: string, limit: number): Promise<readonly TaskRecord[]>;
  /**
   * When each gateway instance last said that it has this store open, in the store's time. One that closed it, or was silent for more
   * than a minute, may be absent. Empty where only this process can have it open.
   */
  seenGateways(): Promise<ReadonlyMap<string, number>>;
  /** Tells the others which backends this gateway has, from now on and until it closes the store. Without effect where there are no others. */
  publish(backends: readonly PublishedBackend[]): Promise<void>;
  /** What each gateway heard of within the last minute has published, this one included; empty where there are no others. */
  published(): Promise<ReadonlyMap<string, readonly PublishedBackend[]>>;
  /** Throws `StoreError` when reads or writes would fail. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

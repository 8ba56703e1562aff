import type { Amounts, Capacity, SizeName } from '../../task/amounts';
import type { TaskRecord } from '../../task/task-record';
import type { Durability } from './task-records';

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
export interface SizeRange extends Pick<Capacity, SizeName> {
  readonly above?: Pick<Capacity, SizeName>;
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

/** What waits for a backend, by classes, and the room that it is given there. */
export interface TaskQueue {
  /**
   * The classes of QUEUED tasks, in no order. Ends the pauses whose `notBefore` has passed: a task in a pause is in no class and no head.
   * Its cost is that of the classes, whatever waits.
   */
  queueClasses(): Promise<readonly QueueClass[]>;
  /** The oldest tasks of a class. What is passed over because it does not fit costs an entry of an index. */
  queueHead(query: QueueQuery): Promise<readonly QueuedTask[]>;
  /** How long the queue is, since when the longest waiting task is QUEUED, and when the next `notBefore` passes. */
  queueOutlook(): Promise<{ readonly since?: number; readonly nextNotBefore?: number; readonly length: number }>;
  /** Tasks that are QUEUED since before `time`, in the store's time, longest first. */
  queuedBefore(time: number, limit: number): Promise<readonly TaskRecord[]>;
  /**
   * As `update`, of a QUEUED task that a backend takes, if used + wanted <= capacity there (`roomOf`): atomic over all gateways. The room
   * is used until an update leaves it.
   */
  assign(next: TaskRecord, expectedRevision: number, capacity: Capacity, durability?: Durability): Promise<AssignResult>;
  /** What is used under each of these keys (`roomKey`); nothing where a key is absent. Its cost is that of the keys, whatever is live. */
  used(keys: readonly string[]): Promise<ReadonlyMap<string, Amounts>>;
}

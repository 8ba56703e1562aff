import type { TaskStore } from '../../../src/ports/store/task-store';
import type { TaskRecord } from '../../../src/task/task-record';
import { queuedTask as aQueuedTask } from '../../support/records';

/** The longest interval of the stores under test, ms. */
export const MAX_DUE_MS = 600_000;

/** One store under test. Every harness starts empty. */
export interface TaskStoreHarness {
  readonly store: TaskStore;
  /** Lets the store's time go on by at least `ms`. */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock of the machine forward or back (ms), without the store noticing until it is opened again. */
  changeClock(ms: number): void;
  /** Closes the store and opens it again on the same data: `store` is the new one. */
  reopen(): Promise<TaskStore>;
  remove(): Promise<void>;
}

export type TaskStoreFactory = () => Promise<TaskStoreHarness>;

let made = 0;

/** A QUEUED task as the engine inserts it, with an id of its own. */
export function queuedTask(changes: Partial<TaskRecord> = {}): TaskRecord {
  made += 1;
  return aQueuedTask({
    id: `task-${made.toString().padStart(6, '0')}`,
    owner: 'owner-1',
    createdAt: 1_700_000_000_000 + made,
    ...changes,
  });
}

/** A task that a backend has, due at `dueAt`. */
export function assignedTask(dueAt: number, changes: Partial<TaskRecord> = {}): TaskRecord {
  return queuedTask({ state: 'RUNNING', step: 'run', attempt: 1, backend: 'local', dueAt, ...changes });
}

export function requestOf(task: TaskRecord): string {
  return JSON.stringify({ ...(task.name !== undefined && { name: task.name }), executors: [{ image: 'busybox', command: ['true'] }] });
}

export async function insertAll(store: TaskStore, tasks: readonly TaskRecord[]): Promise<void> {
  await Promise.all(tasks.map((task) => store.insert(requestOf(task), task)));
}

/** The record without some of its members. */
export function without<Key extends keyof TaskRecord>(task: TaskRecord, ...keys: Key[]): Omit<TaskRecord, Key> {
  const copy: Partial<TaskRecord> = { ...task };
  for (const key of keys) delete copy[key];
  return copy as Omit<TaskRecord, Key>;
}

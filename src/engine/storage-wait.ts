import type { StorageWait, TaskRecord } from '../task/task-record';

/** A storage that a task waits for, as `/ext/v1/tasks/{id}` shows it. */
export interface StorageWaitExplanation {
  readonly of: StorageWait['of'];
  readonly since: string;
  readonly tries: number;
  readonly reason: string;
  /** Absent while it is being tried. */
  readonly next_try_at?: string;
}

/** `undefined` when the task waits for no storage. */
export function explainStorageWait(task: TaskRecord): StorageWaitExplanation | undefined {
  const { storageWait, lease } = task;
  if (!storageWait) return undefined;
  const { of, since, count, reason } = storageWait;
  const next = task.notBefore ?? (task.step === 'await-storage' && !lease ? task.dueAt : undefined);
  return {
    of,
    since: new Date(since).toISOString(),
    tries: count,
    reason,
    ...(next !== undefined && { next_try_at: new Date(next).toISOString() }),
  };
}

/** The same as a public sentence. */
export function storageWaitWords(task: TaskRecord): string | undefined {
  const wait = explainStorageWait(task);
  if (!wait) return undefined;
  const next = wait.next_try_at === undefined ? '' : `, next try at ${wait.next_try_at}`;
  const what = wait.of === 'workspace' ? 'the disk of the workspaces has been full' : `the storage of the ${wait.of} has been away`;
  return `waiting: ${what} since ${wait.since}${next}: ${wait.reason}`;
}

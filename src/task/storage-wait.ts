import { endAttempt, withAttemptLine } from './attempt-changes';
import type { ReduceContext } from './reduction';
import type { TaskEvent } from './task-events';
import type { AttemptRecord, StorageWait, TaskRecord } from './task-record';
import { isStoring } from './task-state';

/** What is written into the record of a task that waits for a storage. Its clock goes on for as long as it waits for the same. */

type Clocks = Pick<ReduceContext, 'now' | 'storeNow'>;
type AwaitsStorage = Extract<TaskEvent, { type: 'awaitsStorage' }>;

/** Outputs stay where they are; inputs give the attempt back, which is not counted. */
export function awaitingStorage(task: TaskRecord, event: AwaitsStorage, { now, storeNow }: Clocks): TaskRecord {
  const of = isStoring(task.step) ? 'outputs' : (event.of ?? 'inputs');
  const storageWait = nextWait(task, of, event, storeNow);
  if (of === 'outputs') return { ...task, step: 'await-storage', storageWait };
  return endAttempt({ ...task, step: 'retreat', storageWait, waitedAttempts: (task.waitedAttempts ?? 0) + 1 }, now, undefined);
}

/** In the queue, without an attempt: others found that the storage of its inputs is still away. */
export function stillAwaiting(task: TaskRecord, event: AwaitsStorage, { storeNow }: Clocks): TaskRecord {
  return { ...task, storageWait: nextWait(task, 'inputs', event, storeNow), notBefore: storeNow + event.delayMs };
}

function nextWait({ storageWait }: TaskRecord, of: StorageWait['of'], { reason, delayMs }: AwaitsStorage, storeNow: number): StorageWait {
  const before = storageWait?.of === of ? storageWait : undefined;
  return { of, since: before?.since ?? storeNow, count: (before?.count ?? 0) + 1, reason, pauseMs: delayMs };
}

/** Everything was read, or stored. */
export function waitOver(task: TaskRecord, storeNow: number): TaskRecord {
  const { storageWait, ...rest } = task;
  if (!storageWait) return task;
  const { of, since, reason } = storageWait;
  const seconds = Math.max(1, Math.round((storeNow - since) / 1000));
  const words =
    of === 'workspace' ? `waited ${seconds} s for room for its workspace` : `the ${of} waited ${seconds} s for a storage that was away`;
  return withAttemptLine(rest, `${words} (${reason})`);
}

/** An attempt that found the storage of an input away, or no room for its workspace, has nothing to say but that, which `storageWait` does. */
export function withoutWaited({ attempts, storageWait }: TaskRecord): readonly AttemptRecord[] {
  return storageWait !== undefined && storageWait.of !== 'outputs' && attempts.at(-1)?.executors.length === 0
    ? attempts.slice(0, -1)
    : attempts;
}

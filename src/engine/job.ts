import { StoreError } from '../ports/errors';
import type { Job } from '../ports/execution-backend';
import type { TaskRecords } from '../ports/store/task-records';
import { ownerOf } from '../task/owner';
import { jobName, type TaskRecord } from '../task/task-record';
import type { TesTaskRequest } from '../task/tes';

/** The job of a task's current attempt, built anew from the store. */
export async function loadJob(store: TaskRecords, task: TaskRecord, tailBytes: number): Promise<Job> {
  const stored = await store.getStored(task.id);
  if (!stored) throw new StoreError('the task is not in the store any more', { retryable: true, internal: `no request for ${task.id}` });
  return {
    taskId: task.id,
    attempt: task.attempt,
    name: jobName(task.id, task.attempt),
    owner: ownerOf(task),
    request: JSON.parse(stored.requestJson) as TesTaskRequest,
    needs: { ...task.needs, ...task.given },
    tailBytes,
  };
}

/** The task of a job name, `undefined` for a name that is not ours. */
export function taskIdOf(name: string): string | undefined {
  return /^tes-([a-z0-9]+)-[0-9]+$/.exec(name)?.[1];
}

/** The attempt of a job name. */
export function attemptOf(name: string): number {
  return Number(/[0-9]+$/.exec(name)?.[0]);
}

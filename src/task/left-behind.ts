import { jobName, type LeftJob, type TaskRecord } from './task-record';

/** The attempt whose job `backend` and `handle` of the record mean. */
export function attemptOfJob(task: TaskRecord): number {
  return task.jobAttempt ?? task.attempt;
}

/** The name of that job. */
export function jobNameOf(task: TaskRecord): string {
  return jobName(task.id, attemptOfJob(task));
}

/** The current job, as one that stays behind on a backend that is away. */
export function leftJob({ attempt, backend, handle }: TaskRecord): readonly LeftJob[] {
  return backend === undefined ? [] : [{ backend, attempt, ...(handle && { handle }) }];
}

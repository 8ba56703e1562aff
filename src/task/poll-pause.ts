import type { TaskRecord } from './task-record';

/** A job that has lasted long is looked at less often: a tenth of its age, inside the backend's bounds, ms. `now` is wall time. */
export function pollPauseMs(task: TaskRecord, now: number, pollMs: { readonly first: number; readonly longest: number }): number {
  const age = now - (task.attempts.at(-1)?.startedAt ?? now);
  return Math.min(pollMs.longest, Math.max(pollMs.first, Math.round(age / 10)));
}

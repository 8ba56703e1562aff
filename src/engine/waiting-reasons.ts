import type { TaskStore } from '../ports/task-store';
import { attemptOfJob } from '../task/left-behind';
import type { TaskRecord } from '../task/task-record';
import { awayInstance } from './instance-gone';
import type { KnownBackends } from './known-backends';

/** What reasons for waiting are read from, beside the store. */
export interface Surroundings {
  readonly known: Pick<KnownBackends, 'all' | 'elsewhere'>;
  /** What keeps a task that is due from being worked on here, if all places that it could have are taken. */
  fullness(task: TaskRecord): string | undefined;
}

/** Why a task that a backend has does not go on, and what an operator can do about it, as public sentences; empty when nothing is known. */
export async function whyUnderWay(
  task: TaskRecord,
  store: Pick<TaskStore, 'now' | 'seenGateways'>,
  instance: string,
  { known, fullness }: Surroundings,
): Promise<readonly string[]> {
  const { backend, boundTo, trouble } = task;
  const reasons: string[] = [];
  if (task.state === 'CANCELING' && (task.jobAttempt !== undefined || trouble)) {
    reasons.push(`waiting: the task is CANCELED once backend ${backend} confirms that the job of attempt ${attemptOfJob(task)} has ended`);
  }
  const away = boundTo === undefined || boundTo === instance ? undefined : await awayInstance(store, boundTo);
  if (away) {
    const since = away.since === undefined ? '' : ` since ${new Date(away.since).toISOString()}`;
    reasons.push(
      `waiting: gateway ${boundTo}, which has the job, has been away${since}: start it again, or, if it is gone for good, ` +
        `npm run store -- gone ${boundTo}`,
    );
  } else if (backend !== undefined && !known.all().some(({ name }) => name === backend)) {
    reasons.push(`waiting: backend ${backend} is not set up any more: set it up again, or npm run store -- gone --backend ${backend}`);
  } else if (trouble) {
    reasons.push(trouble.reason);
  }
  const full = task.lease ? undefined : fullness(task);
  if (full !== undefined) reasons.push(`waiting: ${full}`);
  return reasons;
}

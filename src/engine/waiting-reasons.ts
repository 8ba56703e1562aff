import type { TaskStore } from '../ports/task-store';
import { attemptOfJob } from '../task/left-behind';
import { ANYWHERE } from '../task/placement';
import type { TaskNeeds, TaskRecord } from '../task/task-record';
import { awayInstance } from './instance-gone';
import { boundCapacityKey } from './job';
import type { KnownBackend, KnownBackends } from './known-backends';
import { mismatch } from './select-backend';

/** Why a task that a backend has does not go on, and what an operator can do about it, as public sentences; empty when nothing is known. */
export async function whyUnderWay(
  task: TaskRecord,
  store: Pick<TaskStore, 'now' | 'seenGateways'>,
  instance: string,
  isSetUp: (backend: string) => boolean,
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
  } else if (backend !== undefined && !isSetUp(backend)) {
    reasons.push(`waiting: backend ${backend} is not set up any more: set it up again, or npm run store -- gone --backend ${backend}`);
  } else if (trouble) {
    reasons.push(trouble.reason);
  }
  return reasons;
}

/** What this gateway's own backends say of a waiting task, with what is known of those of others. `couldBeHere`: one of its own could ever take it. */
export function whyQueued(
  needs: TaskNeeds,
  own: readonly string[],
  couldBeHere: boolean,
  known: Pick<KnownBackends, 'all' | 'elsewhere'>,
): readonly string[] {
  if (needs.backend !== undefined && !known.all().some(({ name }) => name === needs.backend)) {
    return [`backend ${needs.backend} is not set up any more: set it up again, or cancel the task`];
  }
  const elsewhere = reasonsElsewhere(needs, known.elsewhere());
  return couldBeHere || elsewhere.length === 0 ? [...own, ...elsewhere] : elsewhere;
}

/** One sentence for each that could ever take it. */
function reasonsElsewhere(needs: TaskNeeds, backends: readonly KnownBackend[]): readonly string[] {
  return backends.flatMap((backend) => {
    const { name, labels, urlPrefixes, gateways } = backend;
    const placement = { ...ANYWHERE, labels, ...(urlPrefixes !== undefined && { urlPrefixes }) };
    const key = backend.boundToInstance ? boundCapacityKey(name, gateways[0] ?? '') : name;
    if (mismatch(needs, { name, key, capabilities: backend, placement }) !== undefined) return [];
    return [`backend ${name} of gateway ${gateways.join(', ')}: ${whyNotThere(needs, backend)}`];
  });
}

function whyNotThere({ cpuCores, ramGb }: TaskNeeds, { draining, isWell, capacity }: KnownBackend): string {
  if (draining) return 'it is draining and takes no new tasks';
  if (!isWell) return 'it is away';
  if (cpuCores > capacity.cpuCores) return `the task needs ${cpuCores} CPU cores, it has ${capacity.cpuCores}`;
  if (ramGb > capacity.ramGb) return `the task needs ${ramGb} GB of memory, it has ${capacity.ramGb}`;
  return 'it has not taken the task yet, as it has other work';
}

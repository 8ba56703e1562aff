import type { BackendRegistry } from '../ports/registries';
import type { Upkeep } from '../ports/store/upkeep';
import { jobNameOf } from '../task/left-behind';
import type { TaskRecord } from '../task/task-record';
import type { EngineLog } from './engine-log';
import type { TaskWriter } from './task-writer';

const BATCH = 200;

/**
 * At the start on a store that only one process can have: what is bound to another name was begun by this gateway under an earlier one, or
 * on another machine. What had no job yet, or whose job is still here, goes on under the new name; a live task whose job is not begins another attempt.
 */
export async function takeOverBound(
  { store, writer, backends, log }: TakeOver,
  instance: string,
  limited: <Result>(work: (signal: AbortSignal) => Promise<Result>) => Promise<Result>,
): Promise<void> {
  const jobs = new Map<string, ReadonlySet<string> | undefined>();
  const jobsOn = async (name: string): Promise<ReadonlySet<string> | undefined> => {
    if (!jobs.has(name)) jobs.set(name, await listed(name));
    return jobs.get(name);
  };
  /** `undefined` = it cannot be told: then nothing is given up. */
  const listed = async (name: string): Promise<ReadonlySet<string> | undefined> => {
    try {
      const found = await limited(async (signal) => backends.get(name)?.list?.(signal));
      return found && new Set(found.map((job) => job.name));
    } catch (error) {
      log.warn('the jobs of a backend cannot be listed at the start', { backend: name, err: error });
      return undefined;
    }
  };
  for (const former of await store.boundInstances()) {
    if (former === instance) continue;
    const tried = new Set<string>();
    let begunAnew = 0;
    for (;;) {
      const bound = (await store.listBoundTo(former, BATCH)).filter(({ id }) => !tried.has(id));
      if (bound.length === 0) break;
      for (const task of bound) {
        tried.add(task.id);
        const isLost = isLive(task) && task.handle !== undefined && (await jobsOn(task.backend ?? ''))?.has(jobNameOf(task)) === false;
        if (isLost) begunAnew += 1;
        await (isLost ? giveUp(task, former) : rebind(task, former));
      }
    }
    log.warn('tasks of an earlier name of this gateway were taken over', { instance, former, tasks: tried.size, begun_anew: begunAnew });
  }

  async function rebind(task: TaskRecord, former: string): Promise<void> {
    await writer.apply(task.id, { type: 'rebound', from: former, to: instance });
  }
  async function giveUp(task: TaskRecord, former: string): Promise<void> {
    const reason = `gateway ${former}, which had begun the job, is gone, and the job is not on this machine`;
    await writer.apply(task.id, { type: 'abandoned', instance: former, reason });
  }
}

interface TakeOver {
  readonly store: Upkeep;
  readonly writer: Pick<TaskWriter, 'apply'>;
  readonly backends: BackendRegistry;
  readonly log: EngineLog;
}

function isLive({ state }: TaskRecord): boolean {
  return state === 'INITIALIZING' || state === 'RUNNING';
}

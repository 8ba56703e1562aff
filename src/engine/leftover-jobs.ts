import type { ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry } from '../ports/registries';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import type { Upkeep } from '../ports/store/upkeep';
import { within } from '../ports/within';
import type { TaskRecord } from '../task/task-record';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { attemptOf, taskIdOf } from './job';
import type { TaskWriter } from './task-writer';
import { inParallel } from './transfers/parallel';

/** Tasks read, and jobs ended, at once: as many jobs may be left as a backend holds. */
const ASKED_AT_ONCE = 64;
const ENDED_AT_ONCE = 8;

type Listed = Awaited<ReturnType<NonNullable<ExecutionBackend['list']>>>;

export interface LeftoverParts {
  readonly store: StoreClock & TaskRecords & Upkeep;
  readonly backends: BackendRegistry;
  readonly writer: Pick<TaskWriter, 'apply'>;
  readonly log: EngineLog;
}

/** The jobs that backends have, whatever tasks say of them, and the end of those that nobody wants any more. */
export class LeftoverJobs {
  private readonly stopping = new AbortController();

  constructor(
    readonly parts: LeftoverParts,
    private readonly settings: Pick<EngineSettings, 'callTimeoutMs'>,
  ) {}

  /** Calls under way end, and no job is ended any more. */
  stop(): void {
    this.stopping.abort();
  }

  get isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  /** Of a backend that cannot list its jobs: none. */
  async on(backend: ExecutionBackend): Promise<Listed> {
    return (await this.limited(async (signal) => backend.list?.(signal))) ?? [];
  }

  /** Asks the store in batches and ends a few at a time, however many there are. What fails is thrown once the others have been tried. */
  async end(
    backend: ExecutionBackend,
    jobs: Listed,
    isDoomed: (name: string, task: TaskRecord | undefined) => boolean,
    why: string,
  ): Promise<void> {
    const failures: unknown[] = [];
    for (let at = 0; at < jobs.length; at += ASKED_AT_ONCE) {
      const some = jobs.slice(at, at + ASKED_AT_ONCE).flatMap(({ name }) => {
        const id = taskIdOf(name);
        return id === undefined ? [] : [{ name, id }];
      });
      if (some.length === 0) continue;
      const tasks = new Map((await this.parts.store.getTasks([...new Set(some.map(({ id }) => id))])).map((task) => [task.id, task]));
      const doomed = some.filter(({ name, id }) => isDoomed(name, tasks.get(id)));
      const work = async ({ name, id }: (typeof some)[number]): Promise<void> => {
        try {
          await this.endOne(backend, name, why);
          if (!tasks.get(id)?.leftBehind) return;
          await this.parts.writer.apply(id, { type: 'leftBehindEnded', backend: backend.name, leftAttempt: attemptOf(name) });
        } catch (error) {
          failures.push(error);
        }
      };
      await inParallel(doomed, ENDED_AT_ONCE, work, this.stopping.signal);
    }
    if (failures.length > 0) throw failures[0];
  }

  private async endOne(backend: ExecutionBackend, name: string, why: string): Promise<void> {
    this.parts.log.warn(why, { backend: backend.name, job: name });
    await this.limited((signal) => backend.cancel(name, undefined, signal));
    await this.limited((signal) => backend.cleanup(name, undefined, { failed: true }, signal));
  }

  limited<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    return within(this.stopping.signal, this.settings.callTimeoutMs, work);
  }
}

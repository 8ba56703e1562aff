import type { BackendRegistry } from '../ports/registries';
import type { TaskStore } from '../ports/task-store';
import { jobName } from '../task/task-record';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { taskIdOf } from './reconciler';

/** Finished tasks deleted in one go: bounded, so that no request waits behind it. */
const BATCH = 500;

/**
 * What nobody is waiting for: jobs that no live task knows (a crash between an effect and its record), and finished tasks past their
 * retention. An error while reading is never "not found": a sweep that cannot read everything ends nothing.
 */
export class Housekeeping {
  private timer: NodeJS.Timeout | undefined;
  private underWay: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  constructor(
    private readonly store: TaskStore,
    private readonly backends: BackendRegistry,
    private readonly settings: Pick<EngineSettings, 'sweepMs' | 'retentionMs' | 'callTimeoutMs'>,
    private readonly log: EngineLog,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.once(), this.settings.sweepMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.stopping.abort();
    await this.underWay;
  }

  /** One round; rounds never overlap. */
  once(): Promise<void> {
    this.underWay ??= this.round().finally(() => {
      this.underWay = undefined;
    });
    return this.underWay;
  }

  private async round(): Promise<void> {
    try {
      await this.sweepOrphans();
      await this.deleteFinished();
    } catch (error) {
      this.log.error('housekeeping failed, it is tried again later', { err: error });
    }
  }

  private async sweepOrphans(): Promise<void> {
    for (const backend of this.backends.all) {
      if (!backend.list || this.stopping.signal.aborted) continue;
      const limited = (): AbortSignal => AbortSignal.any([this.stopping.signal, AbortSignal.timeout(this.settings.callTimeoutMs)]);
      try {
        const jobs = (await backend.list(limited())).filter(({ ageMs }) => ageMs >= this.settings.sweepMs);
        const ids = jobs.flatMap(({ name }) => taskIdOf(name) ?? []);
        if (ids.length === 0) continue;
        const live = await this.store.liveAmong(ids);
        for (const { name } of jobs) {
          const id = taskIdOf(name);
          if (id === undefined || (live.has(id) && (await this.isCurrent(id, name)))) continue;
          this.log.warn('a job that no task knows is ended', { backend: backend.name, job: name });
          await backend.cancel(name, undefined, limited());
          await backend.cleanup(name, undefined, { failed: true }, limited());
        }
      } catch (error) {
        this.log.warn('the orphan sweep of a backend could not be finished', { backend: backend.name, err: error });
      }
    }
  }

  private async isCurrent(id: string, name: string): Promise<boolean> {
    const task = await this.store.getTask(id);
    // A task between two attempts: nothing of it runs, but its next job may be made at any moment.
    return task !== undefined && (jobName(id, task.attempt) === name || jobName(id, task.attempt + 1) === name);
  }

  private async deleteFinished(): Promise<void> {
    const { retentionMs } = this.settings;
    if (retentionMs === undefined) return;
    let total = 0;
    for (;;) {
      if (this.stopping.signal.aborted) return;
      const deleted = await this.store.deleteFinished(this.store.now() - retentionMs, BATCH);
      total += deleted;
      if (deleted < BATCH) break;
    }
    if (total > 0) this.log.info('finished tasks past their retention were deleted', { tasks: total });
  }
}

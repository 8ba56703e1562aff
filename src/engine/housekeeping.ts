import { Rounds } from '../ports/rounds';
import { jobNameOf } from '../task/left-behind';
import { jobName, type TaskRecord } from '../task/task-record';
import type { EngineSettings } from './engine-settings';
import type { LeftoverJobs } from './leftover-jobs';

/** Finished tasks deleted in one go: bounded, so that no request waits behind it. */
const BATCH = 500;

/**
 * What nobody is waiting for: jobs that no live task knows (a crash between an effect and its record), what backends keep and nobody uses, and
 * finished tasks past their retention. An error while reading is never "not found": a sweep that cannot read everything ends nothing.
 */
export class Housekeeping {
  private readonly sweeps: Rounds;

  constructor(
    private readonly jobs: LeftoverJobs,
    private readonly settings: Pick<EngineSettings, 'sweepMs' | 'retentionMs'>,
  ) {
    this.sweeps = new Rounds(
      settings.sweepMs,
      () => this.round(),
      (error) => jobs.parts.log.error('housekeeping failed, it is tried again later', { err: error }),
    );
  }

  start(): void {
    this.sweeps.start();
  }

  async stop(): Promise<void> {
    this.jobs.stop();
    await this.sweeps.stop();
  }

  /** One round; rounds never overlap. */
  once(): Promise<void> {
    return this.sweeps.now();
  }

  private async round(): Promise<void> {
    await this.sweepOrphans();
    await this.tidyBackends();
    await this.deleteFinished();
  }

  private async sweepOrphans(): Promise<void> {
    for (const backend of this.jobs.parts.backends.all) {
      if (this.jobs.isStopping) return;
      try {
        const jobs = (await this.jobs.on(backend)).filter(({ ageMs }) => ageMs >= this.settings.sweepMs);
        await this.jobs.end(backend, jobs, isOrphan, 'ending an orphaned job');
      } catch (error) {
        this.jobs.parts.log.warn('the orphan sweep of a backend could not be finished', { backend: backend.name, err: error });
      }
    }
  }

  private async tidyBackends(): Promise<void> {
    for (const backend of this.jobs.parts.backends.all) {
      if (this.jobs.isStopping) return;
      try {
        await this.jobs.limited(async (signal) => backend.tidy?.(signal));
      } catch (error) {
        this.jobs.parts.log.warn('a backend could not remove what nobody uses any more', { backend: backend.name, err: error });
      }
    }
  }

  private async deleteFinished(): Promise<void> {
    const { retentionMs } = this.settings;
    if (retentionMs === undefined) return;
    let total = 0;
    for (;;) {
      if (this.jobs.isStopping) return;
      const deleted = await this.jobs.parts.store.deleteFinished(this.jobs.parts.store.now() - retentionMs, BATCH);
      total += deleted;
      if (deleted < BATCH) break;
    }
    if (total > 0) this.jobs.parts.log.info('finished tasks past their retention were deleted', { tasks: total });
  }
}

function isOrphan(name: string, task: TaskRecord | undefined): boolean {
  if (!task || task.step === 'done') return true;
  // A task between two attempts: nothing of it runs, but its next job may be made at any moment.
  return ![jobName(task.id, task.attempt), jobName(task.id, task.attempt + 1), jobNameOf(task)].includes(name);
}

import type { ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry } from '../ports/registries';
import { Rounds } from '../ports/rounds';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import type { Upkeep } from '../ports/store/upkeep';
import { within } from '../ports/within';
import { jobNameOf } from '../task/left-behind';
import { jobName, type TaskRecord } from '../task/task-record';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { AWAY_MS } from './away-instance';
import { attemptOf, taskIdOf } from './job';
import type { TaskWriter } from './task-writer';
import { takeOverBound } from './take-over';
import { inParallel } from './transfers/parallel';

/** Tasks read, and jobs ended, at once: as many jobs may be left as a backend holds. */
const ASKED_AT_ONCE = 64;
const ENDED_AT_ONCE = 8;
/** Finished tasks deleted in one go: bounded, so that no request waits behind it. */
const BATCH = 500;

/** How often the store is asked whether it is in touch, ms. */
const TOUCH_MS = 5000;
/**
 * Out of touch for longer than this, it may have been declared gone, ms. That is allowed AWAY_MS after its last word to the others, which may be
 * older than the last touch by a third of that.
 */
const OUT_OF_TOUCH_MS = AWAY_MS / 2;

/**
 * What nobody is waiting for: jobs that no live task knows (a crash between an effect and its record), what backends keep and nobody uses, and
 * finished tasks past their retention. An error while reading is never "not found": a sweep that cannot read everything ends nothing.
 */
export class Housekeeping {
  private readonly sweeps: Rounds;
  /** This process may have stood still, or been cut off from the store: the same as a start. */
  private readonly touches: Rounds | undefined;
  /** When the store last answered, in its time; `undefined` while stale attempts are still to be ended. */
  private inTouchAt: number | undefined;
  private hasSaidSo = false;
  private takingOver: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  constructor(
    readonly store: StoreClock & TaskRecords & Upkeep,
    readonly backends: BackendRegistry,
    private readonly settings: Pick<EngineSettings, 'instance' | 'sweepMs' | 'retentionMs' | 'callTimeoutMs'>,
    readonly log: EngineLog,
    readonly writer: Pick<TaskWriter, 'apply'>,
  ) {
    this.sweeps = new Rounds(
      settings.sweepMs,
      () => this.round(),
      (error) => log.error('housekeeping failed, it is tried again later', { err: error }),
    );
    if (store.isShared) this.touches = new Rounds(TOUCH_MS, () => this.inTouch());
  }

  start(): void {
    this.sweeps.start();
    this.touches?.start();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all([this.sweeps.stop(), this.touches?.stop()]);
  }

  /**
   * While this instance was away an operator may have declared it gone: its tasks then began anew elsewhere. Whatever it still has of
   * their former attempts is ended, before anything else at its start. On a store that nobody else can have, nothing can have happened but
   * that this gateway has got another name.
   */
  async endStale(backends: readonly ExecutionBackend[] = this.backends.all): Promise<void> {
    try {
      if (!this.store.isShared) return await this.takeOver();
      for (const backend of backends) if (backend.capabilities().boundToInstance) await this.endStaleOf(backend);
      this.inTouchAt = this.store.now();
      this.hasSaidSo = false;
    } catch (error) {
      this.inTouchAt = undefined;
      if (!this.hasSaidSo) this.log.warn('cannot check for stale jobs, retrying', { err: error });
      this.hasSaidSo = true;
    }
  }

  /** Once, whichever backend joins first. */
  private takeOver(): Promise<void> {
    this.takingOver ??= takeOverBound(this, this.settings.instance, (work) => this.limited(work)).catch((error: unknown) => {
      this.takingOver = undefined;
      throw error;
    });
    return this.takingOver;
  }

  /** A backend is back whose tasks do not wait for it: what it still has of attempts that went on elsewhere is ended. */
  async endMoved(backend: ExecutionBackend): Promise<void> {
    if (this.backends.placement(backend.name).whenAway.kind === 'move') await this.endStaleOf(backend);
  }

  private async inTouch(): Promise<void> {
    await this.store.seenGateways();
    const now = this.store.now();
    if (this.inTouchAt === undefined || now - this.inTouchAt > OUT_OF_TOUCH_MS) await this.endStale();
    else this.inTouchAt = now;
  }

  private async endStaleOf(backend: ExecutionBackend): Promise<void> {
    await this.endThose(backend, await this.jobsOn(backend), isStale, 'ending a stale job: its task has moved on');
  }

  private async jobsOn(backend: ExecutionBackend): Promise<Awaited<ReturnType<NonNullable<ExecutionBackend['list']>>>> {
    return (await this.limited(async (signal) => backend.list?.(signal))) ?? [];
  }

  /** Asks the store in batches and ends a few at a time, however many there are. What fails is thrown once the others have been tried. */
  private async endThose(
    backend: ExecutionBackend,
    jobs: readonly { readonly name: string }[],
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
      const tasks = new Map((await this.store.getTasks([...new Set(some.map(({ id }) => id))])).map((task) => [task.id, task]));
      const doomed = some.filter(({ name, id }) => isDoomed(name, tasks.get(id)));
      const work = async ({ name, id }: (typeof some)[number]): Promise<void> => {
        try {
          await this.end(backend, name, why);
          if (!tasks.get(id)?.leftBehind) return;
          await this.writer.apply(id, { type: 'leftBehindEnded', backend: backend.name, leftAttempt: attemptOf(name) });
        } catch (error) {
          failures.push(error);
        }
      };
      await inParallel(doomed, ENDED_AT_ONCE, work, this.stopping.signal);
    }
    if (failures.length > 0) throw failures[0];
  }

  private async end(backend: ExecutionBackend, name: string, why: string): Promise<void> {
    this.log.warn(why, { backend: backend.name, job: name });
    await this.limited((signal) => backend.cancel(name, undefined, signal));
    await this.limited((signal) => backend.cleanup(name, undefined, { failed: true }, signal));
  }

  private limited<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    return within(this.stopping.signal, this.settings.callTimeoutMs, work);
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
    for (const backend of this.backends.all) {
      if (this.stopping.signal.aborted) return;
      try {
        const jobs = (await this.jobsOn(backend)).filter(({ ageMs }) => ageMs >= this.settings.sweepMs);
        await this.endThose(backend, jobs, isOrphan, 'ending an orphaned job');
      } catch (error) {
        this.log.warn('the orphan sweep of a backend could not be finished', { backend: backend.name, err: error });
      }
    }
  }

  private async tidyBackends(): Promise<void> {
    for (const backend of this.backends.all) {
      if (this.stopping.signal.aborted) return;
      try {
        await this.limited(async (signal) => backend.tidy?.(signal));
      } catch (error) {
        this.log.warn('a backend could not remove what nobody uses any more', { backend: backend.name, err: error });
      }
    }
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

/** Its task has gone on without it. What this store does not know is left to the sweep, which waits until it is old. */
function isStale(name: string, task: TaskRecord | undefined): boolean {
  // The job after the last one may be made at any moment.
  if (!task || jobName(task.id, task.attempt + 1) === name) return false;
  const isOver = task.step === 'queued' || task.step === 'done';
  return isOver || (jobName(task.id, task.attempt) !== name && jobNameOf(task) !== name);
}

function isOrphan(name: string, task: TaskRecord | undefined): boolean {
  if (!task || task.step === 'done') return true;
  // A task between two attempts: nothing of it runs, but its next job may be made at any moment.
  return ![jobName(task.id, task.attempt), jobName(task.id, task.attempt + 1), jobNameOf(task)].includes(name);
}

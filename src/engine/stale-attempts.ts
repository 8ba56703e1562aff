import type { ExecutionBackend } from '../ports/execution-backend';
import { Rounds } from '../ports/rounds';
import { jobNameOf } from '../task/left-behind';
import { jobName, type TaskRecord } from '../task/task-record';
import { AWAY_MS } from './away-instance';
import type { LeftoverJobs } from './leftover-jobs';
import { takeOverBound } from './take-over';

/** How often the store is asked whether it is in touch, ms. */
const TOUCH_MS = 5000;
/**
 * Out of touch for longer than this, it may have been declared gone, ms. That is allowed AWAY_MS after its last word to the others, which may be
 * older than the last touch by a third of that.
 */
const OUT_OF_TOUCH_MS = AWAY_MS / 2;

/** Attempts of tasks that went on elsewhere while this gateway, or a backend, was away: whatever is still here of them is ended. */
export class StaleAttempts {
  /** This process may have stood still, or been cut off from the store: the same as a start. */
  private readonly touches: Rounds | undefined;
  /** When the store last answered, in its time; `undefined` while stale attempts are still to be ended. */
  private inTouchAt: number | undefined;
  private hasSaidSo = false;
  private takingOver: Promise<void> | undefined;

  constructor(
    private readonly jobs: LeftoverJobs,
    private readonly instance: string,
  ) {
    if (jobs.parts.store.isShared) this.touches = new Rounds(TOUCH_MS, () => this.inTouch());
  }

  start(): void {
    this.touches?.start();
  }

  async stop(): Promise<void> {
    this.jobs.stop();
    await this.touches?.stop();
  }

  /**
   * While this gateway was away an operator may have declared it gone: its tasks then began anew elsewhere. Whatever it still has of
   * their former attempts is ended, before anything else at its start. On a store that nobody else can have, nothing can have happened but
   * that this gateway has got another name.
   */
  async endStale(backends: readonly ExecutionBackend[] = this.jobs.parts.backends.all): Promise<void> {
    try {
      if (!this.jobs.parts.store.isShared) return await this.takeOver();
      for (const backend of backends) if (backend.capabilities().boundToInstance) await this.endStaleOf(backend);
      this.inTouchAt = this.jobs.parts.store.now();
      this.hasSaidSo = false;
    } catch (error) {
      this.inTouchAt = undefined;
      if (!this.hasSaidSo) this.jobs.parts.log.warn('cannot check for stale jobs, retrying', { err: error });
      this.hasSaidSo = true;
    }
  }

  /** Once, whichever backend joins first. */
  private takeOver(): Promise<void> {
    this.takingOver ??= takeOverBound(this.jobs.parts, this.instance, (work) => this.jobs.limited(work)).catch((error: unknown) => {
      this.takingOver = undefined;
      throw error;
    });
    return this.takingOver;
  }

  /** A backend is back whose tasks do not wait for it: what it still has of attempts that went on elsewhere is ended. */
  async endMoved(backend: ExecutionBackend): Promise<void> {
    if (this.jobs.parts.backends.placement(backend.name).whenAway.kind === 'move') await this.endStaleOf(backend);
  }

  private async inTouch(): Promise<void> {
    await this.jobs.parts.store.seenGateways();
    const now = this.jobs.parts.store.now();
    if (this.inTouchAt === undefined || now - this.inTouchAt > OUT_OF_TOUCH_MS) await this.endStale();
    else this.inTouchAt = now;
  }

  private async endStaleOf(backend: ExecutionBackend): Promise<void> {
    await this.jobs.end(backend, await this.jobs.on(backend), isStale, 'ending a stale job: its task has moved on');
  }
}

/** Its task has gone on without it. What this store does not know is left to the sweep, which waits until it is old. */
function isStale(name: string, task: TaskRecord | undefined): boolean {
  // The job after the last one may be made at any moment.
  if (!task || jobName(task.id, task.attempt + 1) === name) return false;
  const isOver = task.step === 'queued' || task.step === 'done';
  return isOver || (jobName(task.id, task.attempt) !== name && jobNameOf(task) !== name);
}

import type { TaskEvent } from '../task/task-events';
import type { TaskRecord } from '../task/task-record';
import type { Applied, TaskWriter } from './task-writer';

/** A claim ends itself before its lease does, by this part of the lease: what it has begun must have stopped before anybody else begins. */
const MARGIN = 1 / 6;

/**
 * One task in the hands of this process: its newest record, and a signal that ends the work when the claim is lost. `holder` is the
 * claim's token: no other claim ever has the same, and the writer refuses what comes from a claim whose token is not in the record any more.
 */
export class Claim {
  private readonly abort = new AbortController();
  /** True while this claim's own lease stands in the record, as far as this process knows. */
  private holding = true;
  private expired = false;
  private expiry: NodeJS.Timeout | undefined;

  constructor(
    public task: TaskRecord,
    private readonly writer: TaskWriter,
    private readonly holder: string,
    private readonly leaseMs: number,
    /** When the store was asked for the claim, by the monotonic clock: the lease cannot have begun before. */
    askedAt: number,
  ) {
    this.lastsFrom(askedAt);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** True once the task was let go: whoever finds it due next may have it, though this claim's work has not ended. */
  get released(): boolean {
    return !this.holding;
  }

  /** True when a cancel ends the work; the fence of a cancelled task is itself work under a claim, and goes on. */
  get isStoppable(): boolean {
    return this.task.step !== 'cancel' && !this.released && !this.signal.aborted;
  }

  /** Ends the work; what it was doing is repeated or fenced by whoever takes the task next. */
  stop(reason: string): void {
    this.abort.abort(new Error(reason));
  }

  /** Applies an event and goes on working under the lease. */
  async keep(event: TaskEvent): Promise<Applied> {
    return this.remember(
      await this.writer.apply(this.task.id, event, { known: this.task, claim: { holder: this.holder, keepMs: this.leaseMs } }),
    );
  }

  /** Applies an event and lets go of the task. */
  async release(event: TaskEvent): Promise<Applied> {
    const applied = await this.writer.apply(this.task.id, event, { known: this.task, claim: { holder: this.holder } });
    if (applied.kind === 'changed') this.holding = false;
    return this.remember(applied);
  }

  /** Makes the lease last from now on; resolves to false when it is not this claim's any more. An error says nothing: the time goes on. */
  async renew(renewLease: (id: string, holder: string, leaseMs: number) => Promise<boolean>): Promise<boolean> {
    if (this.expired || this.released) return true;
    const askedAt = performance.now();
    const renewed = await renewLease(this.task.id, this.holder, this.leaseMs);
    if (renewed) this.lastsFrom(askedAt);
    return renewed || this.released;
  }

  /** Lets go of whatever is still held: after stopped work, or when an event had no meaning any more. */
  async finish(): Promise<void> {
    clearTimeout(this.expiry);
    if (!this.holding || this.task.lease?.holder !== this.holder) return;
    await this.release({ type: 'yielded', attempt: this.task.attempt });
  }

  /** By this process's own clock, whatever the store says or does not say: a gateway that cannot reach it stops in time. */
  private lastsFrom(askedAt: number): void {
    if (this.expired) return;
    clearTimeout(this.expiry);
    this.expiry = setTimeout(
      () => {
        this.expired = true;
        this.stop('the lease could not be renewed in time');
      },
      Math.max(0, askedAt + this.leaseMs * (1 - MARGIN) - performance.now()),
    ).unref();
  }

  private remember(applied: Applied): Applied {
    if (applied.kind !== 'gone') this.task = applied.task;
    return applied;
  }
}

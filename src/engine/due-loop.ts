import type { ClaimQuery, TaskStore } from '../ports/task-store';
import type { TaskEvent } from '../task/task-events';
import type { TaskRecord, TaskStep } from '../task/task-record';
import { Peeks } from './peeks';
import type { TaskEvents } from './task-events';
import type { Applied, TaskWriter } from './task-writer';

/** One task in the hands of this process: its newest record, and a signal that ends the work when the claim is lost. */
export class Claim {
  private readonly abort = new AbortController();
  /** True while this claim's own lease stands in the record. */
  private holding = true;

  constructor(
    public task: TaskRecord,
    private readonly writer: TaskWriter,
    private readonly holder: string,
    private readonly leaseMs: number,
  ) {}

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** True once the task was let go: whoever finds it due next may have it, though this claim's neighbours are still at work. */
  get released(): boolean {
    return !this.holding;
  }

  /** Ends the work; what it was doing is repeated or fenced by whoever takes the task next. */
  stop(reason: string): void {
    this.abort.abort(new Error(reason));
  }

  /** Applies an event and goes on working under the lease. */
  async keep(event: TaskEvent): Promise<Applied> {
    return this.remember(await this.writer.apply(this.task.id, event, { known: this.task, keepLeaseMs: this.leaseMs }));
  }

  /** Applies an event and lets go of the task. */
  async release(event: TaskEvent): Promise<Applied> {
    const applied = await this.writer.apply(this.task.id, event, { known: this.task });
    if (applied.kind === 'changed') this.holding = false;
    return this.remember(applied);
  }

  /** Lets go of whatever is still held: after aborted work, or when an event had no meaning any more. */
  async finish(): Promise<void> {
    if (!this.holding || this.task.lease?.holder !== this.holder) return;
    await this.release({ type: 'yielded', attempt: this.task.attempt });
  }

  private remember(applied: Applied): Applied {
    if (applied.kind !== 'gone') this.task = applied.task;
    return applied;
  }
}

export interface DueLoopSettings {
  readonly name: string;
  readonly instance: string;
  readonly steps: readonly TaskStep[];
  /** How long a claim holds without renewal, ms; renewed every third of it. */
  readonly leaseMs: number;
  /** Most tasks worked on at once. */
  readonly parallel: number;
  /** A look at the store at least this often, ms: what another process left is found so. */
  readonly tickMs: number;
  /** On a store that others share: how often it is asked whether they made something due, or cancelled what is worked on here, ms. */
  readonly peekMs: number;
  /**
   * How long what falls due may gather before it is looked for, ms: on a store that others share, where a look costs far more than a task
   * in it. Asked anew each time: gateways that look at different moments do not race for the same tasks.
   */
  readonly gatherMs: () => number;
}

export interface DueLoopOwner {
  /** Backends that can be asked now: shared ones, and those bound to this instance. */
  reachable(): { readonly backends: readonly string[]; readonly boundBackends: readonly string[] };
  /** Splits what was claimed into units of work, each carried out on its own. Never throws. */
  work(claims: readonly Claim[]): readonly Promise<void>[];
  /** A bug or the store's failure, not a task's. */
  failed(error: unknown, task?: TaskRecord): void;
}

/**
 * Get what is due, act, push `dueAt` forward; again. Sleeps until the next `dueAt`, a nudge (a change of a task in one of its
 * steps; what others did is found by small questions), or the tick. Nothing is kept in memory but the claims under way, so a crash
 * loses nothing: a lease ends, the task is due.
 */
export class DueLoop {
  private readonly holder: string;
  private readonly claims = new Map<string, Claim>();
  /** Found due while an earlier claim's work on the task had not ended: given back as soon as it has, not when the lease is over. */
  private readonly passedOver = new Map<string, Claim>();
  private readonly underWay = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private renewal: NodeJS.Timeout | undefined;
  private looking = false;
  private lookAgain = false;
  /** There may be more that is due than there was room for. */
  private isFull = false;
  private stopped = true;
  private stopListening: (() => void) | undefined;
  private readonly peeks: Peeks | undefined;

  constructor(
    private readonly settings: DueLoopSettings,
    private readonly store: TaskStore,
    private readonly writer: TaskWriter,
    private readonly events: TaskEvents,
    private readonly owner: DueLoopOwner,
  ) {
    this.holder = `${settings.instance}/${settings.name}`;
    if (store.isShared) this.peeks = new Peeks(settings.peekMs, () => this.peek());
  }

  start(): void {
    this.stopped = false;
    this.stopListening = this.events.listen(({ after, event }) => {
      if (event === 'cancelRequested') this.claims.get(after.id)?.stop('the task was cancelled');
      if (after.dueAt !== undefined && !after.lease && this.settings.steps.includes(after.step))
        this.wakeIn(after.dueAt - this.store.now());
    });
    this.renewal = setInterval(() => void this.renewAll(), this.settings.leaseMs / 3);
    this.peeks?.start();
    this.nudge();
  }

  /** Takes no more tasks and waits for the work under way, at most `graceMs`; then ends it. Jobs are not touched. */
  async stop(graceMs: number): Promise<void> {
    this.stopped = true;
    this.stopListening?.();
    clearTimeout(this.timer);
    await this.peeks?.stop();
    let grace: NodeJS.Timeout | undefined;
    await Promise.race([
      Promise.all(this.underWay),
      new Promise<void>((resolve) => {
        grace = setTimeout(resolve, graceMs);
      }),
    ]);
    clearTimeout(grace);
    for (const claim of this.claims.values()) claim.stop('the gateway is stopping');
    await Promise.all(this.underWay);
    clearInterval(this.renewal);
  }

  /** Looks as soon as it can. */
  nudge(): void {
    this.wakeIn(0);
  }

  /** The claim under way for a task, if this loop holds it. */
  held(id: string): Claim | undefined {
    return this.claims.get(id);
  }

  private wakeAt = Infinity;

  private wakeIn(delayMs: number): void {
    if (this.stopped) return;
    // The monotonic clock: a wall clock that is set must not put a nudge off.
    const at = performance.now() + Math.max(0, delayMs);
    if (at >= this.wakeAt) return;
    this.wakeAt = at;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), Math.min(Math.max(0, delayMs), 2 ** 31 - 1));
  }

  private query(): Omit<ClaimQuery, 'leaseMs' | 'limit'> {
    const { instance, steps } = this.settings;
    return { instance, holder: this.holder, ...this.owner.reachable(), steps };
  }

  private async peek(): Promise<void> {
    if (this.claims.size < this.settings.parallel && !this.looking) {
      const due = await this.store.nextDue(this.query());
      if (due !== undefined) this.wakeIn(this.pauseUntil(due));
    }
    const working = [...this.claims.values()].filter(isStoppable).map(({ task }) => task.id);
    if (working.length === 0) return;
    for (const id of await this.store.cancelingAmong(working)) {
      const claim = this.claims.get(id);
      if (claim && isStoppable(claim)) claim.stop('the task was cancelled');
    }
  }

  /** What is overdue is not kept waiting: somebody asked for it, or nobody came. */
  private pauseUntil(due: number): number {
    const pause = due - this.store.now();
    return pause <= 0 ? 0 : Math.max(pause, this.settings.gatherMs());
  }

  private async look(): Promise<void> {
    this.wakeAt = Infinity;
    if (this.stopped) return;
    if (this.looking) {
      this.lookAgain = true;
      return;
    }
    this.looking = true;
    let next = this.settings.tickMs;
    try {
      const room = this.settings.parallel - this.claims.size;
      const query = this.query();
      if (room > 0) {
        const tasks = await this.store.claimDue({ ...query, leaseMs: this.settings.leaseMs, limit: room });
        this.isFull = tasks.length === room;
        this.begin(tasks);
        if (!this.isFull) {
          const due = await this.store.nextDue(query);
          if (due !== undefined) next = Math.min(next, Math.max(1, this.pauseUntil(due)));
        }
      } else this.isFull = true;
    } catch (error) {
      this.owner.failed(error);
      next = Math.min(next, 1000);
    } finally {
      this.looking = false;
    }
    if (this.lookAgain) next = 0;
    this.lookAgain = false;
    this.wakeIn(next);
  }

  private begin(tasks: readonly TaskRecord[]): void {
    if (tasks.length === 0) return;
    const claims: Claim[] = [];
    for (const task of tasks) {
      const claim = new Claim(task, this.writer, this.holder, this.settings.leaseMs);
      // Work that has not ended yet keeps its task to itself: it was told to stop, or a nudge brought the task further meanwhile.
      if (this.claims.get(task.id)?.released ?? true) claims.push(claim);
      else this.passedOver.set(task.id, claim);
    }
    for (const claim of claims) this.claims.set(claim.task.id, claim);
    const settle = async (unit: Promise<void>): Promise<void> => {
      try {
        await unit;
      } catch (error) {
        this.owner.failed(error);
      }
    };
    const all = Promise.all(this.owner.work(claims).map(settle)).then(async () => {
      for (const claim of claims) await this.end(claim);
    });
    this.underWay.add(all);
    void all.finally(() => {
      this.underWay.delete(all);
      // Room again: what waited for it is due already.
      if (this.isFull) this.nudge();
    });
  }

  /** Called by the owner as soon as one task of a batch is finished, so that it is free before its neighbours are. */
  async end(claim: Claim): Promise<void> {
    const { id } = claim.task;
    if (this.claims.get(id) !== claim) return;
    try {
      await claim.finish();
    } catch (error) {
      this.owner.failed(error, claim.task);
    } finally {
      this.claims.delete(id);
    }
    const next = this.passedOver.get(id);
    if (!next) return;
    this.passedOver.delete(id);
    await this.giveBack(next);
  }

  private async giveBack(claim: Claim): Promise<void> {
    try {
      await claim.finish();
    } catch (error) {
      this.owner.failed(error, claim.task);
    }
  }

  private async renewAll(): Promise<void> {
    await Promise.all([...this.claims.values()].map((claim) => this.renew(claim)));
  }

  private async renew(claim: Claim): Promise<void> {
    try {
      const renewed = await this.store.renew(claim.task.id, this.holder, claim.task.revision, this.settings.leaseMs);
      if (!renewed && this.claims.get(claim.task.id) === claim && !(await this.stillHeld(claim))) claim.stop('the lease was lost');
    } catch (error) {
      this.owner.failed(error, claim.task);
    }
  }

  /** A renewal that raced with the claim's own write fails on the revision although nothing is lost. */
  private async stillHeld(claim: Claim): Promise<boolean> {
    return this.store.renew(claim.task.id, this.holder, claim.task.revision, this.settings.leaseMs);
  }
}

/** The fence of a cancelled task is itself work under a claim, and goes on. */
function isStoppable({ task, released, signal }: Claim): boolean {
  return task.step !== 'cancel' && !released && !signal.aborted;
}

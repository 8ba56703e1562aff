import { randomBytes } from 'node:crypto';
import { Rounds } from '../ports/rounds';
import type { DueQuery, DueTasks } from '../ports/store/due-tasks';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecord, TaskStep } from '../task/task-record';
import { Claim } from './claim';
import { Pacer } from './pacer';
import type { TaskChanges } from './task-changes';
import type { TaskWriter } from './task-writer';

/** Most tasks claimed in one look, so that a long list of what is overdue is taken up in pieces. */
const AT_ONCE = 64;
/** Names this process among all that ever ran under its instance name. */
const PROCESS = randomBytes(6).toString('base64url');

export interface DueLoopSettings {
  readonly name: string;
  readonly instance: string;
  readonly steps: readonly TaskStep[];
  /** How long a claim holds without renewal, ms; renewed every third of it. */
  readonly leaseMs: number;
  /** Most tasks of one backend worked on at once: one that hangs or is slow holds up its own tasks only. */
  readonly places: number;
  /** Most tasks of all backends together. */
  readonly most: number;
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

/** Backends that can be asked now: shared ones, and those bound to this instance. */
export interface Reach {
  readonly backends: readonly string[];
  readonly boundBackends: readonly string[];
}

export interface DueLoopOwner {
  reachable(): Reach;
  /** Works on one task. */
  work(claim: Claim): Promise<void>;
  /** A bug or the store's failure, not a task's. */
  failed(error: unknown, task?: TaskRecord): void;
}

/**
 * Get what is due, act, push `dueAt` forward; again. Sleeps until the next `dueAt`, a nudge (a change of a task in one of its
 * steps; what others did is found by small questions), or the tick. Nothing is kept in memory but the claims under way, so a crash
 * loses nothing: a lease ends, the task is due. Each backend has places of its own.
 */
export class DueLoop {
  private readonly claims = new Map<string, Claim>();
  /** Found due while an earlier claim's work on the task had not ended: given back as soon as it has, not when the lease is over. */
  private readonly passedOver = new Map<string, Claim>();
  private readonly underWay = new Set<Promise<void>>();
  private readonly pacer: Pacer;
  /** On a shared store other gateways make tasks due, or bring new ones, and nobody says so here: a small question finds it. */
  private readonly peeks: Rounds | undefined;
  private renewal: NodeJS.Timeout | undefined;
  private serial = 0;
  /** Some backend had no place left when last looked. */
  private isShort = false;
  private stopListening: (() => void) | undefined;

  constructor(
    private readonly settings: DueLoopSettings,
    private readonly store: StoreClock & DueTasks,
    private readonly writer: TaskWriter,
    private readonly changes: TaskChanges,
    private readonly owner: DueLoopOwner,
  ) {
    this.pacer = new Pacer(
      () => this.look(),
      settings.tickMs,
      (error) => owner.failed(error),
    );
    if (store.isShared) this.peeks = new Rounds(settings.peekMs, () => this.peek());
  }

  start(): void {
    this.stopListening = this.changes.listen(({ after, event }) => {
      if (event === 'cancelRequested') this.claims.get(after.id)?.stop('the task was cancelled');
      if (after.dueAt !== undefined && !after.lease && this.settings.steps.includes(after.step))
        this.pacer.wakeIn(after.dueAt - this.store.now());
    });
    this.renewal = setInterval(() => void this.renewAll(), this.settings.leaseMs / 3);
    this.peeks?.start();
    this.pacer.start();
  }

  /** Takes no more tasks and waits for the work under way, at most `graceMs`; then ends it. Jobs are not touched. */
  async stop(graceMs: number): Promise<void> {
    this.stopListening?.();
    await this.pacer.stop();
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
    this.pacer.wakeIn(0);
  }

  get name(): string {
    return this.settings.name;
  }

  /** Tasks worked on now. */
  get busy(): number {
    return this.claims.size;
  }

  /** What a task in one of this loop's steps waits for, if all places that it could have are taken. */
  fullness({ step, backend = '' }: TaskRecord): string | undefined {
    const { name, most, places, steps } = this.settings;
    if (!steps.includes(step)) return undefined;
    const { all, of } = this.taken();
    const taken = of.get(backend) ?? 0;
    if (taken >= places) return `${taken} of ${places} places for ${name} on backend ${backend} are taken`;
    return all >= most ? `${all} of ${most} places for ${name} are taken` : undefined;
  }

  private async look(): Promise<number> {
    const { query, limit, isShort } = this.query();
    this.isShort = isShort;
    if (limit <= 0) return Infinity;
    // One token for each claim: of what is claimed together each task has its own record to hold it.
    const holder = `${this.settings.instance}/${this.settings.name}/${PROCESS}${(this.serial++).toString(36)}`;
    const { leaseMs } = this.settings;
    const askedAt = performance.now();
    const claim = (task: TaskRecord): Claim => new Claim(task, this.writer, holder, leaseMs, askedAt);
    this.begin((await this.store.claimDue({ ...query, holder, leaseMs })).map(claim));
    const left = this.query();
    // Whatever has no place now is looked for again when one is given back.
    this.isShort = left.isShort;
    if (left.limit <= 0) return Infinity;
    const due = await this.store.nextDue(left.query);
    return due === undefined ? Infinity : Math.max(1, this.pauseUntil(due));
  }

  /** What can be worked on now: of each backend no more than it has places left. */
  private query(): { readonly query: DueQuery; readonly limit: number; readonly isShort: boolean } {
    const { instance, steps, places, most } = this.settings;
    const { all, of } = this.taken();
    const free = (backend: string): number => places - (of.get(backend) ?? 0);
    const { backends, boundBackends } = this.owner.reachable();
    const limit = Math.min(AT_ONCE, most - all);
    const query: DueQuery = {
      instance,
      steps,
      backends: backends.filter((name) => free(name) > 0),
      boundBackends: boundBackends.filter((name) => free(name) > 0),
      limit,
      places: new Map([...backends, ...boundBackends].map((name) => [name, free(name)])),
    };
    const open = query.backends.length + query.boundBackends.length;
    return { query, limit: open === 0 ? 0 : limit, isShort: all >= most || open < backends.length + boundBackends.length };
  }

  private taken(): { readonly all: number; readonly of: ReadonlyMap<string, number> } {
    const of = new Map<string, number>();
    let all = 0;
    for (const { released, task } of this.claims.values()) {
      // What was let go needs no place, although its work has a last word to say.
      if (released) continue;
      all += 1;
      const backend = task.backend ?? '';
      of.set(backend, (of.get(backend) ?? 0) + 1);
    }
    return { all, of };
  }

  private async peek(): Promise<void> {
    if (!this.pacer.isLooking) {
      const { query, limit } = this.query();
      const due = limit > 0 ? await this.store.nextDue(query) : undefined;
      if (due !== undefined) this.pacer.wakeIn(this.pauseUntil(due));
    }
    const working = [...this.claims.values()].filter(({ isStoppable }) => isStoppable).map(({ task }) => task.id);
    if (working.length === 0) return;
    for (const id of await this.store.cancelingAmong(working)) {
      const claim = this.claims.get(id);
      if (claim?.isStoppable === true) claim.stop('the task was cancelled');
    }
  }

  /** What is overdue is not kept waiting: somebody asked for it, or nobody came. */
  private pauseUntil(due: number): number {
    const pause = due - this.store.now();
    return pause <= 0 ? 0 : Math.max(pause, this.settings.gatherMs());
  }

  private begin(claims: readonly Claim[]): void {
    for (const claim of claims) {
      const { id } = claim.task;
      // Work that has not ended yet keeps its task to itself: it was asked to stop, or a nudge brought the task further meanwhile.
      const earlier = this.claims.get(id);
      if (earlier && !earlier.released) {
        this.passedOver.set(id, claim);
        continue;
      }
      this.claims.set(id, claim);
      const work = this.work(claim);
      this.underWay.add(work);
      void work.finally(() => this.underWay.delete(work));
    }
  }

  private async work(claim: Claim): Promise<void> {
    const { id } = claim.task;
    try {
      await this.owner.work(claim);
    } catch (error) {
      this.owner.failed(error, claim.task);
    }
    await this.giveBack(claim);
    if (this.claims.get(id) === claim) this.claims.delete(id);
    // A place again: what waited for it is due already.
    if (this.isShort) this.nudge();
    const next = this.passedOver.get(id);
    this.passedOver.delete(id);
    if (next) await this.giveBack(next);
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
      const renewed = await claim.renew((id, holder, leaseMs) => this.store.renew(id, holder, leaseMs));
      if (!renewed && this.claims.get(claim.task.id) === claim) claim.stop('the lease was lost');
    } catch (error) {
      this.owner.failed(error, claim.task);
    }
  }
}

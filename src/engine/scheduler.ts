import type { ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry } from '../ports/registries';
import type { TaskStore } from '../ports/task-store';
import { droppedParametersWarning, unsupportedParameters } from '../task/backend-parameters';
import { labelKeys } from '../task/placement';
import type { TaskRecord } from '../task/task-record';
import { isTerminal } from '../task/task-state';
import type { BackendMonitor } from './backend-monitor';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { capacityKey } from './job';
import { lateRefusal } from './late-refusal';
import type { KnownBackends } from './known-backends';
import { Peeks } from './peeks';
import { type Candidate, freeOf, mismatch, selectBackend } from './select-backend';
import type { TaskChange } from './task-events';
import type { TaskWriter } from './task-writer';
import { whyQueued, whyUnderWay } from './waiting-reasons';

/** Tasks of the head of the queue looked at first: most passes are made because one task has ended, and give away one place. */
const FIRST_HEAD = 8;
/** Looked at in one go while all of them find a place. */
const HEAD = 64;
/** What is left of a sum of fractions is not room. */
const LEAST = 1e-9;
/** So old may be what a reason for waiting is read from, ms: engines ask of a thousand waiting tasks every second. */
const REASON_AGE_MS = 250;
/** Where a pass stops looking further back when nothing at the head can go on. */
const MOST_HEAD = 4096;

/**
 * Gives waiting tasks to backends. QUEUED tasks are not polled: a pass is made when a task arrives, room frees, a backend changes,
 * a retry's pause is over, another gateway changed the queue, and on a safety tick. Reserve first (atomic over all gateways), then
 * `assigned` (compare-and-swap).
 */
export class Scheduler {
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;
  private passing: Promise<void> | undefined;
  private again = false;
  private stopped = true;
  private readonly peeks: Peeks | undefined;
  /** The queue when others' changes were last looked for. */
  private seen = '';
  private recent: { readonly candidates: Promise<readonly Candidate[]>; readonly at: number } | undefined;

  constructor(
    private readonly store: TaskStore,
    private readonly writer: TaskWriter,
    private readonly backends: BackendRegistry,
    private readonly monitor: BackendMonitor,
    private readonly settings: Pick<EngineSettings, 'instance' | 'bigTaskWaitMs' | 'tickMs' | 'peekMs'>,
    private readonly log: EngineLog,
    private readonly known: Pick<KnownBackends, 'all' | 'elsewhere'>,
  ) {
    if (store.isShared) this.peeks = new Peeks(settings.peekMs, () => this.peek());
  }

  start(): void {
    this.stopped = false;
    this.peeks?.start();
    this.nudge();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.peeks?.stop();
    await this.passing;
  }

  /** A reader of committed changes: arrivals and freed room. */
  heard({ before, after, event }: TaskChange): void {
    if (event === 'moved' && before) void this.freed(before);
    else if (event === 'created' || event === 'retried') this.nudge();
    else if (before && !isTerminal(before.state) && isTerminal(after.state)) void this.freed(after);
  }

  /** Jobs on each backend, by its name: every attempt from its assignment to its clean-up. */
  async jobs(): Promise<ReadonlyMap<string, number>> {
    return new Map((await this.candidates()).map(({ name, used }) => [name, used.length]));
  }

  nudge(): void {
    this.wakeIn(0);
  }

  /** Why a task waits, as public sentences; empty when it does not. Reads reservations, nothing else. */
  async explain(task: TaskRecord): Promise<readonly string[]> {
    if (task.state !== 'QUEUED')
      return whyUnderWay(task, this.store, this.settings.instance, (name) => this.known.all().some((one) => one.name === name));
    if (task.notBefore !== undefined && task.notBefore > this.store.now()) {
      return [`waiting ${Math.ceil((task.notBefore - this.store.now()) / 1000)} s before the next attempt`];
    }
    const candidates = await this.recentCandidates();
    let selection = selectBackend(task.id, task.needs, candidates);
    // Room that is kept free is the last of all reasons: whoever waits for another one need not know of it.
    if (selection.kind === 'chosen') selection = selectBackend(task.id, task.needs, await this.withReservation(candidates));
    if (selection.kind === 'chosen') return ['waiting: about to be given to a backend'];
    const couldBeHere = candidates.some((one) => mismatch(task.needs, one) === undefined);
    return whyQueued(task.needs, selection.reasons, couldBeHere, this.known).map((reason) => `waiting: ${reason}`);
  }

  private wakeIn(delayMs: number): void {
    if (this.stopped) return;
    const at = performance.now() + Math.max(0, delayMs);
    if (at >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = at;
    this.timer = setTimeout(() => void this.wake(), Math.min(Math.max(0, delayMs), 2 ** 31 - 1));
  }

  private async wake(): Promise<void> {
    this.timerAt = Infinity;
    if (this.passing) {
      this.again = true;
      return;
    }
    let next = this.settings.tickMs;
    this.passing = this.pass()
      .then((pause) => {
        next = Math.min(next, pause);
      })
      .catch((error: unknown) => {
        next = 1000;
        this.log.error('a scheduling pass failed', { err: error });
      });
    await this.passing;
    this.passing = undefined;
    if (this.again) next = 0;
    this.again = false;
    this.wakeIn(next);
  }

  /** Room that others free is no news here: whoever freed it makes a pass. New tasks are: this gateway may be the one that has room. */
  private async peek(): Promise<void> {
    const { items } = await this.store.listMinimal({ state: 'QUEUED', pageSize: 1 });
    const [newest] = items[0] ?? [];
    const outlook = newest === undefined ? undefined : await this.store.queueOutlook();
    const queue = outlook === undefined ? '' : `${newest} ${outlook.oldest?.id} ${outlook.length}`;
    if (queue !== this.seen && outlook !== undefined) this.nudge();
    this.seen = queue;
  }

  /** One pass; returns after how many ms the next is due although nothing happens. */
  private async pass(): Promise<number> {
    this.recent = undefined;
    for (let limit = FIRST_HEAD; limit <= MOST_HEAD;) {
      const all = await this.candidates();
      const open = all.filter((candidate) => !candidate.capabilities.draining && candidate.away === undefined && hasRoom(candidate));
      if (open.length === 0) break;
      const candidates = await this.withReservation(all);
      const head = await this.store.queueHead({
        limit,
        backendsOpen: open.map(({ name }) => name),
        fits: { cpuCores: Math.max(...open.map((one) => freeOf(one).cpuCores)), ramGb: Math.max(...open.map((one) => freeOf(one).ramGb)) },
      });
      const assigned = await this.assignAll(head, candidates);
      if (this.stopped || (assigned === 0 && head.length < limit)) break;
      // A head of nothing but tasks that cannot go on now must not hide the ones behind it.
      if (assigned === 0) limit *= 4;
      else limit = assigned === head.length ? HEAD : FIRST_HEAD;
    }
    const { nextNotBefore } = await this.store.queueOutlook();
    return nextNotBefore === undefined ? Infinity : Math.max(1, nextNotBefore - this.store.now());
  }

  private async assignAll(head: readonly TaskRecord[], candidates: readonly Candidate[]): Promise<number> {
    let current = candidates;
    const work: Promise<boolean>[] = [];
    for (const task of head) {
      const selection = selectBackend(task.id, task.needs, current);
      if (selection.kind === 'wait') continue;
      current = current.map((one) => (one.name === selection.backend ? { ...one, used: [...one.used, reservationOf(task)] } : one));
      const backend = this.backends.get(selection.backend);
      if (backend) work.push(this.assign(task, backend));
    }
    return (await Promise.all(work)).filter(Boolean).length;
  }

  private async assign(task: TaskRecord, backend: ExecutionBackend): Promise<boolean> {
    const refusal = await lateRefusal(task, backend, this.store, this.settings.instance);
    if (refusal) {
      await this.writer.apply(task.id, refusal, { known: task });
      // What another one can do with it is found by the next pass.
      this.nudge();
      return false;
    }
    const capabilities = backend.capabilities();
    const key = capacityKey(backend.name, capabilities, this.settings.instance);
    const reservation = reservationOf(task);
    if (!(await this.store.reserve(key, reservation, capabilities.capacity))) return false;
    const known = [...capabilities.parameterKeys, ...labelKeys(this.backends.placement(backend.name))];
    const dropped = unsupportedParameters(task.needs.parameterKeys, known);
    const applied = await this.writer.apply(
      task.id,
      {
        type: 'assigned',
        backend: backend.name,
        ...(capabilities.boundToInstance ? { boundTo: this.settings.instance } : {}),
        droppedParameters: dropped,
        warnings: dropped.length > 0 ? [droppedParametersWarning(dropped, `backend ${backend.name}`)] : [],
      },
      { known: task },
    );
    if (applied.kind === 'changed') return true;
    // Somebody else has it, or it was cancelled: the room goes back unless it is that very attempt's. What is bound to a gateway has
    // room of its own there: another gateway's backend of the same name is another one.
    const { task: found } = applied.kind === 'ignored' ? applied : { task: undefined };
    const sameBackend = found?.backend === backend.name && (!capabilities.boundToInstance || found.boundTo === this.settings.instance);
    const theirs = sameBackend && found.attempt === reservation.attempt;
    if (!theirs || isTerminal(found.state)) await this.store.release(key, task.id, reservation.attempt);
    return false;
  }

  private async freed(task: TaskRecord): Promise<void> {
    const backend = this.backends.get(task.backend ?? '');
    if (!backend) return;
    try {
      await this.store.release(capacityKey(backend.name, backend.capabilities(), this.settings.instance), task.id, task.attempt);
    } catch (error) {
      // The clean-up releases it again.
      this.log.warn('a reservation could not be given back yet', { task: task.id, err: error });
    }
    this.nudge();
  }

  private async recentCandidates(): Promise<readonly Candidate[]> {
    const now = performance.now();
    this.recent = this.recent && now - this.recent.at < REASON_AGE_MS ? this.recent : { candidates: this.candidates(), at: now };
    const { candidates } = this.recent;
    try {
      return await candidates;
    } catch (error) {
      if (this.recent?.candidates === candidates) this.recent = undefined;
      throw error;
    }
  }

  private async candidates(): Promise<readonly Candidate[]> {
    return Promise.all(
      this.backends.all.map(async (backend) => {
        const capabilities = backend.capabilities();
        const health = this.monitor.health(backend.name);
        const key = capacityKey(backend.name, capabilities, this.settings.instance);
        const used = await this.store.reservations(key);
        const placement = this.backends.placement(backend.name);
        return { name: backend.name, key, capabilities, placement, used, ...(health.ok ? {} : { away: `it is away (${health.detail})` }) };
      }),
    );
  }

  /** The oldest task, if it is too big for what is free and has waited too long, gets the first backend that it fits into when empty. */
  private async withReservation(candidates: readonly Candidate[]): Promise<readonly Candidate[]> {
    const { oldest } = await this.store.queueOutlook();
    if (!oldest || this.store.now() - oldest.createdAt < this.settings.bigTaskWaitMs) return candidates;
    if (selectBackend(oldest.id, oldest.needs, candidates).kind === 'chosen') return candidates;
    const { needs } = oldest;
    const home = candidates.find(
      (one) =>
        one.away === undefined &&
        !one.capabilities.draining &&
        mismatch(needs, one) === undefined &&
        needs.cpuCores <= one.capabilities.capacity.cpuCores &&
        needs.ramGb <= one.capabilities.capacity.ramGb,
    );
    return home ? candidates.map((one) => (one === home ? { ...one, heldFor: oldest.id } : one)) : candidates;
  }
}

/** Room for the smallest of tasks: every task needs some of everything. */
function hasRoom(candidate: Candidate): boolean {
  const { slots, cpuCores, ramGb } = freeOf(candidate);
  return slots >= 1 && cpuCores > LEAST && ramGb > LEAST;
}

function reservationOf(task: TaskRecord): { taskId: string; attempt: number; cpuCores: number; ramGb: number } {
  return { taskId: task.id, attempt: task.attempt + 1, cpuCores: task.needs.cpuCores, ramGb: task.needs.ramGb };
}

import type { ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry } from '../ports/registries';
import type { TaskStore } from '../ports/task-store';
import { droppedParametersWarning, unsupportedParameters } from '../task/backend-parameters';
import type { TaskRecord } from '../task/task-record';
import { isTerminal } from '../task/task-state';
import type { BackendMonitor } from './backend-monitor';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { capacityKey } from './job';
import { type Candidate, freeOf, mismatch, selectBackend } from './select-backend';
import type { TaskChange } from './task-events';
import type { TaskWriter } from './task-writer';

/** Tasks of the head of the queue looked at in one go. */
const HEAD = 64;
/** Where a pass stops looking further back when nothing at the head can go on. */
const MOST_HEAD = 4096;

/**
 * Gives waiting tasks to backends. QUEUED tasks are not polled: a pass is made when a task arrives, room frees, a backend changes,
 * a retry's pause is over, and on a safety tick. Reserve first (atomic over all gateways), then `assigned` (compare-and-swap).
 */
export class Scheduler {
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;
  private passing: Promise<void> | undefined;
  private again = false;
  private stopped = true;

  constructor(
    private readonly store: TaskStore,
    private readonly writer: TaskWriter,
    private readonly backends: BackendRegistry,
    private readonly monitor: BackendMonitor,
    private readonly settings: Pick<EngineSettings, 'instance' | 'bigTaskWaitMs' | 'tickMs'>,
    private readonly log: EngineLog,
  ) {}

  start(): void {
    this.stopped = false;
    this.nudge();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.passing;
  }

  /** A reader of committed changes: arrivals and freed room. */
  heard({ before, after, event }: TaskChange): void {
    if (event === 'created' || event === 'retried') this.nudge();
    else if (before && !isTerminal(before.state) && isTerminal(after.state)) void this.freed(after);
  }

  nudge(): void {
    this.wakeIn(0);
  }

  /** Why a task waits, as public sentences; empty when it does not. Reads reservations, nothing else. */
  async explain(task: TaskRecord): Promise<readonly string[]> {
    if (task.state !== 'QUEUED') return task.trouble ? [task.trouble.reason] : [];
    if (task.notBefore !== undefined && task.notBefore > this.store.now()) {
      return [`waiting ${Math.ceil((task.notBefore - this.store.now()) / 1000)} s before the next attempt`];
    }
    const candidates = await this.candidates();
    let selection = selectBackend(task.id, task.needs, candidates);
    // Room that is kept free is the last of all reasons: whoever waits for another one need not know of it.
    if (selection.kind === 'chosen') selection = selectBackend(task.id, task.needs, await this.withReservation(candidates));
    return selection.kind === 'wait'
      ? selection.reasons.map((reason) => `waiting: ${reason}`)
      : ['waiting: about to be given to a backend'];
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

  /** One pass; returns after how many ms the next is due although nothing happens. */
  private async pass(): Promise<number> {
    for (let limit = HEAD; limit <= MOST_HEAD;) {
      const all = await this.candidates();
      const open = all.filter(
        (candidate) => !candidate.capabilities.draining && candidate.away === undefined && freeOf(candidate).slots >= 1,
      );
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
      limit = assigned === 0 ? limit * 4 : HEAD;
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
    const capabilities = backend.capabilities();
    const key = capacityKey(backend.name, capabilities, this.settings.instance);
    const reservation = reservationOf(task);
    if (!(await this.store.reserve(key, reservation, capabilities.capacity))) return false;
    const dropped = unsupportedParameters(task.needs.parameterKeys, capabilities.parameterKeys);
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
    // Somebody else has it, or it was cancelled: the room goes back unless it is that very attempt's.
    const theirs = applied.kind === 'ignored' && applied.task.backend === backend.name && applied.task.attempt === reservation.attempt;
    if (!theirs || isTerminal(applied.task.state)) await this.store.release(key, task.id, reservation.attempt);
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

  private async candidates(): Promise<readonly Candidate[]> {
    return Promise.all(
      this.backends.all.map(async (backend) => {
        const capabilities = backend.capabilities();
        const health = this.monitor.health(backend.name);
        const used = await this.store.reservations(capacityKey(backend.name, capabilities, this.settings.instance));
        return { name: backend.name, capabilities, used, ...(health.ok ? {} : { away: `it is away (${health.detail})` }) };
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
      ({ name, capabilities, away }) =>
        away === undefined &&
        !capabilities.draining &&
        mismatch(needs, name, capabilities) === undefined &&
        needs.cpuCores <= capabilities.capacity.cpuCores &&
        needs.ramGb <= capabilities.capacity.ramGb,
    );
    return home ? candidates.map((one) => (one === home ? { ...one, heldFor: oldest.id } : one)) : candidates;
  }
}

function reservationOf(task: TaskRecord): { taskId: string; attempt: number; cpuCores: number; ramGb: number } {
  return { taskId: task.id, attempt: task.attempt + 1, cpuCores: task.needs.cpuCores, ramGb: task.needs.ramGb };
}

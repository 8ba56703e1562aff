import type { ExecutionBackend } from '../ports/execution-backend';
import { Rounds } from '../ports/rounds';
import type { BackendRegistry } from '../ports/registries';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import type { TaskQueue } from '../ports/store/task-queue';
import type { Upkeep } from '../ports/store/upkeep';
import { droppedParametersWarning, unsupportedParameters } from '../task/backend-parameters';
import { ANYWHERE, labelKeys } from '../task/placement';
import { CUT_NAMES, NOTHING, type Size, SIZES } from '../task/amounts';
import { roomKey, roomOf } from '../task/room';
import type { TaskEvent } from '../task/task-events';
import type { TaskNeeds, TaskRecord } from '../task/task-record';
import { isTerminal } from '../task/task-state';
import { ActiveLimits } from './active-limits';
import type { BackendMonitor } from './backend-monitor';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { lateRefusal } from './late-refusal';
import type { KnownBackend } from './known-backends';
import { Pacer } from './pacer';
import { type JudgedClass, QueueView } from './queue-view';
import { type Candidate, hasRoom, isOpen, round } from './select-backend';
import type { TaskChange } from './task-changes';
import type { TaskWriter } from './task-writer';
import { type Surroundings, WhyWaiting } from './waiting-reasons';

/** Assigned before the sums are read anew. */
const ROUND = 64;
/** Rounds in a row that won nothing, because others were faster, until the next pass. */
const MOST_LOST = 5;
/** Tasks that are judged anew, or that end because they waited too long, in one pass. */
const BATCH = 64;

export interface SchedulerParts {
  readonly store: StoreClock & TaskRecords & TaskQueue & Upkeep;
  readonly writer: TaskWriter;
  readonly backends: BackendRegistry;
  readonly monitor: BackendMonitor;
  readonly log: EngineLog;
}

/**
 * Gives waiting tasks to backends. QUEUED tasks are not polled: a pass is made when a task arrives, room frees, a backend changes,
 * a retry's pause is over, another gateway changed the queue, and on a safety tick. A pass judges the classes that wait, not their tasks,
 * and reads only tasks that can go on now, so that what waits for something else costs nothing. The room is taken in the same write
 * that assigns the task, atomic over all gateways.
 */
export class Scheduler {
  private stopped = false;
  private readonly pacer: Pacer;
  /** On a shared store other gateways make tasks due, or bring new ones, and nobody says so here: a small question finds it. */
  private readonly peeks: Rounds | undefined;
  private readonly queue: QueueView;
  /** Of active tasks. */
  readonly limits: ActiveLimits;
  /** The queue when others' changes were last looked for. */
  private seen = '';
  private readonly why: WhyWaiting;

  constructor(
    private readonly parts: SchedulerParts,
    private readonly settings: Pick<EngineSettings, 'instance' | 'bigTaskWaitMs' | 'maxQueuedMs' | 'tickMs' | 'peekMs' | 'active'>,
    private readonly around: Surroundings & {
      /** What a task is to wait by, in place of being given to the backend, because the storage of its inputs is away. */
      readonly stillAwaits: (task: TaskRecord, backend: ExecutionBackend) => Promise<TaskEvent | undefined>;
    },
  ) {
    const { store, log } = parts;
    this.limits = new ActiveLimits(store, settings.active ?? {});
    this.queue = new QueueView(store, settings.bigTaskWaitMs, this.limits);
    this.pacer = new Pacer(
      () => this.pass(),
      settings.tickMs,
      (error) => log.error('a scheduling pass failed', { err: error }),
    );
    this.why = new WhyWaiting(store, this.queue, this.limits, () => this.candidates(), settings.instance, around);
    if (store.isShared) this.peeks = new Rounds(settings.peekMs, () => this.peek());
  }

  start(): void {
    this.peeks?.start();
    this.pacer.start();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.peeks?.stop();
    await this.pacer.stop();
  }

  /** A reader of committed changes: arrivals and freed room. */
  heard(change: TaskChange): void {
    this.limits.heard(change);
    const { before, after, event } = change;
    // It has no news for the pass that said so.
    if (event === 'awaitsStorage' && before?.state === 'QUEUED') return;
    const isOver = before !== undefined && !isTerminal(before.state) && isTerminal(after.state);
    const freed = before && roomOf(before)?.key;
    if (event === 'created' || after.state === 'QUEUED' || isOver || (freed !== undefined && roomOf(after)?.key !== freed)) this.nudge();
  }

  /** Jobs on each backend, by its name: every attempt from its assignment to its end. */
  async jobs(): Promise<ReadonlyMap<string, number>> {
    const own = (await this.candidates()).filter(({ elsewhere }) => elsewhere === undefined);
    return new Map(own.map(({ name, used }) => [name, used.slots ?? 0]));
  }

  nudge(): void {
    this.pacer.wakeIn(0);
  }

  /** Why a task waits, as public sentences; empty when it does not. */
  explain(task: TaskRecord): Promise<readonly string[]> {
    return this.why.explain(task);
  }

  /** Room that others free is no news here: whoever freed it makes a pass. New tasks are: this gateway may be the one that has room. */
  private async peek(): Promise<void> {
    const { items } = await this.parts.store.listMinimal({ state: 'QUEUED', pageSize: 1 });
    const [newest] = items[0] ?? [];
    const outlook = newest === undefined ? undefined : await this.parts.store.queueOutlook();
    const queue = outlook === undefined ? '' : `${newest} ${outlook.since} ${outlook.length}`;
    if (queue !== this.seen && outlook !== undefined) this.nudge();
    this.seen = queue;
  }

  /** One pass; returns after how many ms the next is due although nothing happens. */
  private async pass(): Promise<number> {
    this.why.forget();
    let hasLooked = false;
    for (let lost = 0; lost < MOST_LOST && !this.stopped;) {
      const candidates = await this.candidates();
      if (!candidates.some((candidate) => isOpen(candidate) && hasRoom(candidate))) break;
      const classes = await this.queue.classes();
      hasLooked = true;
      if (await this.judgeSome(classes, candidates)) this.nudge();
      const held = await this.queue.withHolds(classes, candidates);
      const { chosen, limited } = await this.queue.choose(classes, held, ROUND);
      const done = await Promise.all([
        ...chosen.map(({ task, backend, size }) => this.assign(task, backend, size)),
        ...limited.map((task) => this.limit(task)),
      ]);
      lost = done.every((one) => one === 'lost') ? lost + 1 : 0;
      // What was put aside has left its room to the tasks behind it.
      if (done.every((one) => one === 'assigned') && done.length < ROUND) break;
    }
    const more = await this.endOverdue();
    const { store } = this.parts;
    const { since, nextNotBefore } = await store.queueOutlook();
    const { maxQueuedMs } = this.settings;
    const overdueAt = since === undefined || maxQueuedMs === undefined ? Infinity : since + maxQueuedMs;
    // What ends at another gateway is no news here, and who has reached a limit waits for just that.
    const limitOver = hasLooked && this.queue.hasLimited && store.isShared ? store.now() + this.settings.peekMs : Infinity;
    // Who has no room ends no pauses: he is woken when he has.
    const pauseOver = hasLooked && nextNotBefore !== undefined ? nextNotBefore : Infinity;
    return more ? 0 : Math.max(1, Math.min(pauseOver, limitOver, overdueAt) - store.now());
  }

  /** Prefixes of the settings that waiting tasks were not held against yet: a batch of them, and whether there was any. */
  private async judgeSome(classes: readonly JudgedClass[], candidates: readonly Candidate[]): Promise<boolean> {
    const found = await this.queue.unjudged(classes, candidates, BATCH);
    await Promise.all(
      found.map(async ({ task, reaches }) =>
        this.parts.writer.apply(task.id, { type: 'judged', attempt: task.attempt, reaches }, { known: task }),
      ),
    );
    return found.length > 0;
  }

  /** What has waited longer than the settings allow ends. True when there may be more. */
  private async endOverdue(): Promise<boolean> {
    const { maxQueuedMs } = this.settings;
    if (maxQueuedMs === undefined || this.stopped) return false;
    const over = await this.parts.store.queuedBefore(this.parts.store.now() - maxQueuedMs, BATCH);
    for (const task of over) {
      const why = (await this.explain(task)).map((line) => line.replace(/^waiting: /, '')).join('; ');
      const reason = `timed out in the queue after ${maxQueuedMs / 1000} s (setting limits.max_queued_seconds): ${why}`;
      await this.parts.writer.apply(task.id, { type: 'failed', attempt: task.attempt, reason }, { known: task });
    }
    return over.length === BATCH;
  }

  /** It goes out of the way of those behind it. */
  private async limit(task: TaskRecord): Promise<'aside' | 'lost'> {
    const by = this.limits.scopesOf(task);
    const applied = await this.parts.writer.apply(task.id, { type: 'limited', attempt: task.attempt, by }, { known: task });
    return applied.kind === 'changed' ? 'aside' : 'lost';
  }

  private async assign(task: TaskRecord, backendName: string, size: Size): Promise<'assigned' | 'aside' | 'lost'> {
    const backend = this.parts.backends.get(backendName);
    if (!backend) return 'lost';
    const waits = await this.around.stillAwaits(task, backend);
    if (waits) return (await this.parts.writer.apply(task.id, waits, { known: task })).kind === 'changed' ? 'aside' : 'lost';
    const refusal = await lateRefusal(task, backend, this.parts.store, this.settings.instance);
    if (refusal) {
      await this.parts.writer.apply(task.id, refusal, { known: task });
      // What another one can do with it is found by the next pass.
      this.nudge();
      return 'lost';
    }
    const capabilities = backend.capabilities();
    const known = [...capabilities.parameterKeys, ...labelKeys(this.parts.backends.placement(backend.name))];
    const dropped = unsupportedParameters(task.needs.parameterKeys, known);
    const applied = await this.parts.writer.apply(
      task.id,
      {
        type: 'assigned',
        backend: backend.name,
        ...(capabilities.boundToInstance ? { boundTo: this.settings.instance } : {}),
        ...(isLess(size, task.needs) ? { given: size } : {}),
        droppedParameters: dropped,
        warnings: [
          ...cuts(task.needs, size),
          ...(dropped.length > 0 ? [droppedParametersWarning(dropped, `backend ${backend.name}`)] : []),
        ],
      },
      { known: task, capacity: capabilities.capacity },
    );
    return applied.kind === 'changed' ? 'assigned' : 'lost';
  }

  /** Its cost is that of the backends, whatever is live on them. */
  private async candidates(): Promise<readonly Candidate[]> {
    const keyOf = (backend: ExecutionBackend): string =>
      roomKey(backend.name, backend.capabilities().boundToInstance ? this.settings.instance : undefined);
    const used = await this.parts.store.used(this.parts.backends.all.map(keyOf));
    const own = this.parts.backends.all.map((backend) => {
      const health = this.parts.monitor.health(backend.name);
      return {
        name: backend.name,
        key: keyOf(backend),
        capabilities: backend.capabilities(),
        placement: this.parts.backends.placement(backend.name),
        used: used.get(keyOf(backend)) ?? NOTHING,
        ...(!health.ok ? { away: `it is unreachable (${health.detail})` } : health.full === undefined ? {} : { away: health.full }),
      };
    });
    return [...own, ...this.around.known.elsewhere().map(candidateElsewhere)];
  }
}

function candidateElsewhere(backend: KnownBackend): Candidate {
  const { name, labels, urlPrefixes, boundToInstance, gateways, isWell } = backend;
  return {
    name,
    key: roomKey(name, boundToInstance ? gateways[0] : undefined),
    capabilities: backend,
    elsewhere: gateways,
    placement: { ...ANYWHERE, labels, ...(urlPrefixes !== undefined && { urlPrefixes }) },
    used: NOTHING,
    ...(isWell ? {} : { away: 'it is unreachable' }),
  };
}

function isLess(size: Size, needs: TaskNeeds): boolean {
  return CUT_NAMES.some((name) => (size[name] ?? 0) < (needs[name] ?? 0));
}

/** Lines for `system_logs`: what a task does not get of what it asked for. */
function cuts(needs: TaskNeeds, size: Size): readonly string[] {
  return CUT_NAMES.flatMap((name) => {
    const [asked, given] = [needs[name] ?? 0, size[name] ?? 0];
    return given < asked
      ? [`the task asks for ${round(asked)} ${SIZES[name].words} and gets ${round(given)}, the most that any backend has`]
      : [];
  });
}

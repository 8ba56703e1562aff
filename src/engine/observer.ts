import type { ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry } from '../ports/registries';
import type { DueQuery, DueTasks } from '../ports/store/due-tasks';
import type { Observation } from '../task/observation';
import type { TaskEvent } from '../task/task-events';
import { pollPauseMs } from '../task/poll-pause';
import { jobName, type TaskRecord } from '../task/task-record';
import type { Reach } from './due-loop';
import type { EngineSettings } from './engine-settings';
import { Pacer } from './pacer';
import { Rounds } from '../ports/rounds';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import { within } from '../ports/within';
import type { Probes } from './probes';
import { taskIdOf } from './job';
import type { FailureHandling } from './failure-handling';
import type { TaskWriter } from './task-writer';

/** Most jobs of one backend in one look, and most of all backends. */
const MOST_JOBS = 1000;
const MOST_IN_ALL = 4000;
/** Most jobs that pushes named, in one look. */
const MOST_NAMED = 64;
/** Nudges kept of one backend; what is over is found when it is due. */
const MOST_NUDGES = 10_000;
/** After a look that the store failed, ms: what could not be put off is due at once. */
const AFTER_FAILURE_MS = 1000;
/** A nudge for a job that is not known as handed over is remembered so long, ms: a hand-over takes less. */
const EARLY_MS = 60_000;

export interface ObserverParts {
  readonly store: StoreClock & TaskRecords & DueTasks;
  readonly backends: BackendRegistry;
  readonly writer: TaskWriter;
  readonly probes: Probes;
  readonly failures: FailureHandling;
}

export interface ObserverOwner {
  reachable(): Reach;
  failed(error: unknown): void;
  /** Wall time, ms. */
  now(): number;
}

/** Of one backend. */
interface Looks {
  /** A look at what is due is under way, and one at what a push named: each does not wait for the other. */
  busy: boolean;
  named: boolean;
  /** Jobs looked at in one call: half as many after one that was not answered in time, twice as many after one that was. */
  most: number;
  /** Jobs that something may have happened to. */
  readonly nudged: Set<string>;
}

/**
 * Looks at running jobs: of each backend all that are due, and all that a push names, in one call; one call of a backend at a time, so that
 * one that hangs holds up nobody else. A look does no harm and needs no claim: what comes of it counts only if the task is still as it
 * was. The next look is written down before this one, in a write that may be lost: a look without news costs nothing else.
 */
export class Observer {
  private readonly looks = new Map<string, Looks>();
  /** Jobs that were named before they were known as handed over, and when. */
  private readonly early = new Map<string, number>();
  private readonly underWay = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly pacer: Pacer;
  private readonly peeks: Rounds | undefined;

  constructor(
    private readonly parts: ObserverParts,
    private readonly settings: Pick<EngineSettings, 'instance' | 'tailBytes' | 'callTimeoutMs' | 'tickMs' | 'peekMs'>,
    /** How long what falls due may gather, ms. */
    private readonly gatherMs: () => number,
    private readonly owner: ObserverOwner,
  ) {
    this.pacer = new Pacer(
      () => this.look(),
      settings.tickMs,
      (error) => owner.failed(error),
    );
    if (parts.store.isShared) this.peeks = new Rounds(settings.peekMs, () => this.peek());
  }

  start(): void {
    this.peeks?.start();
    this.pacer.start();
  }

  /** Looks under way are ended: they are made again by whoever comes next. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.pacer.stop();
    await this.peeks?.stop();
    await Promise.all(this.underWay);
  }

  /** A reader of committed changes. */
  heard(after: TaskRecord): void {
    if (after.step !== 'run' || after.dueAt === undefined) return;
    if (this.early.delete(jobName(after.id, after.attempt))) this.nudge(after.backend ?? '', jobName(after.id, after.attempt));
    else this.pacer.wakeIn(after.dueAt - this.parts.store.now());
  }

  /** Something may have happened to this job. A hint: it is looked at as soon as its backend has answered the look under way. */
  nudge(backend: string, name: string): void {
    const { nudged } = this.looksOf(backend);
    if (nudged.size < MOST_NUDGES) nudged.add(name);
    this.pacer.wakeIn(0);
  }

  wake(): void {
    this.pacer.wakeIn(0);
  }

  private async look(): Promise<number> {
    this.forgetEarly();
    const query = this.query();
    const due = query ? await this.parts.store.readDue(query) : [];
    const byBackend = Map.groupBy(due, ({ backend }) => backend ?? '');
    for (const backend of this.parts.backends.all) {
      const tasks = byBackend.get(backend.name) ?? [];
      const looks = this.looksOf(backend.name);
      if (!looks.named && looks.nudged.size > 0) this.lookAtNamed(backend, looks);
      if (!looks.busy && tasks.length > 0) this.lookAtDue(backend, looks, tasks);
    }
    // What is being looked at is looked for again when the look has ended.
    const left = this.query();
    const next = left ? await this.parts.store.nextDue(left) : undefined;
    return next === undefined ? Infinity : Math.max(1, this.pauseUntil(next));
  }

  private async peek(): Promise<void> {
    const query = this.query();
    const due = query && !this.pacer.isLooking ? await this.parts.store.nextDue(query) : undefined;
    if (due !== undefined) this.pacer.wakeIn(this.pauseUntil(due));
  }

  private pauseUntil(due: number): number {
    const pause = due - this.parts.store.now();
    return pause <= 0 ? 0 : Math.max(pause, this.gatherMs());
  }

  /** Running jobs of backends that are not being asked; `undefined` when there is none. */
  private query(): DueQuery | undefined {
    const { backends, boundBackends } = this.owner.reachable();
    const isFree = (name: string): boolean => !this.looksOf(name).busy;
    const free = { backends: backends.filter(isFree), boundBackends: boundBackends.filter(isFree) };
    const names = [...free.backends, ...free.boundBackends];
    if (names.length === 0) return undefined;
    const places = new Map(names.map((name) => [name, this.looksOf(name).most]));
    return { instance: this.settings.instance, ...free, steps: ['run'], limit: MOST_IN_ALL, places };
  }

  private lookAtDue(backend: ExecutionBackend, looks: Looks, due: readonly TaskRecord[]): void {
    looks.busy = true;
    const look = async (): Promise<void> => {
      await this.postpone(backend, due);
      const isAnswered = await this.observeAll(backend, due);
      looks.most = isAnswered ? Math.min(MOST_JOBS, 2 * looks.most) : Math.max(1, Math.floor(due.length / 2));
    };
    this.follow(look(), () => (looks.busy = false));
  }

  /** Of its own, so that an end that is said soon is not seen late because of a look at very many. */
  private lookAtNamed(backend: ExecutionBackend, looks: Looks): void {
    looks.named = true;
    const names = [...looks.nudged].slice(0, MOST_NAMED);
    for (const name of names) looks.nudged.delete(name);
    const look = async (): Promise<void> => {
      const tasks = await Promise.all(names.map((name) => this.ofName(backend, name)));
      await this.observeAll(
        backend,
        tasks.filter((task) => task !== undefined),
      );
    };
    this.follow(look(), () => (looks.named = false));
  }

  private follow(look: Promise<void>, ended: () => void): void {
    const followed = look
      .then(
        () => 0,
        (error: unknown) => {
          this.owner.failed(error);
          return AFTER_FAILURE_MS;
        },
      )
      .then((pauseMs) => {
        ended();
        this.underWay.delete(followed);
        this.pacer.wakeIn(pauseMs);
      });
    this.underWay.add(followed);
  }

  /** False when the backend did not answer in time. */
  private async observeAll(backend: ExecutionBackend, tasks: readonly TaskRecord[]): Promise<boolean> {
    if (tasks.length === 0) return true;
    return within(this.stopping.signal, this.settings.callTimeoutMs, async (limited) => {
      try {
        await this.parts.probes.run(backend.name, () => this.observe(backend, tasks, limited));
      } catch (error) {
        if (this.stopping.signal.aborted) return true;
        await Promise.all(tasks.map((task) => this.apply(task, this.parts.failures.eventFor(task, error))));
      }
      return !limited.aborted;
    });
  }

  /** The task of a job that a push named, if there is something to look at. */
  private async ofName(backend: ExecutionBackend, name: string): Promise<TaskRecord | undefined> {
    const id = taskIdOf(name);
    if (id === undefined) return undefined;
    // A short job may end before it is written down that it was handed over. Noted before the read, so that a hand-over during it is not missed.
    this.early.set(name, performance.now());
    const task = await this.parts.store.getTask(id);
    const isOurs = task?.backend === backend.name && jobName(task.id, task.attempt) === name;
    if (!isOurs || (task.step !== 'stage-in' && task.step !== 'submit')) this.early.delete(name);
    return isOurs && task.step === 'run' ? task : undefined;
  }

  private async postpone(backend: ExecutionBackend, due: readonly TaskRecord[]): Promise<void> {
    const { store } = this.parts;
    const [now, storeNow, { pollMs }] = [this.owner.now(), store.now(), backend.capabilities()];
    await store.postpone(
      due.map((task) => ({
        id: task.id,
        revision: task.revision,
        dueAt: task.dueAt ?? 0,
        until: storeNow + pollPauseMs(task, now, pollMs),
      })),
    );
  }

  private async observe(backend: ExecutionBackend, tasks: readonly TaskRecord[], limited: AbortSignal): Promise<void> {
    const { tailBytes } = this.settings;
    const jobs = tasks.flatMap(({ id, attempt, handle }) => (handle ? [{ name: jobName(id, attempt), handle, tailBytes }] : []));
    const seen = new Map((await backend.observe(jobs, limited)).map((observation) => [observation.jobName, observation]));
    await Promise.all(
      tasks.map(async (task) => {
        const observation = seen.get(jobName(task.id, task.attempt));
        await this.apply(task, observation ? this.eventOf(task, observation) : notSeen(task, backend));
      }),
    );
  }

  private async apply(task: TaskRecord, event: TaskEvent): Promise<void> {
    const applied = await this.parts.writer.apply(task.id, event, { known: task, exact: true });
    // Another gateway was faster with what it saw; an end is looked at again at once, not a whole pause later.
    const isEnd = event.type === 'observed' && event.observation.phase !== 'running' && event.observation.phase !== 'pending';
    if (isEnd && applied.kind === 'ignored' && applied.why === 'changed' && applied.task.step === 'run') {
      this.nudge(task.backend ?? '', jobName(task.id, task.attempt));
    }
  }

  private eventOf(task: TaskRecord, observation: Observation): TaskEvent {
    const { failures } = this.parts;
    switch (observation.phase) {
      case 'lost':
        return failures.eventForJob(task, 'the job was lost: the backend knows nothing of it any more', true, observation);
      case 'preempted':
        return failures.eventForJob(task, 'the job was preempted by the system', true, observation);
      case 'failed':
        if (observation.systemError) {
          const { message, retryable, storage } = observation.systemError;
          return failures.eventForJob(task, message, retryable, observation, storage);
        }
        break;
      case 'pending':
      case 'running':
      case 'succeeded':
        break;
      default: {
        const never: never = observation.phase;
        return never;
      }
    }
    return { type: 'observed', attempt: task.attempt, observation };
  }

  private looksOf(backend: string): Looks {
    let looks = this.looks.get(backend);
    if (!looks) this.looks.set(backend, (looks = { busy: false, named: false, most: MOST_JOBS, nudged: new Set() }));
    return looks;
  }

  /** Where every gateway hears every push, most are of jobs that another one hands over. In the order of their coming. */
  private forgetEarly(): void {
    const before = performance.now() - EARLY_MS;
    for (const [name, at] of this.early) {
      if (at >= before && this.early.size <= MOST_NUDGES) return;
      this.early.delete(name);
    }
  }
}

function notSeen(task: TaskRecord, backend: ExecutionBackend): TaskEvent {
  const { longest } = backend.capabilities().pollMs;
  const reason = `backend ${backend.name} could not say anything about the job`;
  return { type: 'deferred', attempt: task.attempt, step: task.step, reason, delayMs: longest };
}

import type { BackendRegistry, StorageRegistry } from '../ports/registries';
import type { TaskStore } from '../ports/task-store';
import { jobName, type TaskRecord, type TaskStep } from '../task/task-record';
import { AwayRules } from './away';
import { BackendMonitor } from './backend-monitor';
import { type Claim, DueLoop } from './due-loop';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { Housekeeping } from './housekeeping';
import { Reconciler } from './reconciler';
import { Scheduler } from './scheduler';
import { Stager } from './stager';
import { TaskEvents } from './task-events';
import { FailureHandling } from './task-failure';
import { TaskWriter } from './task-writer';

/** On a store of one's own a look costs as much as a task in it, for each backend: with very many running tasks, one for ten. */
const GATHER_MS = 100;

const STAGER_STEPS: readonly TaskStep[] = ['stage-in', 'submit', 'stage-out'];
const RECONCILER_STEPS: readonly TaskStep[] = ['run', 'retreat', 'cancel', 'cleanup'];

export interface EngineParts {
  readonly store: TaskStore;
  readonly backends: BackendRegistry;
  readonly storage: StorageRegistry;
  readonly settings: EngineSettings;
  readonly log: EngineLog;
  /** Wall time, ms since the epoch. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** The writer, the loops and what they share, put together. One per process; any number of processes on one shared store. */
export class Engine {
  readonly events: TaskEvents;
  readonly writer: TaskWriter;
  readonly monitor: BackendMonitor;
  readonly scheduler: Scheduler;
  readonly reconciler: Reconciler;
  readonly housekeeping: Housekeeping;
  /** Failures of the loops themselves since the start, for metrics. */
  loopErrors = 0;
  private readonly staging: DueLoop;
  private readonly reconciling: DueLoop;
  private readonly watching = new AbortController();
  /** Nudges that came before their jobs were known as handed over. */
  private readonly early = new Set<string>();
  private readonly ingesting = new Map<string, { again: boolean }>();

  constructor(private readonly parts: EngineParts) {
    const { store, backends, storage, settings, log, now, random } = parts;
    this.events = new TaskEvents((error) => {
      log.error('a reader of task changes failed', { err: error });
    });
    this.writer = new TaskWriter(store, backends, this.events, now);
    this.monitor = new BackendMonitor(backends, settings.healthMs, now, log, {
      returned: (backend) => this.housekeeping.endMoved(backend),
      changed: () => this.scheduler.nudge(),
    });
    this.scheduler = new Scheduler(store, this.writer, backends, this.monitor, settings, log);
    const away = new AwayRules(backends, this.monitor);
    const failures = new FailureHandling(settings.retry, log, now, random, (task, error) => away.ruleFor(task, error));
    const stager = new Stager(store, backends, storage, failures, settings);
    this.reconciler = new Reconciler(store, backends, this.writer, failures, settings);
    this.housekeeping = new Housekeeping(store, backends, settings, log);
    this.staging = this.loop('stager', STAGER_STEPS, settings.parallelStaging, (claims) =>
      claims.map((claim) => stager.work(claim).finally(() => this.staging.end(claim))),
    );
    this.reconciling = this.loop('reconciler', RECONCILER_STEPS, settings.parallelReconciling, (claims) =>
      this.reconciler.units(claims, (claim) => this.reconciling.end(claim)),
    );
  }

  /** Starts the backends, then the loops: everything that was under way when the last process ended is due and picked up. */
  async start(): Promise<void> {
    const { backends, settings, log } = this.parts;
    await Promise.all(
      backends.all.map(async (backend) => {
        try {
          await backend.start(AbortSignal.timeout(settings.callTimeoutMs));
        } catch (error) {
          log.error('a backend could not be started', { backend: backend.name, err: error });
        }
      }),
    );
    this.events.listen((change) => {
      this.scheduler.heard(change);
      const { after, event } = change;
      if (event === 'submitted' && after.step === 'run') this.handedOver(after);
      else if (after.step === 'retreat' || after.step === 'cleanup') this.early.delete(jobName(after.id, after.attempt));
    });
    await this.monitor.start();
    void this.reportUnserved();
    for (const backend of backends.all) {
      backend.watch?.((name) => {
        void this.ingest(backend.name, name);
      }, this.watching.signal);
    }
    await this.housekeeping.endStale();
    this.reconciling.start();
    this.staging.start();
    this.scheduler.start();
    this.housekeeping.start();
  }

  /** Takes on nothing new, gives transfers under way a grace, and lets go. Jobs are left alone. */
  async stop(graceMs: number): Promise<void> {
    this.watching.abort();
    this.monitor.stop();
    await Promise.all([this.scheduler.stop(), this.housekeeping.stop(), this.staging.stop(graceMs), this.reconciling.stop(graceMs)]);
    await Promise.all(this.parts.backends.all.map(async (backend) => backend.close?.()));
  }

  private loop(
    name: string,
    steps: readonly TaskStep[],
    parallel: number,
    work: (claims: readonly Claim[]) => readonly Promise<void>[],
  ): DueLoop {
    const { store, settings, log, random } = this.parts;
    const { instance, leaseMs, tickMs, peekMs } = settings;
    const gatherMs = (): number => (store.isShared ? peekMs * (0.5 + random()) : GATHER_MS);
    return new DueLoop({ name, instance, steps, leaseMs, parallel, tickMs, peekMs, gatherMs }, store, this.writer, this.events, {
      reachable: () => this.reachable(),
      work,
      failed: (error, task) => {
        this.loopErrors += 1;
        log.error(`the ${name} met an error, it goes on`, { ...(task ? { task: task.id } : {}), err: error });
      },
    });
  }

  private reachable(): { backends: string[]; boundBackends: string[] } {
    const backends: string[] = [];
    const boundBackends: string[] = [];
    for (const backend of this.parts.backends.all) (backend.capabilities().boundToInstance ? boundBackends : backends).push(backend.name);
    return { backends, boundBackends };
  }

  /** One observation per job at a time; a nudge that comes meanwhile asks for one more. */
  private async ingest(backendName: string, name: string): Promise<void> {
    const waiting = this.ingesting.get(name);
    if (waiting) {
      waiting.again = true;
      return;
    }
    const entry = { again: false };
    this.ingesting.set(name, entry);
    try {
      do {
        entry.again = false;
        const backend = this.parts.backends.get(backendName);
        if (!backend || this.watching.signal.aborted) return;
        // Noted before the look, so that a hand-over during it is not missed.
        this.early.add(name);
        if ((await this.reconciler.ingest(backend, name)) === 'followed') this.early.delete(name);
      } while (entry.again);
    } catch (error) {
      // A hint that could not be followed: the due loop looks anyway.
      this.parts.log.warn('a nudge could not be followed', { backend: backendName, job: name, err: error });
    } finally {
      this.ingesting.delete(name);
    }
  }

  private handedOver(task: TaskRecord): void {
    const name = jobName(task.id, task.attempt);
    if (this.early.delete(name) && task.backend !== undefined) void this.ingest(task.backend, name);
  }

  private async reportUnserved(): Promise<void> {
    const { store, backends, log } = this.parts;
    try {
      for (const [backend, tasks] of await store.liveBackends()) {
        if (!backends.get(backend))
          log.warn('live tasks are on a backend that is not set up any more: they wait for it', { backend, tasks });
      }
    } catch (error) {
      // Only a report: a store that has gone away again is no reason not to start.
      log.warn('tasks of backends that are not set up any more could not be looked for', { err: error });
    }
  }
}

import { setTimeout as pause } from 'node:timers/promises';
import type { ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry, StorageRegistry } from '../ports/registries';
import type { TaskStore } from '../ports/store/task-store';
import { within } from '../ports/within';
import type { TaskRecord, TaskStep } from '../task/task-record';
import { isStoring, STORING_STEPS } from '../task/task-state';
import { AwayRules } from './away-rules';
import { BackendMonitor } from './backend-monitor';
import type { Claim } from './claim';
import { DueLoop, type Reach } from './due-loop';
import type { EngineLog } from './engine-log';
import type { EngineSettings } from './engine-settings';
import { HostPlaces, hostsOf } from './host-places';
import { Housekeeping } from './housekeeping';
import { LeftoverJobs } from './leftover-jobs';
import { StaleAttempts } from './stale-attempts';
import { KeptWorkspaces } from './kept-workspaces';
import { KnownBackends } from './known-backends';
import { Observer } from './observer';
import { Probes } from './probes';
import { Reconciler } from './reconciler';
import { Scheduler } from './scheduler';
import { Stager, type StagerParts } from './stager';
import { TaskChanges } from './task-changes';
import { FailureHandling } from './failure-handling';
import { TaskWriter } from './task-writer';

/** On a store of one's own a look costs as much as a task in it, for each backend: with very many running tasks, one for ten. */
const GATHER_MS = 100;

/** Backends that have not answered after this join later, ms: the API does not wait for them. */
const JOIN_MS = 2000;
/** Of all backends together a loop works on so many times the tasks of one. */
const BACKENDS_AT_WORK = 8;
/** Kept workspaces of one backend looked at at once. */
const KEPT_AT_ONCE = 2;

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
  readonly changes: TaskChanges;
  readonly writer: TaskWriter;
  readonly monitor: BackendMonitor;
  /** What all gateways on the store have. */
  readonly known: KnownBackends;
  readonly scheduler: Scheduler;
  readonly observer: Observer;
  readonly housekeeping: Housekeeping;
  private readonly stale: StaleAttempts;
  /** Of tasks whose outputs could not be stored. */
  readonly kept: KeptWorkspaces;
  /** Failures of the loops themselves since the start, for metrics. */
  loopErrors = 0;
  private readonly loops: readonly DueLoop[];
  private readonly hosts: StagerParts['hosts'];
  private readonly joined = new Set<string>();
  private readonly stopping = new AbortController();
  private joining: readonly Promise<void>[] = [];

  constructor(private readonly parts: EngineParts) {
    const { store, backends, storage, settings, log, now, random } = parts;
    this.changes = new TaskChanges((error) => {
      log.error('a reader of task changes failed', { err: error });
    });
    this.writer = new TaskWriter(store, backends, this.changes, now);
    this.monitor = new BackendMonitor(backends, settings.healthMs, now, log, {
      returned: (backend) => this.stale.endMoved(backend),
      changed: () => this.scheduler.nudge(),
    });
    this.known = new KnownBackends(store, backends, this.monitor, settings.instance, log);
    this.scheduler = new Scheduler({ store, writer: this.writer, backends, monitor: this.monitor, log }, settings, {
      known: this.known,
      fullness: (task) => this.fullness(task),
      stillAwaits: (task, backend) => stager.stillAwaits(task, backend),
    });
    const away = new AwayRules(backends, this.monitor);
    const failures = new FailureHandling(settings, log, store, random, (task, error) => away.ruleFor(task, error));
    const probes = new Probes(this.monitor);
    const leftover = new LeftoverJobs({ store, backends, writer: this.writer, log }, settings);
    this.housekeeping = new Housekeeping(leftover, settings);
    this.stale = new StaleAttempts(leftover, settings.instance);
    this.observer = new Observer({ store, backends, writer: this.writer, probes, failures }, settings, () => this.gatherMs(), {
      reachable: () => this.reachable(),
      failed: (error) => this.failed('observer', error),
      now,
    });
    const { transfers, calls } = settings.places;
    this.hosts = { in: new HostPlaces(transfers), out: new HostPlaces(transfers) };
    const stager = new Stager({ store, backends, storage, probes, hosts: this.hosts }, failures, settings);
    this.kept = new KeptWorkspaces(store, this.writer, settings, log);
    const reconciler = new Reconciler(backends, probes, failures, this.kept, settings);
    this.loops = [
      this.loop('stage-in', ['stage-in'], transfers, (claim) => stager.work(claim)),
      this.loop('hand-over', ['submit'], calls, (claim) => stager.work(claim)),
      this.loop('stage-out', STORING_STEPS, transfers, (claim) => stager.work(claim)),
      this.loop('cancel', ['cancel'], calls, (claim) => reconciler.work(claim)),
      this.loop('clean-up', ['retreat', 'cleanup'], calls, (claim) => reconciler.work(claim)),
      // Of its own: to find out what a workspace takes may last minutes, and clean-ups are what the next attempts wait for.
      this.loop('kept', ['kept'], KEPT_AT_ONCE, (claim) => reconciler.work(claim)),
    ];
  }

  /**
   * Starts the loops: everything that was under way when the last process ended is due and picked up as soon as its backend has joined.
   * Resolves when all backends have, or after a moment: one that does not answer makes its own tasks wait, not the requests.
   */
  async start(): Promise<void> {
    this.changes.listen((change) => {
      this.scheduler.heard(change);
      this.observer.heard(change.after);
      this.kept.heard(change);
    });
    void this.reportUnserved();
    this.monitor.start();
    this.observer.start();
    for (const loop of this.loops) loop.start();
    this.joining = this.parts.backends.all.map((backend) => this.join(backend));
    const moment = new AbortController();
    await Promise.race([Promise.all(this.joining), pause(JOIN_MS, undefined, { signal: moment.signal }).catch(() => undefined)]);
    moment.abort();
    if (this.stopping.signal.aborted) return;
    await this.known.start();
    this.scheduler.start();
    this.housekeeping.start();
    this.stale.start();
  }

  /** Takes on nothing new, gives transfers under way a grace, and lets go. Jobs are left alone. */
  async stop(graceMs: number): Promise<void> {
    this.stopping.abort();
    this.monitor.stop();
    await this.known.stop();
    await Promise.all([
      ...this.joining,
      this.scheduler.stop(),
      this.housekeeping.stop(),
      this.stale.stop(),
      this.observer.stop(),
      ...this.loops.map((loop) => loop.stop(graceMs)),
    ]);
    await Promise.all(this.parts.backends.all.map(async (backend) => backend.close?.()));
  }

  /** A backend is started and answers, or is known as away; then its tasks are looked after. */
  private async join(backend: ExecutionBackend): Promise<void> {
    const { log, settings } = this.parts;
    const { signal } = this.stopping;
    try {
      await within(signal, settings.callTimeoutMs, (limited) => backend.start(limited));
    } catch (error) {
      log.error('a backend could not be started', { backend: backend.name, err: error });
    }
    if (signal.aborted) return;
    await this.monitor.join(backend);
    await this.stale.endStale([backend]);
    if (signal.aborted) return;
    backend.watch?.((name) => this.observer.nudge(backend.name, name), signal);
    this.joined.add(backend.name);
    for (const loop of this.loops) loop.nudge();
    this.observer.wake();
    this.scheduler.nudge();
  }

  private loop(name: string, steps: readonly TaskStep[], places: number, work: (claim: Claim) => Promise<void>): DueLoop {
    const { store, settings } = this.parts;
    const { instance, leaseMs, tickMs, peekMs } = settings;
    const most = places * BACKENDS_AT_WORK;
    const gatherMs = (): number => this.gatherMs();
    return new DueLoop({ name, instance, steps, leaseMs, places, most, tickMs, peekMs, gatherMs }, store, this.writer, this.changes, {
      reachable: () => this.reachable(),
      work,
      failed: (error, task) => this.failed(name, error, task),
    });
  }

  /** Tasks worked on now, by loop. */
  busy(): ReadonlyMap<string, number> {
    return new Map(this.loops.map(({ name, busy }) => [name, busy]));
  }

  private fullness(task: TaskRecord): string | undefined {
    const { step, backend = '', needs } = task;
    const places = step === 'stage-in' ? this.hosts.in : isStoring(step) ? this.hosts.out : undefined;
    const host = places?.fullness(backend, hostsOf((needs.folders ?? []).map((url) => ({ url }))));
    return this.loops.map((loop) => loop.fullness(task)).find((full) => full !== undefined) ?? host;
  }

  private gatherMs(): number {
    const { store, settings, random } = this.parts;
    return store.isShared ? settings.peekMs * (0.5 + random()) : GATHER_MS;
  }

  private failed(loop: string, error: unknown, task?: TaskRecord): void {
    this.loopErrors += 1;
    this.parts.log.error(`the ${loop} loop met an error, it goes on`, { ...(task && { task: task.id }), err: error });
  }

  /** What has joined. */
  private reachable(): Reach {
    const backends: string[] = [];
    const boundBackends: string[] = [];
    for (const backend of this.parts.backends.all) {
      if (this.joined.has(backend.name)) (backend.capabilities().boundToInstance ? boundBackends : backends).push(backend.name);
    }
    return { backends, boundBackends };
  }

  private async reportUnserved(): Promise<void> {
    const { store, log } = this.parts;
    try {
      for (const [backend, tasks] of await store.liveBackends()) {
        if (this.known.all().some(({ name }) => name === backend)) continue;
        const cure = `set it up again, or give its tasks up: npm run store -- gone --backend ${backend}`;
        log.warn(`live tasks wait for a backend that is not set up any more: ${cure}`, { backend, tasks });
      }
    } catch (error) {
      // Only a report: a store that has gone away again is no reason not to start.
      log.warn('cannot list the tasks of removed backends', { err: error });
    }
  }
}

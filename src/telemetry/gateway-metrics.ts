import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Engine } from '../engine/engine';
import type { TaskChange } from '../engine/task-changes';
import type { BackendRegistry } from '../ports/registries';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import type { TaskQueue } from '../ports/store/task-queue';
import { TES_STATES } from '../task/tes';
import type { FreeDisk } from './free-disk';

/** Of tasks that an operator's command gives away no gateway hears. */
const TROUBLES: ReadonlySet<TaskChange['event']> = new Set(['deferred', 'awaitsStorage', 'retreated', 'moved', 'failed']);

export interface MetricsParts {
  readonly store: StoreClock & TaskRecords & TaskQueue;
  readonly backends: BackendRegistry;
  readonly engine: Pick<Engine, 'changes' | 'monitor' | 'loopErrors' | 'busy'> & {
    readonly scheduler: Pick<Engine['scheduler'], 'jobs'>;
    readonly kept: Pick<Engine['kept'], 'used'>;
  };
  readonly disk: FreeDisk;
  readonly version: string;
}

/** What Prometheus reads at `/metrics`. Labels are names out of small fixed sets: route templates, states, backends; never an id. */
export class GatewayMetrics {
  readonly registry = new Registry();
  private readonly requests = new Histogram({
    name: 'tes_gateway_http_request_duration_seconds',
    help: 'Time from request to answer',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
    registers: [this.registry],
  });

  private readonly loopDelay = new Histogram({
    name: 'tes_gateway_event_loop_delay_seconds',
    help: 'How late the event loop came to a timer of every half second: nothing was answered meanwhile',
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10],
    registers: [this.registry],
  });

  constructor(private readonly parts: MetricsParts) {
    collectDefaultMetrics({ register: this.registry });
    this.countChanges();
    this.askStore();
    this.askEngine();
  }

  /** One answered request. `route` is the template; unknown paths share one. */
  answered(method: string, route: string, status: number, seconds: number): void {
    this.requests.observe({ method, route, status: String(status) }, seconds);
  }

  loopDelayed(seconds: number): void {
    this.loopDelay.observe(seconds);
  }

  private countChanges(): void {
    const changes = new Counter({
      name: 'tes_gateway_task_state_changes_total',
      help: 'Tasks that came into a state, by this process',
      labelNames: ['state'],
      registers: [this.registry],
    });
    const troubles = new Counter({
      name: 'tes_gateway_attempt_troubles_total',
      help: 'Attempts that did not go on, by no fault of their executors: deferred are looked at again, awaitsStorage use no room until then, after retreated and moved comes another, failed ended the task',
      labelNames: ['backend', 'event'],
      registers: [this.registry],
    });
    const waits = new Counter({
      name: 'tes_gateway_storage_waits_total',
      help: 'Waits of tasks for a storage that is away, or for room for a workspace, begun and ended, by this process: the difference over all gateways is how many wait',
      labelNames: ['of', 'what'],
      registers: [this.registry],
    });
    this.parts.engine.changes.listen(({ before, after, event }) => {
      const [was, is] = [before?.storageWait?.of, after.storageWait?.of];
      if (was !== is && was !== undefined) waits.inc({ of: was, what: 'ended' });
      if (was !== is && is !== undefined) waits.inc({ of: is, what: 'begun' });
      if (before?.state !== after.state) changes.inc({ state: after.state });
      if (TROUBLES.has(event)) troubles.inc({ backend: before?.backend ?? '', event });
    });
  }

  private askStore(): void {
    const { store, engine } = this.parts;
    const registers = [this.registry];
    const errors = new Counter({ name: 'tes_gateway_scrape_errors_total', help: 'Values the store could not give', registers });
    // A store that is away must not hide the other metrics, nor leave old values standing.
    const ask = async (gauge: Gauge, fill: () => Promise<void>): Promise<void> => {
      try {
        await fill();
      } catch {
        errors.inc();
        gauge.reset();
      }
    };
    new Gauge({
      name: 'tes_gateway_tasks',
      help: 'Tasks in the store by state',
      labelNames: ['state'],
      registers,
      async collect() {
        await ask(this, async () => {
          const counts = await store.counts();
          for (const state of TES_STATES) this.set({ state }, counts[state] ?? 0);
        });
      },
    });
    new Gauge({
      name: 'tes_gateway_backend_jobs',
      help: 'Jobs on a backend, from assignment to end',
      labelNames: ['backend'],
      registers,
      async collect() {
        await ask(this, async () => {
          for (const [backend, jobs] of await engine.scheduler.jobs()) this.set({ backend }, jobs);
        });
      },
    });
    new Gauge({
      name: 'tes_gateway_queue_oldest_seconds',
      help: 'How long the oldest queued task has waited',
      registers,
      async collect() {
        await ask(this, async () => {
          const { since } = await store.queueOutlook();
          this.set(since === undefined ? 0 : Math.max(0, store.now() - since) / 1000);
        });
      },
    });
    new Gauge({
      name: 'tes_gateway_queue_length',
      help: 'Tasks that wait for a backend',
      registers,
      async collect() {
        await ask(this, async () => {
          this.set((await store.queueOutlook()).length);
        });
      },
    });
  }

  private askEngine(): void {
    const { engine, backends, disk, version } = this.parts;
    const registers = [this.registry];
    new Gauge({
      name: 'tes_gateway_backend_up',
      help: '1 while the backend answers',
      labelNames: ['backend'],
      registers,
      collect() {
        for (const { name } of backends.all) this.set({ backend: name }, engine.monitor.health(name).ok ? 1 : 0);
      },
    });
    new Gauge({
      name: 'tes_gateway_loop_tasks',
      help: 'Tasks worked on now, by the kind of work',
      labelNames: ['loop'],
      registers,
      collect() {
        for (const [loop, tasks] of engine.busy()) this.set({ loop }, tasks);
      },
    });
    new Gauge({
      name: 'tes_gateway_kept_workspaces',
      help: 'Workspaces of tasks whose outputs could not be stored, as far as this process has looked at them',
      labelNames: ['backend'],
      registers,
      collect() {
        for (const [backend, { workspaces }] of engine.kept.used()) this.set({ backend }, workspaces);
      },
    });
    new Gauge({
      name: 'tes_gateway_kept_bytes',
      help: 'What these workspaces take on the disk of their backend',
      labelNames: ['backend'],
      registers,
      collect() {
        for (const [backend, { bytes }] of engine.kept.used()) this.set({ backend }, bytes);
      },
    });
    new Gauge({
      name: 'tes_gateway_loop_errors',
      help: 'Errors of the loops themselves since the start',
      registers,
      collect() {
        this.set(engine.loopErrors);
      },
    });
    new Gauge({
      name: 'tes_gateway_disk_free_bytes',
      help: 'Free space of the directories in use',
      labelNames: ['directory'],
      registers,
      collect() {
        for (const [directory, free] of disk.free) this.set({ directory }, free);
      },
    });
    new Gauge({ name: 'tes_gateway_info', help: 'Version of the gateway', labelNames: ['version'], registers }).set({ version }, 1);
  }
}

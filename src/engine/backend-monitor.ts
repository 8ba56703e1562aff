import type { BackendHealth, ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry } from '../ports/registries';
import type { EngineLog } from './engine-log';

export interface MonitorListener {
  /** A backend is there, for the first time or again. What is done here is done before anybody hears of it; a failure keeps it away. */
  readonly returned: (backend: ExecutionBackend) => Promise<void>;
  /** A backend came back or went away. */
  readonly changed: () => void;
}

/**
 * Asks every backend that has joined for its health at intervals and remembers the answers, so that nobody on the request path has to. Each
 * is asked for itself: one that does not answer holds up no other's.
 */
export class BackendMonitor {
  private readonly states = new Map<string, BackendHealth & { readonly since: number }>();
  private readonly asking = new Map<string, Promise<void>>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly backends: BackendRegistry,
    private readonly everyMs: number,
    private readonly now: () => number,
    private readonly log: EngineLog,
    private readonly told: MonitorListener,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.ask(), this.everyMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  health(name: string): BackendHealth & { readonly since: number } {
    return this.states.get(name) ?? { ok: false, detail: 'it is being started', since: this.now() };
  }

  /** Asks those that have joined once more. */
  async ask(): Promise<void> {
    await Promise.all(this.backends.all.filter(({ name }) => this.states.has(name)).map((backend) => this.join(backend)));
  }

  /** Asks this one, now and from now on; one question at a time. */
  join(backend: ExecutionBackend): Promise<void> {
    let asked = this.asking.get(backend.name);
    if (!asked) {
      asked = this.update(backend).finally(() => this.asking.delete(backend.name));
      this.asking.set(backend.name, asked);
    }
    return asked;
  }

  private async update(backend: ExecutionBackend): Promise<void> {
    const before = this.states.get(backend.name);
    let health = await this.askOne(backend);
    if (health.ok && before?.ok !== true) health = await this.welcome(backend, health);
    if (before?.ok === health.ok && before.detail === health.detail && before.full === health.full) return;
    this.states.set(backend.name, { ...health, since: before?.ok === health.ok ? before.since : this.now() });
    if (before?.ok === health.ok) {
      if ((before.full === undefined) !== (health.full === undefined)) this.fullness(backend.name, health.full);
      return;
    }
    this.log[health.ok ? 'info' : 'warn'](health.ok ? 'backend ready' : 'backend away', {
      backend: backend.name,
      detail: health.detail,
    });
    this.told.changed();
  }

  private fullness(backend: string, full: string | undefined): void {
    if (full === undefined) this.log.info('backend has room again', { backend });
    else this.log.warn('backend full', { backend, detail: full });
    this.told.changed();
  }

  private async askOne(backend: ExecutionBackend): Promise<BackendHealth> {
    try {
      return await backend.health(AbortSignal.timeout(this.everyMs));
    } catch (error) {
      this.log.warn("a backend's health check failed", { backend: backend.name, err: error });
      return { ok: false, detail: 'it did not answer' };
    }
  }

  private async welcome(backend: ExecutionBackend, health: BackendHealth): Promise<BackendHealth> {
    try {
      await this.told.returned(backend);
      return health;
    } catch (error) {
      this.log.warn('what a backend still had of tasks that moved could not be ended yet', { backend: backend.name, err: error });
      return { ok: false, detail: 'it is back, what it still has of tasks that moved is being ended' };
    }
  }
}

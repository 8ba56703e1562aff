import { Capacities } from './capacities';
import { DueTasks } from './due-tasks';
import { KnownStates } from './known-states';
import type { MongoConnection, MongoTaskStoreOptions } from './mongo-connection';
import { PageTokens } from './page-token';
import { Places } from './place';
import type { StoreClock } from './store-clock';
import { TaskCounts } from './task-counts';
import { TaskDeletions } from './task-deletions';
import { TaskInserts } from './task-inserts';
import { TaskPages } from './task-pages';
import { TaskQueue } from './task-queue';
import { TaskUpdates } from './task-updates';

/** The parts of a store that has been opened, put together. */
export class OpenStore {
  readonly states: KnownStates;
  readonly taskCounts: TaskCounts;
  readonly inserts: TaskInserts;
  readonly updates: TaskUpdates;
  readonly pages: TaskPages;
  readonly queue: TaskQueue;
  readonly dueTasks: DueTasks;
  readonly capacities: Capacities;
  readonly deletions: TaskDeletions;
  private readonly clockTimer: NodeJS.Timeout;

  constructor(
    readonly connection: MongoConnection,
    options: MongoTaskStoreOptions,
    readonly clock: StoreClock,
    storeId: string,
  ) {
    const now = (): number => clock.now();
    this.states = new KnownStates(connection);
    this.taskCounts = new TaskCounts(connection, options.monotonicNow ?? (() => performance.now()));
    this.inserts = new TaskInserts(connection, new Places(now), now);
    this.updates = new TaskUpdates(connection);
    this.pages = new TaskPages(connection, new PageTokens(storeId));
    this.queue = new TaskQueue(connection);
    this.dueTasks = new DueTasks(connection, this.updates, Math.random);
    this.capacities = new Capacities(connection);
    this.deletions = new TaskDeletions(connection, this.taskCounts);
    this.clockTimer = setInterval(() => void this.lookAtClock(), connection.limits.clock).unref();
  }

  /** Writes asked for before are finished. */
  async close(): Promise<void> {
    clearInterval(this.clockTimer);
    await Promise.all([this.inserts.drained(), this.updates.drained(), this.capacities.drained()]);
    await this.taskCounts.flush().catch(() => undefined);
    await this.connection.close();
  }

  private async lookAtClock(): Promise<void> {
    try {
      this.clock.correct(await this.connection.serverTime());
    } catch {
      // The next look may find the server; until then the monotonic clock goes on.
    }
  }
}

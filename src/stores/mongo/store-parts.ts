import { Rounds } from '../../ports/rounds';
import { MongoAccessTokens } from './access-tokens';
import { DueTasks } from './due-tasks';
import { KnownStates } from './known-states';
import { deleteOrphanRequests } from './orphan-requests';
import type { MongoConnection, MongoTaskStoreOptions } from './mongo-connection';
import { PageTokens } from './page-token';
import { CreationOrder } from './creation-order';
import type { GatewayHeartbeats } from './gateway-heartbeats';
import { Recount } from './recount';
import { Rooms } from './rooms';
import type { StoreClock } from './store-clock';
import { MongoSealedCredentials } from './sealed-credentials';
import { TaskCounts } from './task-counts';
import { TaskDeletions } from './task-deletions';
import { TaskInserts } from './task-inserts';
import { TaskPages } from './task-pages';
import { TaskQueue } from './task-queue';
import { TaskReads } from './task-reads';
import { TaskScan } from './task-scan';
import { TaskUpdates } from './task-updates';

/** How often pieces of requests without a task are looked for, ms. */
const SWEEP_MS = 3_600_000;
/** How often the sums of room are compared with the tasks although nothing is known to be wrong, ms. */
const ROOMS_MS = 600_000;

/** The parts of a store that has been opened, put together. */
export class StoreParts {
  readonly states: KnownStates;
  readonly taskCounts: TaskCounts;
  readonly inserts: TaskInserts;
  readonly updates: TaskUpdates;
  readonly pages: TaskPages;
  readonly scan: TaskScan;
  readonly reads: TaskReads;
  readonly queue: TaskQueue;
  readonly dueTasks: DueTasks;
  readonly rooms: Rooms;
  readonly deletions: TaskDeletions;
  readonly accessTokens: MongoAccessTokens;
  readonly credentials: MongoSealedCredentials;
  private readonly recount: Recount;
  /** A write may have happened or not: counters and sums are compared with the tasks. */
  readonly doubt: () => void;
  private readonly rounds: readonly Rounds[];

  constructor(
    readonly connection: MongoConnection,
    options: MongoTaskStoreOptions,
    readonly clock: StoreClock,
    storeId: string,
    readonly heartbeats: GatewayHeartbeats,
  ) {
    const now = (): number => clock.now();
    const tell = options.onProgress ?? ((): void => undefined);
    this.states = new KnownStates(connection);
    this.recount = new Recount(connection, tell, now);
    this.doubt = () => this.recount.ask();
    const { doubt } = this;
    this.taskCounts = new TaskCounts(connection, options.monotonicNow ?? (() => performance.now()), doubt);
    this.inserts = new TaskInserts(connection, new CreationOrder(now), now);
    this.updates = new TaskUpdates(connection);
    this.pages = new TaskPages(connection, new PageTokens(storeId));
    this.scan = new TaskScan(connection, this.pages);
    this.reads = new TaskReads(connection);
    this.queue = new TaskQueue(connection, this.taskCounts);
    this.dueTasks = new DueTasks(connection, this.updates, Math.random);
    this.rooms = new Rooms(connection, doubt);
    this.deletions = new TaskDeletions(connection, this.taskCounts, now, doubt);
    this.accessTokens = new MongoAccessTokens(connection, now);
    this.credentials = new MongoSealedCredentials(connection);
    heartbeats.start(doubt);
    this.rounds = [
      // The next look may find the server; until then the monotonic clock goes on.
      new Rounds(connection.limits.clock, async () => clock.correct(await connection.serverTime())),
      new Rounds(ROOMS_MS, async () => this.recount.askRooms()),
      new Rounds(SWEEP_MS, () => deleteOrphanRequests(connection, now())),
    ];
    for (const each of this.rounds) each.start();
  }

  /** Writes asked for before are finished. */
  async close(): Promise<void> {
    // What is under way ends with the connection: a database that is away must not hold up the stop.
    for (const each of this.rounds) void each.stop();
    await this.recount.stop();
    await Promise.all([this.inserts.drained(), this.updates.drained(), this.rooms.drained()]);
    const isFlushed = await this.taskCounts.flush().then(
      () => true,
      () => false,
    );
    await this.heartbeats.stop(isFlushed);
    await this.connection.close();
  }
}

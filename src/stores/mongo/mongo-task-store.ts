import {
  type Capacity,
  type ClaimQuery,
  type IdempotencyKey,
  type InsertResult,
  type ListQuery,
  type MinimalRow,
  type Page,
  type QueueQuery,
  type Reservation,
  type StoredTask,
  type TailRecord,
  TaskStore,
} from '../../ports/task-store';
import type { TaskRecord } from '../../task/task-record';
import type { TesState } from '../../task/tes';
import { Capacities } from './capacities';
import { DueTasks } from './due-tasks';
import { migrate } from './migrations';
import { MongoConnection, type MongoTaskStoreOptions } from './mongo-connection';
import { PageTokens } from './page-token';
import { Places } from './place';
import { pullBack } from './pull-back';
import { StoreClock } from './store-clock';
import { decodeRecord, RECORD_FIELDS, type RecordDocument } from './task-document';
import { TaskCounts } from './task-counts';
import { TaskDeletions } from './task-deletions';
import { TaskInserts } from './task-inserts';
import { STORED_FIELDS, type StoredDocument, TaskPages } from './task-pages';
import { TaskQueue } from './task-queue';
import { TaskUpdates } from './task-updates';
import { KnownStates } from './known-states';
import { liveBackends } from './live-backends';
import { wellFormed } from './well-formed';

export type { MongoTaskStoreOptions } from './mongo-connection';

/**
 * The shared store: one MongoDB database, used by any number of gateways at once (see README.md). Reads are of the primary and of what a
 * majority has; every write is acknowledged by a majority's journal. Writes of one turn of the event loop are one command.
 */
export class MongoTaskStore extends TaskStore {
  private readonly inserts: TaskInserts;
  private readonly updates: TaskUpdates;
  private readonly pages: TaskPages;
  private readonly queue: TaskQueue;
  private readonly dueTasks: DueTasks;
  private readonly capacities: Capacities;
  private readonly taskCounts: TaskCounts;
  private readonly states: KnownStates;
  private readonly deletions: TaskDeletions;
  private readonly clockTimer: NodeJS.Timeout;
  private closing: Promise<void> | undefined;

  /** Throws `StoreError`, its `message` for the operator: away, refusing us, or from a newer version. */
  static async open(options: MongoTaskStoreOptions): Promise<MongoTaskStore> {
    const connection = await MongoConnection.open(options);
    try {
      const onProgress = options.onProgress ?? ((): void => undefined);
      const storeId = await migrate(connection, onProgress);
      const clock = new StoreClock(await connection.serverTime(), options.monotonicNow ?? (() => performance.now()));
      await pullBack(connection, options, clock.now(), onProgress);
      return new MongoTaskStore(connection, options, clock, storeId);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  private constructor(
    private readonly connection: MongoConnection,
    options: MongoTaskStoreOptions,
    private readonly clock: StoreClock,
    storeId: string,
  ) {
    super();
    const now = (): number => this.now();
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

  now(): number {
    return this.clock.now();
  }

  async insert(requestJson: string, task: TaskRecord, key?: IdempotencyKey): Promise<InsertResult> {
    const result = await this.inserts.insert(requestJson, task, key);
    if (result.kind === 'inserted') {
      this.taskCounts.moved(task.owner, undefined, task.state);
      this.states.know(task);
    }
    return result;
  }

  async getState(id: string, owner?: string): Promise<TesState | undefined> {
    const { tasks } = this.connection.collections;
    const found = await this.connection.call(() =>
      tasks.findOne(ownedFilter(id, owner), { projection: { state: 1 }, ...this.connection.limit }),
    );
    return found?.state;
  }

  async getTask(id: string, owner?: string): Promise<TaskRecord | undefined> {
    const { tasks } = this.connection.collections;
    const found = await this.connection.call(() =>
      tasks.findOne<RecordDocument>(ownedFilter(id, owner), { projection: RECORD_FIELDS, ...this.connection.limit }),
    );
    return found === null ? undefined : this.states.know(decodeRecord(found));
  }

  async getStored(id: string, owner?: string): Promise<StoredTask | undefined> {
    const { tasks } = this.connection.collections;
    const found = await this.connection.call(() =>
      tasks.findOne<StoredDocument>(ownedFilter(id, owner), { projection: STORED_FIELDS, ...this.connection.limit }),
    );
    return found === null ? undefined : this.pages.withRequest(found);
  }

  async getTail(id: string): Promise<TailRecord | undefined> {
    const { tails } = this.connection.collections;
    const found = await this.connection.call(() => tails.findOne({ _id: id }, this.connection.limit));
    return found === null ? undefined : (JSON.parse(found.tail) as TailRecord);
  }

  listMinimal(query: ListQuery): Promise<Page<MinimalRow>> {
    return this.pages.minimal(query);
  }

  listStored(query: ListQuery, maxBytes: number): Promise<Page<StoredTask>> {
    return this.pages.stored(query, maxBytes);
  }

  async update(next: TaskRecord, expectedRevision: number): Promise<boolean> {
    if (next.revision <= expectedRevision) throw new RangeError(`Revision ${next.revision} does not follow ${expectedRevision}`);
    const before = await this.states.at(next.id, expectedRevision);
    const updated = await this.updates.update(next, expectedRevision);
    if (!updated) return false;
    this.taskCounts.moved(next.owner, before, next.state);
    this.states.know(next);
    if (next.step === 'done') await this.putTail(next.id, undefined);
    return true;
  }

  async putTail(id: string, tail: TailRecord | undefined): Promise<void> {
    const { tails } = this.connection.collections;
    const at = new Date(this.now());
    const write = (): Promise<unknown> =>
      tail === undefined
        ? tails.deleteOne({ _id: id }, this.connection.limit)
        : tails.updateOne({ _id: id }, { $set: { tail: JSON.stringify(tail), at } }, { upsert: true, ...this.connection.limit });
    await this.connection.call(write);
  }

  async queueHead(query: QueueQuery): Promise<readonly TaskRecord[]> {
    return (await this.queue.head(query, this.now())).map((task) => this.states.know(task));
  }

  async queueOutlook(): Promise<{ readonly oldest?: TaskRecord; readonly nextNotBefore?: number; readonly length: number }> {
    const [outlook, { QUEUED = 0 }] = await Promise.all([this.queue.outlook(this.now()), this.taskCounts.counts(undefined)]);
    return { ...outlook, length: QUEUED };
  }

  async claimDue(query: ClaimQuery): Promise<readonly TaskRecord[]> {
    // Updates asked for before come first: a claim must not take a task from under its own process's write.
    await this.updates.drained();
    const claimed = await this.dueTasks.claim(query, () => this.now());
    return claimed.map((task) => this.states.know(task));
  }

  nextDue(query: Omit<ClaimQuery, 'holder' | 'leaseMs' | 'limit'>): Promise<number | undefined> {
    return this.dueTasks.next(query);
  }

  async renew(id: string, holder: string, revision: number, leaseMs: number): Promise<boolean> {
    const { tasks } = this.connection.collections;
    const until = this.now() + leaseMs;
    const { matchedCount } = await this.connection.call(() =>
      tasks.updateOne(
        { _id: id, revision, 'lease.holder': holder },
        { $set: { 'lease.until': until, dueAt: until, wakeAt: until } },
        this.connection.limit,
      ),
    );
    return matchedCount === 1;
  }

  reserve(key: string, reservation: Reservation, capacity: Capacity): Promise<boolean> {
    return this.capacities.reserve(key, reservation, capacity);
  }

  release(key: string, taskId: string, attempt: number): Promise<void> {
    return this.capacities.release(key, taskId, attempt);
  }

  reservations(key: string): Promise<readonly Reservation[]> {
    return this.capacities.read(key);
  }

  async liveAmong(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const { tasks } = this.connection.collections;
    const found = await this.connection.call(() =>
      tasks.find({ _id: { $in: [...ids] } }, { projection: { step: 1 }, ...this.connection.limit }).toArray(),
    );
    return new Set(found.flatMap(({ _id, step }) => (step === 'done' ? [] : _id)));
  }

  counts(owner?: string): Promise<Partial<Record<TesState, number>>> {
    return this.taskCounts.counts(owner);
  }

  liveBackends(): Promise<ReadonlyMap<string, number>> {
    return liveBackends(this.connection);
  }

  deleteFinished(endedBefore: number, limit: number): Promise<number> {
    return this.deletions.deleteFinished(endedBefore, limit);
  }

  async listBoundTo(instance: string, limit: number): Promise<readonly TaskRecord[]> {
    const { tasks } = this.connection.collections;
    const options = { projection: RECORD_FIELDS, sort: { place: 1 }, hint: { bound: 1, place: 1 }, limit, batchSize: limit + 1 } as const;
    const found = await this.connection.call(() =>
      tasks.find<RecordDocument>({ bound: instance }, { ...options, ...this.connection.limit }).toArray(),
    );
    return found.map(decodeRecord);
  }

  async ping(): Promise<void> {
    const { meta } = this.connection.collections;
    await this.connection.call(() =>
      meta.updateOne({ _id: 'ping' }, { $set: { at: this.now() } }, { upsert: true, ...this.connection.limit }),
    );
  }

  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
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

function ownedFilter(id: string, owner: string | undefined): { _id: string; owner?: string } {
  return { _id: id, ...(owner !== undefined && { owner: wellFormed(owner) }) };
}

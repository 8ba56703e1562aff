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
  TaskStore,
} from '../../ports/task-store';
import type { TaskRecord } from '../../task/task-record';
import type { TesState } from '../../task/tes';
import type { MongoTaskStoreOptions } from './mongo-connection';
import { Opening } from './opening';
import type { OpenStore } from './open-store';
import { decodeRecord, RECORD_FIELDS, type RecordDocument } from './task-document';
import { liveBackends } from './live-backends';
import { wellFormed } from './well-formed';

export type { MongoTaskStoreOptions } from './mongo-connection';

/**
 * The shared store: one MongoDB database, used by any number of gateways at once (see README.md). Reads are of the primary and of what a
 * majority has; every write is acknowledged by a majority's journal. Writes of one turn of the event loop are one command.
 */
export class MongoTaskStore extends TaskStore {
  readonly isShared = true;
  private readonly opening: Opening;
  private opened: OpenStore | undefined;
  private closing: Promise<void> | undefined;

  /** Throws `StoreError`, its `message` for the operator: away, refusing us, or from a newer version. */
  static async open(options: MongoTaskStoreOptions): Promise<MongoTaskStore> {
    const store = new MongoTaskStore(options);
    await store.connect({ patient: false });
    return store;
  }

  /** Not open yet: until `connect` has resolved everything but `now` and `close` throws `StoreError`. */
  constructor(options: MongoTaskStoreOptions) {
    super();
    this.opening = new Opening(options);
  }

  /**
   * Resolves once the database is reached and of this program's version. `patient`: while it is away it is asked again and again, with
   * growing pauses and a line for the operator each time. Throws `StoreError` when it is there but refuses us, or when the store is closed.
   */
  async connect({ patient }: { readonly patient: boolean }): Promise<void> {
    this.opened = await this.opening.open(patient);
  }

  now(): number {
    // Before the database is reached nothing is stored, and nobody can be misled by this machine's clock.
    return this.opened?.clock.now() ?? Date.now();
  }

  async insert(requestJson: string, task: TaskRecord, key?: IdempotencyKey): Promise<InsertResult> {
    const result = await this.parts.inserts.insert(requestJson, task, key);
    if (result.kind === 'inserted') {
      this.parts.taskCounts.moved(wellFormed(task.owner), undefined, task.state);
      this.parts.states.know(task);
    }
    return result;
  }

  async getState(id: string, owner?: string): Promise<TesState | undefined> {
    return this.parts.reads.state(id, owner);
  }

  async getTask(id: string, owner?: string): Promise<TaskRecord | undefined> {
    const found = await this.parts.reads.record(id, owner);
    return found === undefined ? undefined : this.parts.states.know(decodeRecord(found));
  }

  async getStored(id: string, owner?: string): Promise<StoredTask | undefined> {
    const found = await this.parts.reads.stored(id, owner);
    return found === undefined ? undefined : this.parts.pages.withRequest(found);
  }

  async listMinimal(query: ListQuery): Promise<Page<MinimalRow>> {
    return this.parts.pages.minimal(query);
  }

  async listStored(query: ListQuery, maxBytes: number): Promise<Page<StoredTask>> {
    return this.parts.pages.stored(query, maxBytes);
  }

  async listOldest(pageToken: string, limit: number, maxBytes: number): Promise<Page<StoredTask>> {
    return this.parts.scan.page(pageToken, limit, maxBytes);
  }

  async update(next: TaskRecord, expectedRevision: number): Promise<boolean> {
    if (next.revision <= expectedRevision) throw new RangeError(`Revision ${next.revision} does not follow ${expectedRevision}`);
    const before = await this.parts.states.at(next.id, expectedRevision);
    const updated = await this.parts.updates.update(next, expectedRevision);
    if (!updated) return false;
    this.parts.taskCounts.moved(wellFormed(next.owner), before, next.state);
    this.parts.states.know(next);
    return true;
  }

  async queueHead(query: QueueQuery): Promise<readonly TaskRecord[]> {
    return (await this.parts.queue.head(query, this.now())).map((task) => this.parts.states.know(task));
  }

  async queueOutlook(): Promise<{ readonly oldest?: TaskRecord; readonly nextNotBefore?: number; readonly length: number }> {
    const [outlook, { QUEUED = 0 }] = await Promise.all([this.parts.queue.outlook(this.now()), this.parts.taskCounts.counts(undefined)]);
    return { ...outlook, length: QUEUED };
  }

  async claimDue(query: ClaimQuery): Promise<readonly TaskRecord[]> {
    // Updates asked for before come first: a claim must not take a task from under its own process's write.
    await this.parts.updates.drained();
    const claimed = await this.parts.dueTasks.claim(query, () => this.now());
    return claimed.map((task) => this.parts.states.know(task));
  }

  async nextDue(query: Omit<ClaimQuery, 'holder' | 'leaseMs' | 'limit'>): Promise<number | undefined> {
    return this.parts.dueTasks.next(query);
  }

  async renew(id: string, holder: string, revision: number, leaseMs: number): Promise<boolean> {
    const { tasks } = this.parts.connection.collections;
    const until = this.now() + leaseMs;
    const { matchedCount } = await this.parts.connection.call(() =>
      tasks.updateOne(
        { _id: id, revision, 'lease.holder': holder },
        { $set: { 'lease.until': until, dueAt: until, wakeAt: until } },
        this.parts.connection.limit,
      ),
    );
    return matchedCount === 1;
  }

  async reserve(key: string, reservation: Reservation, capacity: Capacity): Promise<boolean> {
    return this.parts.capacities.reserve(key, reservation, capacity);
  }

  async release(key: string, taskId: string, attempt: number): Promise<void> {
    return this.parts.capacities.release(key, taskId, attempt);
  }

  async reservations(key: string): Promise<readonly Reservation[]> {
    return this.parts.capacities.read(key);
  }

  async cancelingAmong(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const { tasks } = this.parts.connection.collections;
    const found = await this.parts.connection.call(() =>
      tasks.find({ _id: { $in: [...ids] }, state: 'CANCELING' }, { projection: { _id: 1 }, ...this.parts.connection.limit }).toArray(),
    );
    return new Set(found.map(({ _id }) => _id));
  }

  async liveAmong(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const { tasks } = this.parts.connection.collections;
    const found = await this.parts.connection.call(() =>
      tasks.find({ _id: { $in: [...ids] } }, { projection: { step: 1 }, ...this.parts.connection.limit }).toArray(),
    );
    return new Set(found.flatMap(({ _id, step }) => (step === 'done' ? [] : _id)));
  }

  async counts(owner?: string): Promise<Partial<Record<TesState, number>>> {
    return this.parts.taskCounts.counts(owner);
  }

  async liveBackends(): Promise<ReadonlyMap<string, number>> {
    return liveBackends(this.parts.connection);
  }

  async deleteFinished(endedBefore: number, limit: number): Promise<number> {
    return this.parts.deletions.deleteFinished(endedBefore, limit);
  }

  async listBoundTo(instance: string, limit: number): Promise<readonly TaskRecord[]> {
    const { tasks } = this.parts.connection.collections;
    const options = { projection: RECORD_FIELDS, sort: { place: 1 }, hint: { bound: 1, place: 1 }, limit, batchSize: limit + 1 } as const;
    const found = await this.parts.connection.call(() =>
      tasks.find<RecordDocument>({ bound: instance }, { ...options, ...this.parts.connection.limit }).toArray(),
    );
    return found.map(decodeRecord);
  }

  async seenGateways(): Promise<ReadonlyMap<string, number>> {
    return this.parts.presence.seen();
  }

  async ping(): Promise<void> {
    const { meta } = this.parts.connection.collections;
    await this.parts.connection.call(() =>
      meta.updateOne({ _id: 'ping' }, { $set: { at: this.now() } }, { upsert: true, ...this.parts.connection.limit }),
    );
  }

  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    await this.opening.stop();
    await this.opened?.close();
  }

  private get parts(): OpenStore {
    if (this.opened === undefined) throw this.opening.refusal();
    return this.opened;
  }
}

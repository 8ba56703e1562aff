import type { AccessTokens } from '../../ports/store/access-tokens';
import type { SealedCredentials } from '../../ports/store/sealed-credentials';
import type { ClaimQuery, DueQuery, Postponement } from '../../ports/store/due-tasks';
import type { AssignResult, QueueClass, QueuedTask, QueueQuery } from '../../ports/store/task-queue';
import type { IdempotencyKey, InsertResult, KnownKey, ListQuery, MinimalRow, Page, StoredTask } from '../../ports/store/task-records';
import type { TaskStore } from '../../ports/store/task-store';
import type { PublishedBackend } from '../../ports/store/upkeep';
import { type Amounts, type Capacity, isSame, NOTHING } from '../../task/amounts';
import { roomOf } from '../../task/room';
import type { Scope, Scopes } from '../../task/scopes';
import type { TaskRecord } from '../../task/task-record';
import type { TesState } from '../../task/tes';
import type { MongoTaskStoreOptions } from './mongo-connection';
import { StoreOpener } from './store-opener';
import type { StoreParts } from './store-parts';
import type { TaskDocument } from './schemas';
import { decodeRecord, ownerFields, RECORD_FIELDS, type RecordDocument } from './task-codec';
import { boundInstances, liveBackends, onBackend, onBackendOptions } from './task-counts';
import { type KnownState, stateOf } from './known-states';

export type { MongoTaskStoreOptions } from './mongo-connection';

/**
 * The shared store: one MongoDB database, used by any number of gateways at once (see README.md). Reads are of the primary and of what a
 * majority has; every write is acknowledged by a majority's journal. Writes of one turn of the event loop are one command.
 */
export class MongoTaskStore implements TaskStore {
  readonly isShared = true;
  private readonly opener: StoreOpener;
  private opened: StoreParts | undefined;
  private closing: Promise<void> | undefined;

  /** Throws `StoreError`, its `message` for the operator: away, refusing us, or from a newer version. */
  static async open(options: MongoTaskStoreOptions): Promise<MongoTaskStore> {
    const store = new MongoTaskStore(options);
    await store.connect({ patient: false });
    return store;
  }

  /** Not open yet: until `connect` has resolved everything but `now` and `close` throws `StoreError`. */
  constructor(options: MongoTaskStoreOptions) {
    this.opener = new StoreOpener(options);
  }

  /**
   * Resolves once the database is reached and of this program's version. `patient`: while it is away it is asked again and again, with
   * growing pauses and a line for the operator each time. Throws `StoreError` when it is there but refuses us, or when the store is closed.
   */
  async connect({ patient }: { readonly patient: boolean }): Promise<void> {
    this.opened = await this.opener.open(patient);
  }

  now(): number {
    // Before the database is reached nothing is stored, and nobody can be misled by this machine's clock.
    return this.opened?.clock.now() ?? Date.now();
  }

  async insert(requestJson: string, task: TaskRecord, key?: IdempotencyKey): Promise<InsertResult> {
    const result = await this.parts.inserts.insert(requestJson, task, key);
    if (result.kind === 'inserted') this.moved(undefined, task);
    return result;
  }

  async knownKey(owner: string, key: IdempotencyKey): Promise<KnownKey | undefined> {
    return this.parts.inserts.knownKey(owner, key);
  }

  async getState(id: string, scopes?: Scopes): Promise<TesState | undefined> {
    return this.parts.reads.state(id, scopes);
  }

  async getTask(id: string, scopes?: Scopes): Promise<TaskRecord | undefined> {
    const found = await this.parts.reads.record(id, scopes);
    return found === undefined ? undefined : this.parts.states.know(decodeRecord(found));
  }

  async getStored(id: string, scopes?: Scopes): Promise<StoredTask | undefined> {
    const found = await this.parts.reads.stored(id, scopes);
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

  update(next: TaskRecord, expectedRevision: number): Promise<boolean> {
    return this.replace(next, expectedRevision);
  }

  give(next: TaskRecord, expectedRevision: number): Promise<boolean> {
    return this.replace(next, expectedRevision, ownerFields(next));
  }

  private async replace(next: TaskRecord, expectedRevision: number, more?: Partial<TaskDocument>): Promise<boolean> {
    if (next.revision <= expectedRevision) throw new RangeError(`Revision ${next.revision} does not follow ${expectedRevision}`);
    const before = await this.parts.states.at(next.id, expectedRevision);
    const updated = await this.parts.updates.update(next, expectedRevision, more);
    if (!updated) return false;
    if (before === undefined) this.parts.doubt();
    this.moved(before, next);
    return true;
  }

  async assign(next: TaskRecord, expectedRevision: number, capacity: Capacity): Promise<AssignResult> {
    const room = roomOf(next);
    const before = await this.parts.states.at(next.id, expectedRevision);
    if (before === undefined) return 'lost';
    if (room === undefined) return (await this.update(next, expectedRevision)) ? 'assigned' : 'lost';
    if (!(await this.parts.rooms.take(room.key, room.amounts, capacity))) return 'full';
    let updated: boolean;
    try {
      updated = await this.parts.updates.update(next, expectedRevision);
    } catch (error) {
      // Perhaps it was made: whose room it is will be seen by the tasks.
      this.parts.doubt();
      throw error;
    }
    if (updated) this.moved({ ...before, room }, next);
    else this.parts.rooms.change(room.key, room.amounts, -1);
    return updated ? 'assigned' : 'lost';
  }

  async used(keys: readonly string[]): Promise<ReadonlyMap<string, Amounts>> {
    return this.parts.rooms.read(keys);
  }

  async queueClasses(): Promise<readonly QueueClass[]> {
    await this.parts.queue.endPauses(this.now());
    return this.parts.queue.classes();
  }

  async queueHead(query: QueueQuery): Promise<readonly QueuedTask[]> {
    const head = await this.parts.queue.head(query);
    for (const { task } of head) this.parts.states.know(task);
    return head;
  }

  async queuedBefore(time: number, limit: number): Promise<readonly TaskRecord[]> {
    return (await this.parts.queue.queuedBefore(time, limit)).map((task) => this.parts.states.know(task));
  }

  async queueOutlook(): Promise<{ readonly since?: number; readonly nextNotBefore?: number; readonly length: number }> {
    const [outlook, { QUEUED = 0 }] = await Promise.all([this.parts.queue.outlook(), this.parts.taskCounts.counts()]);
    return { ...outlook, length: QUEUED };
  }

  async claimDue(query: ClaimQuery): Promise<readonly TaskRecord[]> {
    // Updates asked for before come first: a claim must not take a task from under its own process's write.
    await this.parts.updates.settled();
    const claimed = await this.parts.dueTasks.claim(query, () => this.now());
    return claimed.map((task) => this.parts.states.know(task));
  }

  async readDue(query: DueQuery): Promise<readonly TaskRecord[]> {
    const due = await this.parts.dueTasks.read(query, this.now());
    return due.map((task) => this.parts.states.know(task));
  }

  async postpone(tasks: readonly Postponement[]): Promise<void> {
    if (tasks.length > 0) await this.parts.dueTasks.postpone(tasks);
  }

  async nextDue(query: Omit<DueQuery, 'limit' | 'places'>): Promise<number | undefined> {
    return this.parts.dueTasks.next(query);
  }

  async renew(id: string, holder: string, leaseMs: number): Promise<boolean> {
    const { tasks } = this.parts.connection.collections;
    const until = this.now() + leaseMs;
    const { matchedCount } = await this.parts.connection.call(() =>
      tasks.updateOne(
        { _id: id, 'lease.holder': holder },
        { $set: { 'lease.until': until, dueAt: until, wakeAt: until } },
        this.parts.connection.limit,
      ),
    );
    return matchedCount === 1;
  }

  async cancelingAmong(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const { tasks } = this.parts.connection.collections;
    const found = await this.parts.connection.call(() =>
      tasks.find({ _id: { $in: [...ids] }, state: 'CANCELING' }, { projection: { _id: 1 }, ...this.parts.connection.limit }).toArray(),
    );
    return new Set(found.map(({ _id }) => _id));
  }

  async getTasks(ids: readonly string[]): Promise<readonly TaskRecord[]> {
    const { tasks } = this.parts.connection.collections;
    const options = { projection: RECORD_FIELDS, ...this.parts.connection.limit } as const;
    const found = await this.parts.connection.call(() => tasks.find<RecordDocument>({ _id: { $in: [...ids] } }, options).toArray());
    return found.map(decodeRecord);
  }

  async counts(scope?: Scope): Promise<Partial<Record<TesState, number>>> {
    return this.parts.taskCounts.counts(scope);
  }

  owners(after: string, limit: number): Promise<readonly string[]> {
    return this.parts.taskCounts.owners(after, limit);
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

  boundInstances(): Promise<readonly string[]> {
    return boundInstances(this.parts.connection);
  }

  async listOnBackend(backend: string, limit: number): Promise<readonly TaskRecord[]> {
    const { tasks } = this.parts.connection.collections;
    const options = { ...onBackendOptions(limit), ...this.parts.connection.limit };
    const found = await this.parts.connection.call(() => tasks.find<RecordDocument>(onBackend(backend), options).toArray());
    return found.map(decodeRecord);
  }

  publish(backends: readonly PublishedBackend[]): Promise<void> {
    return this.parts.heartbeats.publish(backends);
  }

  published(): Promise<ReadonlyMap<string, readonly PublishedBackend[]>> {
    return this.parts.heartbeats.published();
  }

  async seenGateways(): Promise<ReadonlyMap<string, number>> {
    return this.parts.heartbeats.seen();
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
    await this.opener.stop();
    await this.opened?.close();
  }

  /** A change that was made, for the counters and the sums. `before` absent: it is new. */
  private moved(before: KnownState | undefined, next: TaskRecord): void {
    const { taskCounts, rooms, states } = this.parts;
    const after = stateOf(next);
    taskCounts.moved(before, after);
    const [left, taken] = [before?.room, after.room];
    if (left?.key !== taken?.key || !isSame(left?.amounts ?? NOTHING, taken?.amounts ?? NOTHING)) {
      if (left !== undefined) rooms.change(left.key, left.amounts, -1);
      if (taken !== undefined) rooms.change(taken.key, taken.amounts, 1);
    }
    states.know(next);
  }

  get accessTokens(): AccessTokens {
    return this.parts.accessTokens;
  }

  get credentials(): SealedCredentials {
    return this.parts.credentials;
  }

  private get parts(): StoreParts {
    if (this.opened === undefined) throw this.opener.refusal();
    return this.opened;
  }
}

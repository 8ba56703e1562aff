import type { ClaimQuery, DueQuery, Postponement } from '../../ports/store/due-tasks';
import type { AssignResult, QueueClass, QueuedTask, QueueQuery } from '../../ports/store/task-queue';
import type {
  Durability,
  IdempotencyKey,
  InsertResult,
  KnownKey,
  ListQuery,
  MinimalRow,
  Page,
  StoredTask,
} from '../../ports/store/task-records';
import type { TaskStore } from '../../ports/store/task-store';
import type { PublishedBackend } from '../../ports/store/upkeep';
import type { Amounts, Capacity } from '../../task/amounts';
import { isWithin, keysOf, type Scope, type Scopes } from '../../task/scopes';
import type { TaskRecord } from '../../task/task-record';
import type { TesState } from '../../task/tes';
import { SqliteAccessTokens } from './access-tokens';
import { stateOf } from './codes';
import { DueTasks } from './due-tasks';
import { PageTokens } from './page-token';
import { decodeRecord, encodeJson, type RecordRow, type StoredRow } from './record-codec';
import { SqliteSealedCredentials } from './sealed-credentials';
import { row, rows, type Statements } from './statements';
import { type SqliteTaskStoreOptions, StoreConnection } from './store-connection';
import { TaskPages } from './task-pages';
import { TaskQueue } from './task-queue';
import {
  assignTask,
  deleteDone,
  type DonePlace,
  FIRST_DONE,
  giveTask,
  insertTask,
  prepareInsert,
  replaceTask,
  usedRoom,
} from './task-writes';

export type { SqliteTaskStoreOptions } from './store-connection';

const DELETE_BATCH = 200;
/** Free pages the file keeps for new tasks; of what is more, so many go back to the file system after each batch. */
const SPARE_PAGES = 1024;
const VACUUM_PAGES = 256;

/**
 * The embedded store: one SQLite file, used by one process (see README.md). Writes of one turn of the event loop share one
 * transaction and one fsync; reads are answered at once from the same connection and see what is committed.
 */
export class SqliteTaskStore implements TaskStore {
  readonly isShared = false;
  readonly accessTokens: SqliteAccessTokens;
  readonly credentials: SqliteSealedCredentials;
  private readonly statements: Statements;
  private readonly pages: TaskPages;
  private readonly queue: TaskQueue;
  private readonly dueTasks: DueTasks;

  /** Throws `StoreError`, its `message` for the operator: in use, damaged, not ours, or from a newer version. The file is left alone then. */
  static async open(options: SqliteTaskStoreOptions): Promise<SqliteTaskStore> {
    return await Promise.resolve(new SqliteTaskStore(StoreConnection.open(options)));
  }

  private constructor(private readonly connection: StoreConnection) {
    this.statements = connection.statements;
    this.accessTokens = new SqliteAccessTokens(connection);
    this.credentials = new SqliteSealedCredentials(connection);
    this.pages = new TaskPages(this.statements, new PageTokens(connection.storeId));
    this.queue = new TaskQueue(this.statements);
    this.dueTasks = new DueTasks(this.statements);
  }

  now(): number {
    return this.connection.now();
  }

  async insert(requestJson: string, task: TaskRecord, key?: IdempotencyKey): Promise<InsertResult> {
    const prepared = prepareInsert(requestJson, task, key);
    return this.connection.write(() => insertTask(this.statements, prepared, this.now()));
  }

  knownKey(owner: string, { key, bodySha256 }: IdempotencyKey): Promise<KnownKey | undefined> {
    return this.connection.read(() => {
      const known = row<[id: string, bodySha256: string]>(this.statements.keyNow, owner, key, this.now());
      return known && { kind: 'existing', id: known[0], sameBody: known[1] === bodySha256 };
    });
  }

  getState(id: string, scopes?: Scopes): Promise<TesState | undefined> {
    return this.connection.read(() => {
      if (scopes !== undefined) return this.stateWithin(id, scopes);
      const found = row<[number]>(this.statements.state, id);
      return found && stateOf(found[0]);
    });
  }

  getTask(id: string, scopes?: Scopes): Promise<TaskRecord | undefined> {
    return this.connection.read(() => this.record(id, scopes));
  }

  getStored(id: string, scopes?: Scopes): Promise<StoredTask | undefined> {
    return this.connection.read(() => {
      if (!this.isVisible(id, scopes)) return undefined;
      const found = row<StoredRow>(this.statements.stored, id);
      return found && { task: decodeRecord(found), requestJson: found[12] };
    });
  }

  listMinimal(query: ListQuery): Promise<Page<MinimalRow>> {
    return this.connection.read(() => this.pages.minimal(query));
  }

  listStored(query: ListQuery, maxBytes: number): Promise<Page<StoredTask>> {
    return this.connection.read(() => this.pages.stored(query, maxBytes));
  }

  listOldest(pageToken: string, limit: number, maxBytes: number): Promise<Page<StoredTask>> {
    return this.connection.read(() => this.pages.oldest(pageToken, limit, maxBytes));
  }

  async update(next: TaskRecord, expectedRevision: number, durability: Durability = 'durable'): Promise<boolean> {
    if (next.revision <= expectedRevision) throw new RangeError(`Revision ${next.revision} does not follow ${expectedRevision}`);
    const json = encodeJson(next);
    return this.connection.write(() => replaceTask(this.statements, next, json, expectedRevision), durability);
  }

  give(next: TaskRecord, expectedRevision: number): Promise<boolean> {
    const json = encodeJson(next);
    return this.connection.write(() => giveTask(this.statements, next, json, expectedRevision));
  }

  assign(next: TaskRecord, expectedRevision: number, capacity: Capacity, durability: Durability = 'durable'): Promise<AssignResult> {
    const json = encodeJson(next);
    return this.connection.write(() => assignTask(this.statements, next, json, expectedRevision, capacity), durability);
  }

  used(keys: readonly string[]): Promise<ReadonlyMap<string, Amounts>> {
    return this.connection.read(() => new Map(keys.map((key) => [key, usedRoom(this.statements, key)])));
  }

  async queueClasses(): Promise<readonly QueueClass[]> {
    const now = this.now();
    while (await this.connection.read(() => this.queue.hasEndedPauses(now))) {
      await this.connection.write(() => this.queue.endPauses(now), 'relaxed');
    }
    return this.connection.read(() => this.queue.classes());
  }

  queueHead(query: QueueQuery): Promise<readonly QueuedTask[]> {
    return this.connection.read(() => this.queue.head(query));
  }

  queueOutlook(): Promise<{ readonly since?: number; readonly nextNotBefore?: number; readonly length: number }> {
    return this.connection.read(() => this.queue.outlook());
  }

  queuedBefore(time: number, limit: number): Promise<readonly TaskRecord[]> {
    return this.connection.read(() => this.queue.queuedBefore(time, limit));
  }

  async claimDue(query: ClaimQuery): Promise<readonly TaskRecord[]> {
    const ranges = await this.connection.read(() => this.dueTasks.dueRanges(query, this.now()));
    return ranges.length === 0 ? [] : this.connection.write(() => this.dueTasks.claim(query, ranges, this.now()), 'relaxed');
  }

  readDue(query: DueQuery): Promise<readonly TaskRecord[]> {
    return this.connection.read(() => this.dueTasks.read(query, this.now()));
  }

  async postpone(tasks: readonly Postponement[]): Promise<void> {
    if (tasks.length > 0) await this.connection.write(() => this.dueTasks.postpone(tasks), 'relaxed');
  }

  nextDue(query: Omit<DueQuery, 'limit' | 'places'>): Promise<number | undefined> {
    return this.connection.read(() => this.dueTasks.next(query));
  }

  renew(id: string, holder: string, leaseMs: number): Promise<boolean> {
    return this.connection.write(() => {
      const until = this.now() + leaseMs;
      return this.statements.renew.run(until, until, id, holder).changes === 1;
    }, 'relaxed');
  }

  cancelingAmong(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const isCanceling = (id: string): boolean => {
      const state = row<[number]>(this.statements.state, id);
      return state !== undefined && stateOf(state[0]) === 'CANCELING';
    };
    return this.connection.read(() => new Set(ids.filter(isCanceling)));
  }

  getTasks(ids: readonly string[]): Promise<readonly TaskRecord[]> {
    return this.connection.read(() => ids.flatMap((id) => this.record(id, undefined) ?? []));
  }

  counts(scope?: Scope): Promise<Partial<Record<TesState, number>>> {
    return this.connection.read(() => {
      const { counts, countsOwned, countsOfGroup } = this.statements;
      const { owners, groups } = keysOf(scope === undefined ? [] : [scope]);
      const counted = [
        ...(scope === undefined ? rows<[number, number]>(counts) : []),
        ...owners.flatMap((owner) => rows<[number, number]>(countsOwned, owner)),
        ...groups.flatMap((group) => rows<[number, number]>(countsOfGroup, group)),
      ];
      return Object.fromEntries(counted.filter(([, n]) => n > 0).map(([state, n]) => [stateOf(state), n]));
    });
  }

  owners(after: string, limit: number): Promise<readonly string[]> {
    return this.connection.read(() => rows<[string]>(this.statements.owners, after, limit).map(([owner]) => owner));
  }

  liveBackends(): Promise<ReadonlyMap<string, number>> {
    return this.connection.read(() => new Map(rows<[string, number]>(this.statements.backendCounts)));
  }

  async deleteFinished(endedBefore: number, limit: number): Promise<number> {
    let deleted = 0;
    for (let place: DonePlace | undefined = FIRST_DONE; place !== undefined && deleted < limit;) {
      const after: DonePlace = place;
      const batch = Math.min(DELETE_BATCH, limit - deleted);
      const { ids, next } = await this.connection.write(() => deleteDone(this.statements, after, endedBefore, batch, this.now()));
      deleted += ids.length;
      if (ids.length > 0) await this.connection.write(() => this.connection.shrink(SPARE_PAGES, VACUUM_PAGES));
      place = next;
    }
    return deleted;
  }

  listBoundTo(instance: string, limit: number): Promise<readonly TaskRecord[]> {
    return this.connection.read(() => this.recordsAt(rows<[number]>(this.statements.boundTo, instance, limit)));
  }

  boundInstances(): Promise<readonly string[]> {
    return this.connection.read(() => {
      const found: string[] = [];
      for (let next: [string] | undefined; (next = row<[string]>(this.statements.nextBoundTo, found.at(-1) ?? ''));) found.push(...next);
      return found;
    });
  }

  listOnBackend(backend: string, limit: number): Promise<readonly TaskRecord[]> {
    return this.connection.read(() => this.recordsAt(rows<[number]>(this.statements.onBackend, backend, limit)));
  }

  seenGateways(): Promise<ReadonlyMap<string, number>> {
    return Promise.resolve(new Map());
  }

  publish(): Promise<void> {
    return Promise.resolve();
  }

  published(): Promise<ReadonlyMap<string, readonly PublishedBackend[]>> {
    return Promise.resolve(new Map());
  }

  ping(): Promise<void> {
    return this.connection.ping();
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  private recordsAt(places: readonly [number][]): readonly TaskRecord[] {
    return places.flatMap(([seq]) => {
      const record = row<RecordRow>(this.statements.recordAt, seq);
      return record === undefined ? [] : decodeRecord(record);
    });
  }

  private record(id: string, scopes: Scopes): TaskRecord | undefined {
    const found = this.isVisible(id, scopes) ? row<RecordRow>(this.statements.record, id) : undefined;
    return found && decodeRecord(found);
  }

  /** Looked at first: the time that a large task takes to read would tell those who may not see it that it is there. */
  private isVisible(id: string, scopes: Scopes): boolean {
    return scopes === undefined || this.stateWithin(id, scopes) !== undefined;
  }

  private stateWithin(id: string, scopes: readonly Scope[]): TesState | undefined {
    const found = row<[number, string, string | null]>(this.statements.stateOwned, id);
    if (found === undefined) return undefined;
    const [state, owner, groups] = found;
    return isWithin({ owner, ...(groups !== null && { groups: JSON.parse(groups) as string[] }) }, scopes) ? stateOf(state) : undefined;
  }
}

import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../../ports/errors';
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
import { Checkpointer } from './checkpointer';
import { DONE_CODE, stateOf } from './codes';
import { DueTasks } from './due-tasks';
import { GroupCommit } from './group-commit';
import { IN_MEMORY, openDatabase } from './open-database';
import { PageTokens } from './page-token';
import { decodeRecord, encodeJson, type RecordRow } from './record-codec';
import { readReservations, reserve } from './reservations';
import { isCorruption, toStoreError } from './sqlite-errors';
import { prepareStatements, row, rows, type Statements } from './statements';
import { StoreClock } from './store-clock';
import { StoreLock } from './store-lock';
import { TailCache } from './tail-cache';
import { TaskPages } from './task-pages';
import { TaskQueue } from './task-queue';
import { deleteDone, insertTask, prepareInsert, replaceTask } from './task-writes';

export interface SqliteTaskStoreOptions {
  /** The store's file, made when missing, with `-wal`, `-shm` and `.lock` files beside it; or `:memory:`. */
  readonly path: string;
  /** The longest interval the engine ever puts between now and a `dueAt`, ms. Anything further ahead at start is due at once. */
  readonly maxDueMs: number;
  /** Milliseconds since the epoch. */
  readonly wallNow?: () => number;
  /** Milliseconds since any fixed moment; never steps back. */
  readonly monotonicNow?: () => number;
  /** Lines for the operator: migrations, checkpoints that failed, damage. */
  readonly onProgress?: (line: string) => void;
}

/** How far the saved time may lag behind the clock, ms. */
const CLOCK_SAVE_MS = 10_000;
const DELETE_BATCH = 200;
/** Free pages the file keeps for new tasks; what is more goes back to the file system, so many pages after each batch. */
const SPARE_PAGES = 1024;
const VACUUM_PAGES = 256;

/**
 * The embedded store: one SQLite file, used by one process (see README.md). Writes of one turn of the event loop share one
 * transaction and one fsync; reads are answered at once from the same connection and see what is committed.
 */
export class SqliteTaskStore extends TaskStore {
  private readonly statements: Statements;
  private readonly commits: GroupCommit;
  private readonly checkpointer: Checkpointer | undefined;
  private readonly clock: StoreClock;
  private readonly pages: TaskPages;
  private readonly queue: TaskQueue;
  private readonly dueTasks: DueTasks;
  private readonly tails = new TailCache();
  private readonly onProgress: (line: string) => void;
  private clockSavedAt = 0;
  private writesFail = false;
  private damage: StoreError | undefined;
  private closing: Promise<void> | undefined;

  /** Throws `StoreError`, its `message` for the operator: in use, damaged, not ours, or from a newer version. The file is left alone then. */
  static async open(options: SqliteTaskStoreOptions): Promise<SqliteTaskStore> {
    const onProgress = options.onProgress ?? ((): void => undefined);
    await Promise.resolve();
    if (options.path === IN_MEMORY) return new SqliteTaskStore(openDatabase(IN_MEMORY, onProgress), undefined, options);
    const lock = StoreLock.acquire(options.path);
    try {
      return new SqliteTaskStore(openDatabase(options.path, onProgress), lock, options);
    } catch (error) {
      lock.release();
      throw toStoreError(error);
    }
  }

  private constructor(
    private readonly db: DatabaseSync,
    private readonly lock: StoreLock | undefined,
    private readonly options: SqliteTaskStoreOptions,
  ) {
    super();
    this.onProgress = options.onProgress ?? ((): void => undefined);
    this.statements = prepareStatements(db);
    const savedMark = Number(this.meta('clock') ?? 0);
    this.clock = new StoreClock(
      options.wallNow ?? Date.now,
      options.monotonicNow ?? (() => performance.now()),
      savedMark,
      options.maxDueMs,
    );
    this.pages = new TaskPages(this.statements, new PageTokens(this.meta('store_id') ?? ''));
    this.queue = new TaskQueue(this.statements);
    this.dueTasks = new DueTasks(this.statements);
    this.checkpointer = lock === undefined ? undefined : new Checkpointer(db, options.path, this.onProgress);
    this.pullBack();
    this.commits = new GroupCommit(db, {
      beforeCommit: () => this.saveClock(CLOCK_SAVE_MS),
      afterCommit: () => {
        this.writesFail = false;
        this.checkpointer?.wrote();
      },
      onFailure: (error) => this.failed(error, true),
    });
  }

  now(): number {
    return this.clock.now();
  }

  async insert(requestJson: string, task: TaskRecord, key?: IdempotencyKey): Promise<InsertResult> {
    const prepared = prepareInsert(requestJson, task, key);
    return this.commits.submit(() => insertTask(this.statements, prepared, this.now()));
  }

  getState(id: string, owner?: string): Promise<TesState | undefined> {
    return this.read(() => {
      const found = owner === undefined ? row<[number]>(this.statements.state, id) : row<[number]>(this.statements.stateOwned, id, owner);
      return found === undefined ? undefined : stateOf(found[0]);
    });
  }

  getTask(id: string, owner?: string): Promise<TaskRecord | undefined> {
    return this.read(() => this.record(id, owner));
  }

  getStored(id: string, owner?: string): Promise<StoredTask | undefined> {
    return this.read(() => {
      const task = this.record(id, owner);
      const request = task === undefined ? undefined : row<[string]>(this.statements.request, id);
      return task === undefined || request === undefined ? undefined : { task, requestJson: request[0] };
    });
  }

  getTail(id: string): Promise<TailRecord | undefined> {
    return Promise.resolve(this.tails.get(id));
  }

  listMinimal(query: ListQuery): Promise<Page<MinimalRow>> {
    return this.read(() => this.pages.minimal(query));
  }

  listStored(query: ListQuery, maxBytes: number): Promise<Page<StoredTask>> {
    return this.read(() => this.pages.stored(query, maxBytes));
  }

  async update(next: TaskRecord, expectedRevision: number): Promise<boolean> {
    if (next.revision <= expectedRevision) throw new RangeError(`Revision ${next.revision} does not follow ${expectedRevision}`);
    const json = encodeJson(next);
    const updated = await this.commits.submit(() => replaceTask(this.statements, next, json, expectedRevision));
    if (updated && next.step === 'done') this.tails.put(next.id, undefined);
    return updated;
  }

  putTail(id: string, tail: TailRecord | undefined): Promise<void> {
    this.tails.put(id, tail);
    return Promise.resolve();
  }

  queueHead(query: QueueQuery): Promise<readonly TaskRecord[]> {
    return this.read(() => this.queue.head(query, this.now()));
  }

  queueOutlook(): Promise<{ readonly oldest?: TaskRecord; readonly nextNotBefore?: number; readonly length: number }> {
    return this.read(() => this.queue.outlook(this.now()));
  }

  async claimDue(query: ClaimQuery): Promise<readonly TaskRecord[]> {
    const anyDue = await this.read(() => this.dueTasks.isAnyDue(query, this.now()));
    return anyDue ? this.commits.submit(() => this.dueTasks.claim(query, this.now())) : [];
  }

  nextDue(query: Omit<ClaimQuery, 'holder' | 'leaseMs' | 'limit'>): Promise<number | undefined> {
    return this.read(() => this.dueTasks.next(query));
  }

  renew(id: string, holder: string, revision: number, leaseMs: number): Promise<boolean> {
    return this.commits.submit(() => {
      const until = this.now() + leaseMs;
      return this.statements.renew.run(until, until, id, holder, revision).changes === 1;
    });
  }

  reserve(key: string, reservation: Reservation, capacity: Capacity): Promise<boolean> {
    return this.commits.submit(() => reserve(this.statements, key, reservation, capacity));
  }

  async release(key: string, taskId: string, attempt: number): Promise<void> {
    await this.commits.submit(() => this.statements.release.run(key, taskId, attempt));
  }

  reservations(key: string): Promise<readonly Reservation[]> {
    return this.read(() => readReservations(this.statements, key));
  }

  liveAmong(ids: readonly string[]): Promise<ReadonlySet<string>> {
    return this.read(
      () =>
        new Set(
          ids.filter((id) => {
            const step = row<[number]>(this.statements.step, id);
            return step !== undefined && step[0] !== DONE_CODE;
          }),
        ),
    );
  }

  counts(owner?: string): Promise<Partial<Record<TesState, number>>> {
    return this.read(() => {
      const { counts, countsOwned } = this.statements;
      const counted = owner === undefined ? rows<[number, number]>(counts) : rows<[number, number]>(countsOwned, owner);
      return Object.fromEntries(counted.filter(([, n]) => n > 0).map(([state, n]) => [stateOf(state), n]));
    });
  }

  liveBackends(): Promise<ReadonlyMap<string, number>> {
    return this.read(() => new Map(rows<[string, number]>(this.statements.backendCounts)));
  }

  async deleteFinished(endedBefore: number, limit: number): Promise<number> {
    let deleted = 0;
    while (deleted < limit) {
      const batch = Math.min(DELETE_BATCH, limit - deleted);
      const ids = await this.commits.submit(() => deleteDone(this.statements, endedBefore, batch));
      for (const id of ids) this.tails.put(id, undefined);
      deleted += ids.length;
      if (ids.length > 0) await this.commits.submit(() => this.shrink());
      if (ids.length < batch) break;
    }
    return deleted;
  }

  listBoundTo(instance: string, limit: number): Promise<readonly TaskRecord[]> {
    return this.read(() =>
      rows<[number]>(this.statements.boundTo, instance, limit).flatMap(([seq]) => {
        const record = row<RecordRow>(this.statements.recordAt, seq);
        return record === undefined ? [] : decodeRecord(record);
      }),
    );
  }

  async ping(): Promise<void> {
    if (this.damage !== undefined) throw this.damage;
    await this.read(() => this.meta('store_id'));
    // Only a write tells whether the disk has room again.
    if (this.writesFail) await this.commits.submit(() => this.saveClock(0));
  }

  /** Writes asked for before are finished; later ones are refused. Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    await this.commits.drained();
    if (this.damage === undefined && !this.writesFail) await this.commits.submit(() => this.saveClock(0)).catch(() => undefined);
    this.commits.stop(closedError());
    await this.checkpointer?.close();
    // The last connection to close moves the log into the file; a read-only one that stays behind keeps a damaged file as it is.
    const guard = this.damage !== undefined && this.lock !== undefined ? openGuard(this.options.path) : undefined;
    this.db.close();
    guard?.close();
    this.lock?.release();
  }

  private record(id: string, owner: string | undefined): TaskRecord | undefined {
    const found = row<RecordRow>(this.statements.record, id);
    return found === undefined || (owner !== undefined && found[1] !== owner) ? undefined : decodeRecord(found);
  }

  private meta(key: string): string | undefined {
    return row<[string]>(this.statements.meta, key)?.[0];
  }

  private saveClock(everyMs: number): void {
    const now = this.now();
    if (now - this.clockSavedAt < everyMs) return;
    this.statements.setMeta.run('clock', String(now));
    this.clockSavedAt = now;
  }

  /** A clock that was wrong may have put times so far ahead that nobody would ever look at those tasks again. */
  private pullBack(): void {
    const now = this.now();
    const latest = now + this.options.maxDueMs;
    const due = rows<[number]>(this.statements.dueTooFar, latest);
    const backoff = rows<[number]>(this.statements.backoffTooFar, latest);
    if (due.length === 0 && backoff.length === 0) return;
    this.onProgress(
      `task store: ${due.length + backoff.length} tasks were set to times too far ahead (the clock has changed); they are due now`,
    );
    this.db.exec('BEGIN IMMEDIATE');
    for (const [seq] of due) this.statements.dueNow.run(now, seq);
    for (const [seq] of backoff) this.statements.notBeforeNow.run(now, seq);
    this.db.exec('COMMIT');
  }

  private shrink(): void {
    const free = row<[number]>(this.statements.freePages)?.[0] ?? 0;
    if (free > SPARE_PAGES) this.db.exec(`PRAGMA incremental_vacuum(${Math.min(VACUUM_PAGES, free - SPARE_PAGES)})`);
  }

  private async read<Result>(query: () => Result | Promise<Result>): Promise<Result> {
    try {
      return await query();
    } catch (error) {
      if (!this.db.isOpen) throw closedError();
      throw this.failed(error, false);
    }
  }

  private failed(error: unknown, writing: boolean): unknown {
    const shown = toStoreError(error);
    if (writing) this.writesFail = true;
    if (this.damage === undefined && isCorruption(error) && shown instanceof StoreError) {
      this.damage = shown;
      this.onProgress(`task store: ${this.options.path} is damaged (${String(error)}); nothing is written any more, restore a backup`);
      this.commits.stop(shown);
      void this.checkpointer?.close();
    }
    return shown;
  }
}

function closedError(): StoreError {
  return new StoreError('The task store is closed', { retryable: true, unavailable: true });
}

function openGuard(path: string): DatabaseSync | undefined {
  try {
    const guard = new DatabaseSync(path, { readOnly: true });
    guard.exec('BEGIN; SELECT 1 FROM sqlite_schema');
    return guard;
  } catch {
    return undefined;
  }
}

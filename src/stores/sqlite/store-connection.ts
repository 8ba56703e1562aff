import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../../ports/errors';
import { ProcessLock } from '../../ports/process-lock';
import type { Durability } from '../../ports/store/task-records';
import { Checkpointer } from './checkpointer';
import { GroupCommit } from './group-commit';
import { IN_MEMORY, openDatabase } from './open-database';
import { isCorruption, toStoreError } from './sqlite-errors';
import { prepareStatements, row, rows, type Statements } from './statements';
import { StoreClock } from './store-clock';

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

/**
 * The open file: its lock, its one connection, its time, the writes in groups, and what happens when it fails.
 * Once the file is seen to be damaged nothing is written to it any more, by nobody, not even by closing it.
 */
export class StoreConnection {
  readonly statements: Statements;
  private readonly commits: GroupCommit;
  private readonly checkpointer: Checkpointer | undefined;
  private readonly clock: StoreClock;
  private clockSavedAt = 0;
  private writesFail = false;
  private damage: StoreError | undefined;
  private closing: Promise<void> | undefined;

  /** Throws `StoreError`, its `message` for the operator: in use, damaged, not ours, or from a newer version. The file is left alone then. */
  static open(options: SqliteTaskStoreOptions): StoreConnection {
    const onProgress = options.onProgress ?? ((): void => undefined);
    if (options.path === IN_MEMORY) return new StoreConnection(openDatabase(IN_MEMORY, onProgress), undefined, options, onProgress);
    mkdirSync(dirname(options.path), { recursive: true });
    const inUse = `The task store ${options.path} is in use: another tes-gateway process has it open. Stop that first`;
    const lock = ProcessLock.acquire(`${options.path}.lock`, inUse);
    try {
      // Requests may hold secrets: only this user reads the file, and SQLite makes those beside it alike.
      closeSync(openSync(options.path, 'a', 0o600));
      return new StoreConnection(openDatabase(options.path, onProgress), lock, options, onProgress);
    } catch (error) {
      lock.release();
      throw toStoreError(error);
    }
  }

  private constructor(
    private readonly db: DatabaseSync,
    private readonly lock: ProcessLock | undefined,
    private readonly options: SqliteTaskStoreOptions,
    private readonly onProgress: (line: string) => void,
  ) {
    this.statements = prepareStatements(db);
    const savedMark = Number(this.meta('clock') ?? 0);
    this.clock = new StoreClock(
      options.wallNow ?? Date.now,
      options.monotonicNow ?? (() => performance.now()),
      savedMark,
      options.maxDueMs,
    );
    this.checkpointer = lock === undefined ? undefined : new Checkpointer(db, options.path, onProgress);
    this.pullBack();
    this.commits = new GroupCommit(db, {
      beforeCommit: () => this.saveClock(CLOCK_SAVE_MS),
      afterCommit: () => {
        this.writesFail = false;
        this.checkpointer?.wrote();
      },
      onFailure: (error) => {
        this.writesFail = true;
        return this.failed(error);
      },
    });
  }

  /** Made with the file; part of the page tokens. */
  get storeId(): string {
    return this.meta('store_id') ?? '';
  }

  now(): number {
    return this.clock.now();
  }

  /** Resolves once the operation's transaction is durable, or, if relaxed, committed. See `GroupCommit`. */
  write<Result>(operation: () => Result, durability?: Durability): Promise<Result> {
    return this.commits.submit(operation, durability);
  }

  /** What is committed now. Throws `StoreError`. */
  async read<Result>(query: () => Result | Promise<Result>): Promise<Result> {
    try {
      return await query();
    } catch (error) {
      throw this.db.isOpen ? this.failed(error) : closedError();
    }
  }

  /** Gives free pages beyond `spare` back to the file system, at most `most` of them. Inside a transaction. */
  shrink(spare: number, most: number): void {
    const free = row<[number]>(this.statements.freePages)?.[0] ?? 0;
    if (free > spare) this.db.exec(`PRAGMA incremental_vacuum(${Math.min(most, free - spare)})`);
  }

  async ping(): Promise<void> {
    if (this.damage !== undefined) throw this.damage;
    await this.read(() => this.storeId);
    // Only a write tells whether the disk has room again.
    if (this.writesFail) await this.write(() => this.saveClock(0));
  }

  /** Writes asked for before are finished; later ones are refused. Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    await this.commits.drained();
    if (this.damage === undefined && !this.writesFail) await this.write(() => this.saveClock(0)).catch(() => undefined);
    this.commits.stop(closedError());
    await this.checkpointer?.close();
    // The last connection to close moves the log into the file; a read-only one that stays behind keeps a damaged file as it is.
    const guard = this.damage !== undefined && this.lock !== undefined ? openGuard(this.options.path) : undefined;
    this.db.close();
    guard?.close();
    this.lock?.release();
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

  /**
   * Nobody else has the file open, so whoever held a lease is gone: those tasks are due. And a clock that was wrong may have put times
   * so far ahead that nobody would ever look at those tasks again.
   */
  private pullBack(): void {
    const now = this.now();
    const latest = now + this.options.maxDueMs;
    const leased = rows<[number]>(this.statements.leased);
    const due = rows<[number]>(this.statements.dueTooFar, latest);
    const backoff = rows<[number]>(this.statements.backoffTooFar, latest);
    if (leased.length + due.length + backoff.length === 0) return;
    this.onProgress(
      `task store: ${leased.length} tasks were under way when the store was last open, ${due.length + backoff.length} were to wait too long; all are due now`,
    );
    this.db.exec('BEGIN IMMEDIATE');
    for (const [seq] of leased) this.statements.dueNow.run(now, seq);
    for (const [seq] of due) this.statements.dueNow.run(now, seq);
    for (const [seq] of backoff) this.statements.notBeforeNow.run(now, seq);
    this.db.exec('COMMIT');
  }

  private failed(error: unknown): unknown {
    const shown = toStoreError(error);
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

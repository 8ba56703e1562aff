import type { DatabaseSync } from 'node:sqlite';
import type { StoreError } from '../../ports/errors';
import type { Durability } from '../../ports/store/task-records';
import { isBusy, isEnvironment } from './sqlite-errors';

/** More than this many wait for the next transaction, so that reads get their turn in between. */
const MAX_GROUP = 512;
/** Another program holds the write lock: how long a group waits for it, and how often it tries, ms. */
const BUSY_PATIENCE_MS = 2000;
const BUSY_RETRY_MS = 20;

interface Waiting {
  readonly durability: Durability;
  /** Synchronous; may be called again after a rollback, so it must not keep anything of its first call. */
  readonly operation: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface GroupCommitHooks {
  /** In every transaction that is about to commit, after the operations. */
  readonly beforeCommit: () => void;
  readonly afterCommit: () => void;
  /** An operation or a commit failed for a reason outside of us; returns what the callers get. */
  readonly onFailure: (error: unknown) => unknown;
}

/**
 * All writes asked for in one turn of the event loop share one BEGIN IMMEDIATE ... COMMIT, and so one fsync; a group of nothing but
 * relaxed writes does without, the next fsync is theirs too. Their promises settle after the commit. An operation that throws is taken out and the others are done again without it; a failed commit fails them all.
 */
export class GroupCommit {
  private waiting: Waiting[] = [];
  private scheduled = false;
  private busySince: number | undefined;
  private refusal: StoreError | undefined;
  private idle: (() => void)[] = [];
  private promised: Durability | undefined;
  private readonly begin;
  private readonly commit;

  constructor(
    private readonly db: DatabaseSync,
    private readonly hooks: GroupCommitHooks,
    private readonly busyPatienceMs = BUSY_PATIENCE_MS,
  ) {
    this.begin = db.prepare('BEGIN IMMEDIATE');
    this.commit = db.prepare('COMMIT');
  }

  submit<Result>(operation: () => Result, durability: Durability = 'durable'): Promise<Result> {
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    return new Promise<Result>((resolve, reject) => {
      this.waiting.push({ durability, operation, resolve: resolve as (value: unknown) => void, reject });
      this.schedule();
    });
  }

  /** No write is taken any more; those already asked for fail with it too. */
  stop(reason: StoreError): void {
    this.refusal ??= reason;
    const refused = this.waiting;
    this.waiting = [];
    for (const each of refused) each.reject(this.refusal);
    this.settle();
  }

  /** Resolves when every write asked for so far has settled. */
  async drained(): Promise<void> {
    if (this.waiting.length > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  private schedule(delayMs = 0): void {
    if (this.scheduled) return;
    this.scheduled = true;
    const flush = (): void => {
      this.scheduled = false;
      this.flush();
    };
    if (delayMs > 0) setTimeout(flush, delayMs);
    else setImmediate(flush);
  }

  private flush(): void {
    if (this.waiting.length === 0) return this.settle();
    const group = this.waiting.length <= MAX_GROUP ? this.waiting : this.waiting.slice(0, MAX_GROUP);
    this.waiting = this.waiting.slice(group.length);
    try {
      this.promise(group.some(({ durability }) => durability === 'durable') ? 'durable' : 'relaxed');
      this.begin.run();
    } catch (error) {
      if (isBusy(error) && this.mayWait()) {
        this.waiting = group.concat(this.waiting);
        return this.schedule(BUSY_RETRY_MS);
      }
      this.fail(group, error);
      return this.next();
    }
    this.busySince = undefined;
    this.write(group);
    this.next();
  }

  /** What the next commit promises. SQLite takes the word only between transactions. */
  private promise(durability: Durability): void {
    if (durability === this.promised) return;
    this.db.exec(`PRAGMA synchronous = ${durability === 'durable' ? 'FULL' : 'NORMAL'}`);
    this.promised = durability;
  }

  private write(group: readonly Waiting[]): void {
    let left = group;
    for (;;) {
      const results: unknown[] = [];
      try {
        for (const each of left) results.push(each.operation());
        this.hooks.beforeCommit();
        this.commit.run();
      } catch (error) {
        this.rollback();
        const culprit = left[results.length];
        // With every operation done it is the commit that failed; with one of the environment's errors the others would fail alike.
        if (culprit === undefined || isEnvironment(error)) return this.fail(left, error);
        culprit.reject(error);
        left = left.filter((each) => each !== culprit);
        if (left.length === 0) return;
        try {
          this.begin.run();
        } catch (again) {
          return this.fail(left, again);
        }
        continue;
      }
      for (const [index, each] of left.entries()) each.resolve(results[index]);
      this.hooks.afterCommit();
      return;
    }
  }

  private rollback(): void {
    // A full disk or a failed write has rolled back by itself.
    if (!this.db.isTransaction) return;
    try {
      this.db.exec('ROLLBACK');
    } catch (error) {
      this.hooks.onFailure(error);
    }
  }

  private fail(group: readonly Waiting[], error: unknown): void {
    const shown = this.hooks.onFailure(error);
    for (const each of group) each.reject(shown);
  }

  private mayWait(): boolean {
    const now = performance.now();
    this.busySince ??= now;
    if (now - this.busySince < this.busyPatienceMs) return true;
    this.busySince = undefined;
    return false;
  }

  private next(): void {
    if (this.waiting.length > 0) this.schedule();
    else this.settle();
  }

  private settle(): void {
    const idle = this.idle;
    this.idle = [];
    for (const each of idle) each();
  }
}

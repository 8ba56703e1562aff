import { DatabaseSync } from 'node:sqlite';
import { StoreError } from './errors';

const SQLITE_BUSY = 5;

/**
 * One process per store, and per data directory. An exclusive transaction on an empty SQLite file of its own: beside the store, and not on the
 * store itself, so that check-pointing and online backup still work. The operating system ends it with the process, however that dies.
 */
export class ProcessLock {
  private constructor(private readonly db: DatabaseSync) {}

  /** Throws `StoreError`, its message `inUse` for the operator, when another process, or another lock of this one, has the file. */
  static acquire(path: string, inUse: string): ProcessLock {
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(path, { timeout: 0 });
      // No journal file: nothing is ever written here.
      db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return new ProcessLock(db);
    } catch (error) {
      db?.close();
      const internal =
        (error as { errcode?: number }).errcode === SQLITE_BUSY
          ? `${inUse} (it holds ${path})`
          : `The lock file ${path} cannot be taken: ${(error as Error).message}`;
      throw new StoreError('The task store is in use', { retryable: false, unavailable: true, internal, cause: error });
    }
  }

  release(): void {
    this.db.close();
  }
}

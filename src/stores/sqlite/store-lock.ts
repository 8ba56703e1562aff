import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../../ports/errors';
import { isBusy } from './sqlite-errors';

/**
 * One process per store. An exclusive transaction on a second, empty SQLite file beside it, and not on the store itself, so that
 * check-pointing and online backup still work. The operating system ends it with the process, however that dies.
 */
export class StoreLock {
  private constructor(private readonly db: DatabaseSync) {}

  /** Throws `StoreError` naming the file when another process, or another store of this one, has it. */
  static acquire(storePath: string): StoreLock {
    const path = `${storePath}.lock`;
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(path, { timeout: 0 });
      // No journal file: nothing is ever written here.
      db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return new StoreLock(db);
    } catch (error) {
      db?.close();
      const internal = isBusy(error)
        ? `The task store ${storePath} is in use: another tes-gateway process has it open (it holds ${path})`
        : `The lock file ${path} of the task store cannot be taken`;
      throw new StoreError('The task store is in use', { retryable: false, unavailable: true, internal, cause: error });
    }
  }

  release(): void {
    this.db.close();
  }
}

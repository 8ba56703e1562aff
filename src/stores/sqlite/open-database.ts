import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { inspectFile } from './inspect-file';
import { queueClass } from '../../task/queue-class';
import type { TaskNeeds } from '../../task/task-record';
import { APPLICATION_ID, MIGRATIONS } from './schema';

export const IN_MEMORY = ':memory:';

/** Kept small: the operating system caches the file too. */
const CACHE_KIB = 32 * 1024;
/** SQLite's own wait for a lock blocks the event loop; `GroupCommit` waits without blocking. */
const LOCK_WAIT_MS = 5;
/** After a burst the log is cut back to this. */
const LOG_LIMIT_BYTES = 64 * 1024 * 1024;

/** Looks at the file, opens it and brings it to the newest schema. The caller holds its lock. Throws `StoreError`, see `inspectFile`. */
export function openDatabase(path: string, onProgress: (line: string) => void): DatabaseSync {
  const version = path === IN_MEMORY ? 0 : inspectFile(path);
  const db = new DatabaseSync(path, { timeout: LOCK_WAIT_MS, enableForeignKeyConstraints: false });
  try {
    configure(db);
    migrate(db, version, onProgress);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function configure(db: DatabaseSync): void {
  // auto_vacuum counts only before the first table is made.
  db.exec(`
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = ${LOG_LIMIT_BYTES};
    PRAGMA cache_size = -${CACHE_KIB};
    PRAGMA temp_store = MEMORY;
    PRAGMA cell_size_check = ON;
    PRAGMA trusted_schema = OFF;
  `);
}

/** All steps in one transaction: a file is at one version or another, never between. */
function migrate(db: DatabaseSync, version: number, onProgress: (line: string) => void): void {
  const missing = MIGRATIONS.slice(version);
  if (missing.length === 0) return;
  // Of a record: what a step needs for tasks that an older program has stored.
  db.function('queue_class', { deterministic: true }, (json) => queueClass((JSON.parse(String(json)) as { needs: TaskNeeds }).needs));
  db.exec('BEGIN IMMEDIATE');
  try {
    if (version === 0) create(db);
    for (const [index, migration] of missing.entries()) {
      const reached = version + index + 1;
      if (version > 0) onProgress(`task store: schema ${reached - 1} to ${reached} (${migration.about})`);
      db.exec(migration.sql);
      db.prepare('INSERT INTO schema_version (version, about) VALUES (?, ?)').run(reached, migration.about);
    }
    if (version === 0) db.prepare("INSERT INTO meta (key, value) VALUES ('store_id', ?)").run(randomUUID());
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function create(db: DatabaseSync): void {
  db.exec(`
    PRAGMA application_id = ${APPLICATION_ID};
    CREATE TABLE schema_version (version INTEGER PRIMARY KEY, about TEXT NOT NULL) STRICT;
  `);
}

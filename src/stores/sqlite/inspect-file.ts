import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../../ports/errors';
import { APPLICATION_ID, MIGRATIONS } from './schema';
import { isCorruption, sqliteCode, toStoreError } from './sqlite-errors';

/** Files up to this size are checked page by page at start (some 100 ms); larger ones by their ends. */
const FULL_CHECK_BYTES = 64 * 1024 * 1024;
/** First and last entries: damage at the end, as of a file cut short, shows here. */
const PROBES = [
  'SELECT id, name_key FROM task WHERE seq = (SELECT min(seq) FROM task)',
  'SELECT id, name_key FROM task WHERE seq = (SELECT max(seq) FROM task)',
  'SELECT json FROM record WHERE seq = (SELECT min(seq) FROM record)',
  'SELECT json FROM record WHERE seq = (SELECT max(seq) FROM record)',
  'SELECT length(json) FROM request WHERE seq = (SELECT min(seq) FROM request)',
  'SELECT length(json) FROM request WHERE seq = (SELECT max(seq) FROM request)',
  'SELECT min(hash) FROM term',
  'SELECT max(hash) FROM term',
  'SELECT min(id) FROM task',
  'SELECT max(id) FROM task',
  'SELECT min(state) FROM task',
  'SELECT max(state) FROM task',
  'SELECT count(*) FROM state_count',
  'SELECT count(*) FROM meta',
];

/**
 * Looks at an existing store through a read-only connection, which leaves it exactly as it is. Throws `StoreError` with a message for
 * the operator when it is not a task store, is damaged, or was written by a newer program. Returns its schema's version; 0 = nothing in it yet.
 */
export function inspectFile(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return 0;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    const version = readVersion(db, path);
    if (version > 0) check(db, path, size);
    return version;
  } catch (error) {
    if (!isCorruption(error)) throw toStoreError(error);
    // Not by reading the file ourselves: closing it would drop the locks of a store that this process has open.
    throw refusal(`${path} is damaged, or not an SQLite file (SQLite result ${String(sqliteCode(error))}: ${String(error)})`, error);
  } finally {
    db?.close();
  }
}

function readVersion(db: DatabaseSync, path: string): number {
  const newestVersion = MIGRATIONS.length;
  const tables = number(db, 'SELECT count(*) FROM sqlite_schema');
  // A first start that was cut off before its one transaction.
  if (tables === 0) return 0;
  if (number(db, 'PRAGMA application_id') !== APPLICATION_ID)
    throw refusal(`${path} is an SQLite file, but not a task store of tes-gateway`);
  const version = number(db, 'SELECT max(version) FROM schema_version');
  if (version > newestVersion) {
    throw refusal(
      `${path} was written by a newer tes-gateway (schema ${version}; this one knows ${newestVersion}): start that version, or restore a backup`,
    );
  }
  return version;
}

function check(db: DatabaseSync, path: string, size: number): void {
  const bytes = number(db, 'PRAGMA page_count') * number(db, 'PRAGMA page_size');
  // A log that is not yet in the file may hold its last pages; only then may the file be shorter.
  const logged = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
  if (bytes > size && !logged) throw refusal(`${path} is damaged: ${bytes} bytes long by its own account, but ${size} on disk`);
  if (Math.max(bytes, size) <= FULL_CHECK_BYTES || bytes > size) {
    const found = db.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (found !== 'ok') throw refusal(`${path} is damaged: ${String(found)}`);
    return;
  }
  for (const probe of PROBES) db.prepare(probe).all();
}

function number(db: DatabaseSync, sql: string): number {
  const found = Object.values(db.prepare(sql).get() ?? {})[0];
  return typeof found === 'number' ? found : 0;
}

function refusal(what: string, cause?: unknown): StoreError {
  return new StoreError('The task store cannot be opened', {
    retryable: false,
    unavailable: true,
    internal: `${what}. It is left as it is.`,
    ...(cause !== undefined && { cause }),
  });
}

import { DONE_CODE, QUEUED_CODE } from './codes';
import { CLASSES_AND_SUMS } from './schema-2';
import { ROOM_BY_STEP } from './schema-4';
import { GROUPS, MORE_AMOUNTS } from './schema-5';
import { ACCESS_TOKENS } from './schema-6';
import { SEALED_CREDENTIALS } from './schema-7';

/** "TESG": marks the file as ours (`PRAGMA application_id`). */
export const APPLICATION_ID = 0x54455347;

/** One step from version n to n + 1. Never changed once released; a new one is added at the end. */
export interface Migration {
  readonly about: string;
  readonly sql: string;
}

/**
 * `task` is narrow on purpose: pages, the queue and the due loop read it without touching `record` (what the engine knows of a
 * task, JSON) or `request` (what the client sent). `seq` is the order of creation and never reused. The columns are the truth for
 * what they hold; `needs_backend`, `cpu`, `ram`, `name_key`, `done_at` are copies from the record, for the indexes.
 *
 * `term` finds tasks by tag: one row for "has this key", one for "has this key with this value", both as 128 bits of SHA-256,
 * so that a megabyte of tag costs an index no more than a letter.
 */
const INITIAL: Migration = {
  about: 'tables of version 1',
  sql: `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE owner (seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE task (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  step INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  due_at INTEGER,
  lease_until INTEGER,
  lease_holder TEXT,
  not_before INTEGER,
  done_at INTEGER,
  cpu REAL NOT NULL,
  ram REAL NOT NULL,
  backend TEXT,
  bound_to TEXT,
  needs_backend TEXT,
  name_key TEXT,
  -- when claimDue may take it: a lease that is not over puts it off
  wake_at INTEGER GENERATED ALWAYS AS (max(due_at, ifnull(lease_until, due_at))) VIRTUAL,
  -- the backend that this task still needs
  target TEXT GENERATED ALWAYS AS (CASE WHEN step = ${DONE_CODE} THEN NULL WHEN state = ${QUEUED_CODE} THEN needs_backend ELSE backend END) VIRTUAL
) STRICT;

CREATE INDEX task_state ON task (state);
CREATE INDEX task_owner ON task (owner);
CREATE INDEX task_name ON task (name_key) WHERE name_key IS NOT NULL;
CREATE INDEX task_queue ON task (seq, not_before, needs_backend, cpu, ram) WHERE state = ${QUEUED_CODE};
CREATE INDEX task_backoff ON task (not_before) WHERE state = ${QUEUED_CODE} AND not_before IS NOT NULL;
CREATE INDEX task_due ON task (backend, step, wake_at) WHERE due_at IS NOT NULL;
CREATE INDEX task_bound ON task (bound_to) WHERE bound_to IS NOT NULL AND step <> ${DONE_CODE};
CREATE INDEX task_done ON task (done_at) WHERE done_at IS NOT NULL;

CREATE TABLE record (seq INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
CREATE TABLE request (seq INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
CREATE TABLE term (hash BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (hash, seq)) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
  owner INTEGER NOT NULL,
  key TEXT NOT NULL,
  task_id TEXT NOT NULL,
  body_sha256 TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE reservation (
  key TEXT NOT NULL,
  task_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  cpu REAL NOT NULL,
  ram REAL NOT NULL,
  PRIMARY KEY (key, task_id, attempt)
) STRICT, WITHOUT ROWID;

-- Counters, kept by triggers: right in every transaction, never recounted.
CREATE TABLE state_count (state INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT;
CREATE TABLE owner_count (owner INTEGER, state INTEGER, n INTEGER NOT NULL, PRIMARY KEY (owner, state)) STRICT, WITHOUT ROWID;
CREATE TABLE backend_count (backend TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TRIGGER task_inserted AFTER INSERT ON task BEGIN
  INSERT INTO state_count (state, n) VALUES (new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
  INSERT INTO owner_count (owner, state, n) VALUES (new.owner, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER task_moved AFTER UPDATE OF state ON task WHEN old.state <> new.state BEGIN
  UPDATE state_count SET n = n - 1 WHERE state = old.state;
  UPDATE owner_count SET n = n - 1 WHERE owner = old.owner AND state = old.state;
  INSERT INTO state_count (state, n) VALUES (new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
  INSERT INTO owner_count (owner, state, n) VALUES (new.owner, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER task_deleted AFTER DELETE ON task BEGIN
  UPDATE state_count SET n = n - 1 WHERE state = old.state;
  UPDATE owner_count SET n = n - 1 WHERE owner = old.owner AND state = old.state;
END;
CREATE TRIGGER target_inserted AFTER INSERT ON task WHEN new.target IS NOT NULL BEGIN
  INSERT INTO backend_count (backend, n) VALUES (new.target, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER target_lost AFTER UPDATE OF state, step, backend, needs_backend ON task
WHEN old.target IS NOT NULL AND old.target IS NOT new.target BEGIN
  UPDATE backend_count SET n = n - 1 WHERE backend = old.target;
  DELETE FROM backend_count WHERE backend = old.target AND n = 0;
END;
CREATE TRIGGER target_gained AFTER UPDATE OF state, step, backend, needs_backend ON task
WHEN new.target IS NOT NULL AND old.target IS NOT new.target BEGIN
  INSERT INTO backend_count (backend, n) VALUES (new.target, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER target_deleted AFTER DELETE ON task WHEN old.target IS NOT NULL BEGIN
  UPDATE backend_count SET n = n - 1 WHERE backend = old.target;
  DELETE FROM backend_count WHERE backend = old.target AND n = 0;
END;
`,
};

const KEYS_BY_TASK: Migration = {
  about: 'idempotency keys by task',
  sql: 'CREATE INDEX idempotency_task ON idempotency (task_id)',
};

/** Index n takes a file from version n to n + 1. */
export const MIGRATIONS: readonly Migration[] = [
  INITIAL,
  { about: 'queue by class, room as sums', sql: CLASSES_AND_SUMS },
  KEYS_BY_TASK,
  { about: 'no room for tasks that wait for a storage', sql: ROOM_BY_STEP },
  { about: 'groups of tasks, disk and GPUs', sql: GROUPS + MORE_AMOUNTS },
  { about: 'personal API tokens', sql: ACCESS_TOKENS },
  { about: 'credentials of users', sql: SEALED_CREDENTIALS },
];

import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { SIZE_NAMES, SIZES } from '../../task/amounts';
import { DONE_CODE, QUEUED_CODE } from './codes';
import { RECORD_COLUMNS } from './record-codec';

/** In the order of `SIZE_NAMES`. */
const SIZE_COLUMNS = SIZE_NAMES.map((name) => SIZES[name].key);
/** In the order of `encodeColumns`. */
const MUTABLE_COLUMNS = [
  'state',
  'step',
  'revision',
  'due_at',
  'lease_until',
  'lease_holder',
  'not_before',
  'done_at',
  ...SIZE_COLUMNS,
  'backend',
  'bound_to',
  'needs_backend',
  'class',
  'queued_at',
];
const FROM_RECORD = 'FROM task t JOIN record r ON r.seq = t.seq JOIN owner o ON o.seq = t.owner';
const OWNER = '(SELECT seq FROM owner WHERE name = ?)';
const QUEUED = `state = ${QUEUED_CODE}`;
const WAITS = `${QUEUED} AND not_before IS NULL`;

/**
 * Every statement of the store. A test asks SQLite how it would carry each one out, and allows neither a scan of a table
 * nor a sort; only the counters, a handful of rows, and the start may read a whole index.
 */
export const SQL = {
  // Writes
  addOwner: 'INSERT INTO owner (name) VALUES (?) ON CONFLICT DO NOTHING',
  addTask: `INSERT INTO task (${MUTABLE_COLUMNS.join(', ')}, id, name_key, groups, owner)
    VALUES (${MUTABLE_COLUMNS.map(() => '?').join(', ')}, ?, ?, ?, ${OWNER}) ON CONFLICT (id) DO NOTHING`,
  addRecord: 'INSERT INTO record (seq, json) VALUES (?, ?)',
  addRequest: 'INSERT INTO request (seq, json) VALUES (?, ?)',
  addTerm: 'INSERT INTO term (hash, seq) VALUES (?, ?) ON CONFLICT DO NOTHING',
  addKey: `INSERT INTO idempotency (owner, key, task_id, body_sha256, expires_at) VALUES (${OWNER}, ?, ?, ?, ?)
    ON CONFLICT (owner, key) DO UPDATE SET task_id = excluded.task_id, body_sha256 = excluded.body_sha256, expires_at = excluded.expires_at
    WHERE expires_at <= ?`,
  key: `SELECT task_id, body_sha256 FROM idempotency WHERE owner = ${OWNER} AND key = ?`,
  keyNow: `SELECT task_id, body_sha256 FROM idempotency WHERE owner = ${OWNER} AND key = ? AND expires_at > ?`,
  expiredKeys: 'SELECT owner, key FROM idempotency WHERE expires_at <= ? LIMIT 8',
  dropKey: 'DELETE FROM idempotency WHERE owner = ? AND key = ?',
  updateTask: `UPDATE task SET ${MUTABLE_COLUMNS.map((column) => `${column} = ?`).join(', ')} WHERE id = ? AND revision = ? RETURNING seq`,
  updateRecord: 'UPDATE record SET json = ? WHERE seq = ?',
  leaveOwner: 'UPDATE owner_count SET n = n - 1 WHERE (owner, state) = (SELECT owner, state FROM task WHERE id = ? AND revision = ?)',
  setOwner: `UPDATE task SET owner = ${OWNER} WHERE id = ?`,
  joinOwner: `INSERT INTO owner_count (owner, state, n) SELECT owner, state, 1 FROM task WHERE id = ?
    ON CONFLICT DO UPDATE SET n = n + 1`,
  setMeta: 'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',

  // One task
  state: 'SELECT state FROM task WHERE id = ?',
  stateOwned: 'SELECT t.state, o.name, t.groups FROM task t JOIN owner o ON o.seq = t.owner WHERE t.id = ?',
  record: `SELECT ${RECORD_COLUMNS} ${FROM_RECORD} WHERE t.id = ?`,
  recordAt: `SELECT ${RECORD_COLUMNS} ${FROM_RECORD} WHERE t.seq = ?`,
  stored: `SELECT ${RECORD_COLUMNS}, q.json ${FROM_RECORD} JOIN request q ON q.seq = t.seq WHERE t.id = ?`,
  seq: 'SELECT seq FROM task WHERE id = ?',
  jsonAt: 'SELECT json FROM record WHERE seq = ?',

  // Pages: rows of one list, newest first
  pageOfAll: 'SELECT id, state FROM task WHERE seq < ? ORDER BY seq DESC LIMIT ?',
  pageOfState: 'SELECT id, state FROM task WHERE state = ? AND seq < ? ORDER BY seq DESC LIMIT ?',
  pageOfOwner: `SELECT id, state FROM task WHERE owner = ${OWNER} AND seq < ? ORDER BY seq DESC LIMIT ?`,
  pageOfTerm: `SELECT t.id, t.state FROM term m CROSS JOIN task t ON t.seq = m.seq
    WHERE m.hash = ? AND m.seq < ? ORDER BY m.seq DESC LIMIT ?`,
  pageOldest: 'SELECT seq, id FROM task WHERE seq > ? ORDER BY seq LIMIT ?',
  minimalAmong: 'SELECT t.id, t.state FROM json_each(?) chosen CROSS JOIN task t ON t.seq = chosen.value',
  // Pages: the next places of one list, for walking several together
  seekState: 'SELECT seq FROM task WHERE state = ? AND seq <= ? ORDER BY seq DESC LIMIT ?',
  seekOwner: `SELECT seq FROM task WHERE owner = ${OWNER} AND seq <= ? ORDER BY seq DESC LIMIT ?`,
  seekTerm: 'SELECT seq FROM term WHERE hash = ? AND seq <= ? ORDER BY seq DESC LIMIT ?',
  newest: 'SELECT max(seq) FROM task',
  seqsOfName: 'SELECT seq FROM task INDEXED BY task_name WHERE name_key >= ? AND name_key < ? AND seq < ? LIMIT ? OFFSET ?',
  seqsOfNameFrom: 'SELECT seq FROM task INDEXED BY task_name WHERE name_key >= ? AND seq < ? LIMIT ? OFFSET ?',
  namesBetween: `SELECT seq FROM task WHERE seq <= ?1 AND seq > ?2 AND +name_key >= ?3 AND (?4 IS NULL OR +name_key < ?4)
    ORDER BY seq DESC LIMIT ?5`,

  // The queue
  queueClasses: `SELECT c.class, c.n, t.seq, t.queued_at FROM class_count c CROSS JOIN task t
    ON t.seq = (SELECT seq FROM task INDEXED BY task_queue WHERE ${WAITS} AND class = c.class ORDER BY seq LIMIT 1)`,
  queueHead: `SELECT seq, ${SIZE_COLUMNS.join(', ')}
    FROM (SELECT seq, ${SIZE_COLUMNS.join(', ')} FROM task INDEXED BY task_queue WHERE ${WAITS} AND class = ? AND seq > ? ORDER BY seq LIMIT ?) AS queued
    WHERE ${SIZE_COLUMNS.map((column) => `${column} <= ?`).join(' AND ')}`,
  queueSkip: `SELECT seq FROM task INDEXED BY task_queue WHERE ${WAITS} AND class = ? AND seq > ? ORDER BY seq LIMIT 1 OFFSET ?`,
  pausesOver: `SELECT seq FROM task INDEXED BY task_backoff WHERE ${QUEUED} AND not_before IS NOT NULL AND not_before <= ? LIMIT ?`,
  endPause: 'UPDATE task SET not_before = NULL WHERE seq = ?',
  longestQueued: `SELECT min(queued_at) FROM task INDEXED BY task_queued_at WHERE ${QUEUED}`,
  queuedBefore: `SELECT seq FROM task INDEXED BY task_queued_at WHERE ${QUEUED} AND queued_at < ? ORDER BY queued_at LIMIT ?`,
  nextNotBefore: `SELECT min(not_before) FROM task INDEXED BY task_backoff WHERE ${QUEUED} AND not_before IS NOT NULL`,

  // What is due; of each backend and step, in one call, when its first task is
  wakes: wakes(''),
  wakesBound: wakes('AND bound_to = ?'),
  due: `SELECT seq, wake_at FROM task INDEXED BY task_due
    WHERE backend IS ? AND step = ? AND due_at IS NOT NULL AND wake_at <= ? ORDER BY wake_at LIMIT ?`,
  dueBound: `SELECT seq, wake_at FROM task INDEXED BY task_due
    WHERE backend IS ? AND step = ? AND due_at IS NOT NULL AND wake_at <= ? AND bound_to = ? ORDER BY wake_at LIMIT ?`,
  lease: 'UPDATE task SET lease_holder = ?, lease_until = ?, due_at = ?, revision = revision + 1 WHERE seq = ?',
  renew: 'UPDATE task SET lease_until = ?, due_at = ? WHERE id = ? AND lease_holder = ?',
  postpone: 'UPDATE task SET due_at = ? WHERE id = ? AND revision = ? AND due_at = ?',

  // Room in use
  /** In the order of `AMOUNTS`. */
  room: `SELECT ${SIZE_COLUMNS.join(', ')}, jobs FROM room WHERE key = ?`,

  // Counters and the rest
  counts: 'SELECT state, n FROM state_count',
  countsOwned: `SELECT state, n FROM owner_count WHERE owner = ${OWNER}`,
  owners: 'SELECT name FROM owner WHERE name > ? ORDER BY name LIMIT ?',
  countsOfGroup: 'SELECT state, n FROM group_count WHERE name = ?',
  backendCounts: 'SELECT backend, n FROM backend_count',
  stateCount: 'SELECT n FROM state_count WHERE state = ?',
  boundTo: `SELECT seq FROM task INDEXED BY task_bound WHERE bound_to = ? AND step <> ${DONE_CODE} ORDER BY seq LIMIT ?`,
  nextBoundTo: `SELECT bound_to FROM task INDEXED BY task_bound WHERE bound_to > ? AND step <> ${DONE_CODE} ORDER BY bound_to LIMIT 1`,
  onBackend: 'SELECT seq FROM task INDEXED BY task_due WHERE backend = ? AND due_at IS NOT NULL LIMIT ?',
  doneBefore: `SELECT seq, done_at FROM task INDEXED BY task_done
    WHERE done_at IS NOT NULL AND (done_at, seq) > (?, ?) AND done_at < ? ORDER BY done_at, seq LIMIT ?`,
  youngKey: `SELECT 1 FROM idempotency INDEXED BY idempotency_task
    WHERE task_id = (SELECT id FROM task WHERE seq = ?) AND expires_at > ?`,
  dropTask: 'DELETE FROM task WHERE seq = ? RETURNING id',
  dropRecord: 'DELETE FROM record WHERE seq = ?',
  dropRequest: 'DELETE FROM request WHERE seq = ?',
  freePages: 'PRAGMA freelist_count',
  dropTerm: 'DELETE FROM term WHERE hash = ? AND seq = ?',

  // Personal API tokens
  addToken: 'INSERT INTO access_token (id, owner, expires_at, json) VALUES (?, ?, ?, ?)',
  token: 'SELECT json FROM access_token WHERE id = ?',
  tokensOf: 'SELECT json FROM access_token WHERE owner = ?',
  tokenOwners: 'SELECT DISTINCT owner FROM access_token INDEXED BY access_token_owner WHERE owner > ? ORDER BY owner LIMIT ?',
  tokenCount: 'SELECT count(*) FROM access_token WHERE owner = ?',
  dropExpiredTokens: 'DELETE FROM access_token WHERE owner = ? AND expires_at <= ?',
  dropToken: 'DELETE FROM access_token WHERE owner = ? AND id = ? RETURNING id',
  dropTokensOf: 'DELETE FROM access_token WHERE owner = ? RETURNING id',

  // Credentials of users
  addCredential: 'INSERT INTO credential (owner, id, kind, key_id, json) VALUES (?, ?, ?, ?, ?)',
  replaceCredential: 'UPDATE credential SET key_id = ?, json = ? WHERE owner = ? AND id = ?',
  credential: 'SELECT json FROM credential WHERE owner = ? AND id = ?',
  credentialsOf: 'SELECT json FROM credential WHERE owner = ? AND kind = ?',
  credentialCount: 'SELECT count(*) FROM credential WHERE owner = ?',
  dropCredential: 'DELETE FROM credential WHERE owner = ? AND id = ?',
  nextCredentialKey: 'SELECT key_id FROM credential INDEXED BY credential_key WHERE key_id > ? ORDER BY key_id LIMIT 1',
  credentialsUnder: 'SELECT json FROM credential WHERE key_id = ? LIMIT ?',

  // At start
  meta: 'SELECT value FROM meta WHERE key = ?',
  dueTooFar: 'SELECT seq FROM task INDEXED BY task_due WHERE due_at IS NOT NULL AND wake_at > ?',
  leased: 'SELECT seq FROM task INDEXED BY task_due WHERE due_at IS NOT NULL AND lease_until IS NOT NULL',
  dueNow: 'UPDATE task SET due_at = ?, lease_until = NULL, lease_holder = NULL WHERE seq = ?',
  backoffTooFar: `SELECT seq FROM task INDEXED BY task_backoff WHERE ${QUEUED} AND not_before IS NOT NULL AND not_before > ?`,
  notBeforeNow: 'UPDATE task SET not_before = ? WHERE seq = ?',
} as const;

/** For lists of backends and of step codes, as JSON: the time of the first task in each range of the index that has one. */
function wakes(condition: string): string {
  return `WITH ranges (backend, step, wake_at) AS MATERIALIZED (
      SELECT chosen.value, chosen_step.value, (SELECT wake_at FROM task INDEXED BY task_due
        WHERE backend IS chosen.value AND step = chosen_step.value AND due_at IS NOT NULL ${condition} ORDER BY wake_at LIMIT 1)
      FROM json_each(?) AS chosen CROSS JOIN json_each(?) AS chosen_step)
    SELECT backend, step, wake_at FROM ranges WHERE wake_at IS NOT NULL`;
}

/** The rows of a statement, as arrays; `Row` is the shape its SELECT says. */
export function rows<Row extends readonly SQLOutputValue[]>(statement: StatementSync, ...values: SQLInputValue[]): Row[] {
  return statement.all(...values) as unknown as Row[];
}

/** The first row, if there is one. */
export function row<Row extends readonly SQLOutputValue[]>(statement: StatementSync, ...values: SQLInputValue[]): Row | undefined {
  return statement.get(...values) as unknown as Row | undefined;
}

/** Prepared once; rows come as arrays. */
export type Statements = Readonly<Record<keyof typeof SQL, StatementSync>>;

export function prepareStatements(db: DatabaseSync): Statements {
  const prepared: Partial<Record<keyof typeof SQL, StatementSync>> = {};
  for (const name of Object.keys(SQL) as (keyof typeof SQL)[]) {
    const statement = db.prepare(SQL[name]);
    statement.setReturnArrays(true);
    prepared[name] = statement;
  }
  return prepared as Statements;
}

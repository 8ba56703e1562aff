import type { AssignResult } from '../../ports/store/task-queue';
import type { IdempotencyKey, InsertResult } from '../../ports/store/task-records';
import { AMOUNTS, type Amounts, amountsBy, type Capacity, fits, NOTHING } from '../../task/amounts';
import { roomOf } from '../../task/room';
import type { TaskRecord } from '../../task/task-record';
import { encodeColumns, encodeJson, groupsText, nameKey, termsOf } from './record-codec';
import { row, rows, type Statements } from './statements';

/** A task as it will be written, worked out before the transaction so that nothing but SQLite's own work is done inside. */
export interface PreparedInsert {
  readonly task: TaskRecord;
  readonly requestJson: string;
  readonly recordJson: string;
  readonly terms: readonly Uint8Array[];
  readonly key: IdempotencyKey | undefined;
}

export function prepareInsert(requestJson: string, task: TaskRecord, key: IdempotencyKey | undefined): PreparedInsert {
  return { task, requestJson, recordJson: encodeJson(task), terms: termsOf(task), key };
}

/** Inside a transaction. Throws when the id exists; the group commit then leaves nothing of it. */
export function insertTask(statements: Statements, insert: PreparedInsert, now: number): InsertResult {
  const { task, key } = insert;
  statements.addOwner.run(task.owner);
  if (key !== undefined) {
    const known = takeKey(statements, key, task, now);
    if (known !== undefined) return known;
  }
  const added = statements.addTask.run(...encodeColumns(task), task.id, nameKey(task.name), groupsText(task), task.owner);
  if (added.changes === 0) throw new Error(`A task with the id ${task.id} is stored already`);
  const seq = added.lastInsertRowid;
  statements.addRecord.run(seq, insert.recordJson);
  statements.addRequest.run(seq, insert.requestJson);
  for (const term of insert.terms) statements.addTerm.run(term, seq);
  return { kind: 'inserted' };
}

/** Takes the key for this task, or answers whose it is. A key that is over is free, and a few of those are swept on the way. */
function takeKey(statements: Statements, key: IdempotencyKey, task: TaskRecord, now: number): InsertResult | undefined {
  const taken = statements.addKey.run(task.owner, key.key, task.id, key.bodySha256, now + key.ttlMs, now);
  if (taken.changes === 0) {
    const known = row<[id: string, bodySha256: string]>(statements.key, task.owner, key.key);
    if (known === undefined) throw new Error('An idempotency key is neither free nor taken');
    return { kind: 'existing', id: known[0], sameBody: known[1] === key.bodySha256 };
  }
  for (const [owner, over] of rows<[number, string]>(statements.expiredKeys, now)) statements.dropKey.run(owner, over);
  return undefined;
}

/** Inside a transaction. */
export function replaceTask(statements: Statements, next: TaskRecord, recordJson: string, expectedRevision: number): boolean {
  const updated = row<[number]>(statements.updateTask, ...encodeColumns(next), next.id, expectedRevision);
  if (updated === undefined) return false;
  statements.updateRecord.run(recordJson, updated[0]);
  return true;
}

/** Inside a transaction; no trigger counts an owner that changes. */
export function giveTask(statements: Statements, next: TaskRecord, recordJson: string, expectedRevision: number): boolean {
  if (statements.leaveOwner.run(next.id, expectedRevision).changes === 0) return false;
  statements.addOwner.run(next.owner);
  statements.setOwner.run(next.owner, next.id);
  statements.joinOwner.run(next.id);
  return replaceTask(statements, next, recordJson, expectedRevision);
}

/** Inside a transaction; a trigger counts the room. */
export function assignTask(
  statements: Statements,
  next: TaskRecord,
  recordJson: string,
  expectedRevision: number,
  capacity: Capacity,
): AssignResult {
  const room = roomOf(next);
  if (room !== undefined && !fits(usedRoom(statements, room.key), room.amounts, capacity)) return 'full';
  return replaceTask(statements, next, recordJson, expectedRevision) ? 'assigned' : 'lost';
}

export function usedRoom(statements: Statements, key: string): Amounts {
  const used = row<number[]>(statements.room, key);
  return used === undefined ? NOTHING : amountsBy((name) => used[AMOUNTS.indexOf(name)]);
}

/** Where a walk along the tasks that are done stands. */
export interface DonePlace {
  readonly doneAt: number;
  readonly seq: number;
}
export const FIRST_DONE: DonePlace = { doneAt: Number.MIN_SAFE_INTEGER, seq: 0 };

/**
 * Inside a transaction. Looks at the next `limit` tasks that ended before, and deletes those for which no key stands any more. Returns their
 * ids, and where to go on; `undefined` at the end.
 */
export function deleteDone(
  statements: Statements,
  after: DonePlace,
  endedBefore: number,
  limit: number,
  now: number,
): { readonly ids: readonly string[]; readonly next: DonePlace | undefined } {
  const found = rows<[seq: number, doneAt: number]>(statements.doneBefore, after.doneAt, after.seq, endedBefore, limit);
  const ids: string[] = [];
  for (const [seq] of found) {
    if (row(statements.youngKey, seq, now) !== undefined) continue;
    const json = row<[string]>(statements.jsonAt, seq)?.[0];
    const terms = json === undefined ? [] : termsOf(JSON.parse(json) as TaskRecord);
    for (const term of terms) statements.dropTerm.run(term, seq);
    statements.dropRequest.run(seq);
    statements.dropRecord.run(seq);
    const dropped = row<[string]>(statements.dropTask, seq);
    if (dropped !== undefined) ids.push(dropped[0]);
  }
  const [seq, doneAt] = found.at(-1) ?? [];
  return { ids, next: found.length < limit || seq === undefined || doneAt === undefined ? undefined : { doneAt, seq } };
}

import { hash } from 'node:crypto';
import type { SQLInputValue } from 'node:sqlite';
import { queueClass } from '../../task/queue-class';
import { SIZE_NAMES } from '../../task/amounts';
import type { TaskRecord } from '../../task/task-record';
import { DONE_CODE, stateCode, stateOf, stepCode, stepOf } from './codes';

/** What the columns hold; everything else of a record is its JSON. The key columns are authoritative and are not in the JSON. */
type InColumns = 'id' | 'owner' | 'state' | 'step' | 'revision' | 'backend' | 'boundTo' | 'dueAt' | 'notBefore' | 'lease';
type InJson = Omit<TaskRecord, InColumns>;

/** A row of `RECORD_COLUMNS`, in that order. */
export type RecordRow = readonly [
  id: string,
  owner: string,
  state: number,
  step: number,
  revision: number,
  backend: string | null,
  boundTo: string | null,
  dueAt: number | null,
  notBefore: number | null,
  leaseHolder: string | null,
  leaseUntil: number | null,
  json: string,
];

/** The same with the request's text. */
export type StoredRow = readonly [...record: RecordRow, requestJson: string];

/** Of `task t`, `owner o`, `record r`. */
export const RECORD_COLUMNS =
  't.id, o.name, t.state, t.step, t.revision, t.backend, t.bound_to, t.due_at, t.not_before, t.lease_holder, t.lease_until, r.json';

/** Code units of a name that the index keeps; a longer prefix is compared with the record. */
export const NAME_KEY_LENGTH = 64;

export function decodeRecord(row: RecordRow | StoredRow): TaskRecord {
  const [id, owner, state, step, revision, backend, boundTo, dueAt, notBefore, leaseHolder, leaseUntil, json] = row;
  const task: { -readonly [Member in keyof TaskRecord]: TaskRecord[Member] } = {
    ...(JSON.parse(json) as InJson),
    id,
    owner,
    state: stateOf(state),
    step: stepOf(step),
    revision,
  };
  if (backend !== null) task.backend = backend;
  if (boundTo !== null) task.boundTo = boundTo;
  if (dueAt !== null) task.dueAt = dueAt;
  if (notBefore !== null) task.notBefore = notBefore;
  if (leaseHolder !== null && leaseUntil !== null) task.lease = { holder: leaseHolder, until: leaseUntil };
  return task;
}

/** What the columns do not hold. Taken out one by one: a member added to the record later is then kept here, never forgotten. */
export function encodeJson(task: TaskRecord): string {
  const inColumns: Record<InColumns, undefined> = {
    id: undefined,
    owner: undefined,
    state: undefined,
    step: undefined,
    revision: undefined,
    backend: undefined,
    boundTo: undefined,
    dueAt: undefined,
    notBefore: undefined,
    lease: undefined,
  };
  return JSON.stringify({ ...task, ...inColumns });
}

/** Values for the columns an update may change, in the order of `MUTABLE_COLUMNS` in `statements.ts`. */
export function encodeColumns(task: TaskRecord): SQLInputValue[] {
  const step = stepCode(task.step);
  const size = task.given ?? task.needs;
  const isQueued = task.state === 'QUEUED';
  return [
    stateCode(task.state),
    step,
    task.revision,
    task.dueAt ?? null,
    task.lease?.until ?? null,
    task.lease?.holder ?? null,
    task.notBefore ?? null,
    step === DONE_CODE ? (task.endedAt ?? task.createdAt) : null,
    ...SIZE_NAMES.map((name) => size[name] ?? 0),
    task.backend ?? null,
    task.boundTo ?? null,
    task.needs.backend ?? null,
    isQueued ? queueClass(task.needs) : null,
    isQueued ? (task.queuedAt ?? task.createdAt) : null,
  ];
}

/** For the counters of groups; `null` = none. */
export function groupsText({ groups = [] }: TaskRecord): string | null {
  return groups.length > 0 ? JSON.stringify(groups) : null;
}

export function nameKey(name: string | undefined): string | null {
  return name === undefined ? null : name.slice(0, NAME_KEY_LENGTH);
}

/**
 * The smallest string after every string that starts with `prefix`, in the order of UTF-8 bytes (SQLite's BINARY);
 * `undefined` when there is none, that is, when every character is the last of all.
 */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix, (char) => char.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue;
    const next = last === 0xd7ff ? 0xe000 : last + 1;
    return String.fromCodePoint(...points.slice(0, NAME_KEY_LENGTH), next);
  }
  return undefined;
}

const TERM_BYTES = 16;
/** Terms that are kept, and the longest text of one. A workflow sends the same tags with each of its tasks, and a hash costs more than the rest of a term. */
const MOST_KEPT = 2000;
const LONGEST_KEPT = 256;
const kept = new Map<string, Uint8Array>();

/** The term for "has this tag", with any value when `value` is absent. */
export function tagTerm(key: string, value?: string): Uint8Array {
  return term(JSON.stringify(value === undefined ? [key] : [key, value]));
}

/** The term for "was created by a member of this group". */
export function groupTerm(group: string): Uint8Array {
  return term(JSON.stringify({ group }));
}

function term(text: string): Uint8Array {
  const known = kept.get(text);
  if (known) return known;
  const made = hash('sha256', text, 'buffer').subarray(0, TERM_BYTES);
  if (kept.size >= MOST_KEPT) kept.clear();
  if (text.length <= LONGEST_KEPT) kept.set(text, made);
  return made;
}

/** Every term of a task. */
export function termsOf({ tags, groups = [] }: Pick<TaskRecord, 'tags' | 'groups'>): Uint8Array[] {
  return [...Object.entries(tags).flatMap(([key, value]) => [tagTerm(key), tagTerm(key, value)]), ...groups.map(groupTerm)];
}

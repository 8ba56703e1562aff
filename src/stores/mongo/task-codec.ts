import { hash } from 'node:crypto';
import type { IdempotencyKey } from '../../ports/store/task-records';
import { queueClass } from '../../task/queue-class';
import { type Size, SIZE_NAMES, type SizeName, SIZES } from '../../task/amounts';
import { roomOf } from '../../task/room';
import type { TaskRecord } from '../../task/task-record';
import { type RecordText, unpackRecord } from './record-text';
import type { TaskDocument } from './schemas';
import { nameKey, NAME_LENGTH, termsOf } from './search-terms';
import { wellFormed } from './well-formed';

/** Members of a record that have a field of their own and are not in its text. */
type InFields = 'id' | 'state' | 'step' | 'revision' | 'backend' | 'boundTo' | 'dueAt' | 'notBefore' | 'lease';

/** The fields that an update replaces. */
const CHANGING = [
  'state',
  'step',
  'revision',
  'backend',
  'boundTo',
  'dueAt',
  'notBefore',
  'lease',
  'wakeAt',
  'reach',
  'readyAt',
  'class',
  'queuedAt',
  'room',
  'cpu',
  'ram',
  'disk',
  'gpus',
  'target',
  'bound',
  'doneAt',
  'record',
  'recordBytes',
] as const satisfies readonly (keyof TaskDocument)[];
export type ChangingFields = Pick<TaskDocument, (typeof CHANGING)[number]>;

/** What a query has to ask for to get a record back. */
export const RECORD_FIELDS = {
  state: 1,
  step: 1,
  revision: 1,
  backend: 1,
  boundTo: 1,
  dueAt: 1,
  notBefore: 1,
  lease: 1,
  record: 1,
} as const;
export type RecordDocument = Pick<TaskDocument, '_id' | keyof typeof RECORD_FIELDS>;

/**
 * Who can look after a task's job: any gateway that serves the backend, or only the instance that it is bound to. What has no backend
 * yet is anyone's.
 */
export function reachOf(backend: string | undefined, boundTo: string | undefined): string {
  return JSON.stringify(boundTo === undefined ? [backend ?? null] : [backend ?? null, boundTo]);
}

export function decodeRecord(document: RecordDocument): TaskRecord {
  const { _id, state, step, revision, backend, boundTo, dueAt, notBefore, lease, record } = document;
  return {
    ...(JSON.parse(unpackRecord(record)) as Omit<TaskRecord, InFields>),
    id: _id,
    state,
    step,
    revision,
    ...(backend !== undefined && { backend }),
    ...(boundTo !== undefined && { boundTo }),
    ...(dueAt !== undefined && { dueAt }),
    ...(notBefore !== undefined && { notBefore }),
    ...(lease !== undefined && { lease: { holder: lease.holder, until: lease.until } }),
  };
}

/** Taken out one by one: a member added to the record later is then kept in the text, never forgotten. */
export function encodeRecord(task: TaskRecord): string {
  const inFields: Record<InFields, undefined> = {
    id: undefined,
    state: undefined,
    step: undefined,
    revision: undefined,
    backend: undefined,
    boundTo: undefined,
    dueAt: undefined,
    notBefore: undefined,
    lease: undefined,
  };
  return JSON.stringify({ ...task, ...inFields });
}

export function changingFields(task: TaskRecord, text: RecordText): ChangingFields {
  const { state, step, revision, backend, boundTo, dueAt, notBefore, lease, needs } = task;
  const isDone = step === 'done';
  const isQueued = state === 'QUEUED';
  const target = isQueued ? needs.backend : backend;
  const room = roomOf(task);
  const size = task.given ?? needs;
  return {
    state,
    step,
    revision,
    ...(backend !== undefined && { backend }),
    ...(boundTo !== undefined && { boundTo }),
    ...(dueAt !== undefined && {
      dueAt,
      wakeAt: Math.max(dueAt, lease?.until ?? dueAt),
      reach: reachOf(backend, boundTo),
    }),
    ...(notBefore !== undefined && { notBefore }),
    ...(lease !== undefined && { lease: { holder: lease.holder, until: lease.until } }),
    ...(isQueued && { readyAt: notBefore ?? 0, class: queueClass(needs), queuedAt: task.queuedAt ?? task.createdAt }),
    ...(room !== undefined && { room: room.key }),
    ...((isQueued || room !== undefined) && sizeFields(size)),
    ...(!isDone && target !== undefined && { target }),
    ...(!isDone && boundTo !== undefined && { bound: boundTo }),
    ...(isDone && { doneAt: task.endedAt ?? task.createdAt }),
    ...text,
  };
}

/** What is none is left out. */
export function sizeFields(size: Size): Pick<TaskDocument, (typeof SIZES)[SizeName]['key']> {
  return Object.fromEntries(SIZE_NAMES.flatMap((name) => (size[name] === undefined ? [] : [[SIZES[name].key, size[name]]])));
}

/** The same as an update: what is not there any more is taken away. */
export function changesOf(fields: ChangingFields): { $set: Partial<TaskDocument>; $unset: Partial<Record<keyof TaskDocument, true>> } {
  const $unset: Partial<Record<keyof TaskDocument, true>> = {};
  for (const field of CHANGING) if (fields[field] === undefined) $unset[field] = true;
  return { $set: fields, $unset };
}

/** The fields that say whose it is. */
export function ownerFields(task: TaskRecord): Pick<TaskDocument, 'owner' | 'terms'> {
  return { owner: wellFormed(task.owner), terms: termsOf(task, task.name === undefined ? undefined : nameKey(task.name)) };
}

/** All of a new task's document that does not depend on when and where it is stored. */
export function newDocument(task: TaskRecord, text: RecordText, requestJson: string): Omit<TaskDocument, 'place' | 'writes'> {
  const key = task.name === undefined ? undefined : nameKey(task.name);
  const whole = task.name === undefined ? '' : wellFormed(task.name);
  return {
    _id: task.id,
    ...ownerFields(task),
    ...(task.groups && { groups: task.groups.map(wellFormed) }),
    ...(key !== undefined && { name: key }),
    ...(whole.length > NAME_LENGTH && { longName: whole }),
    ...changingFields(task, text),
    requestBytes: Buffer.byteLength(requestJson),
  };
}

export function keyFields(owner: string, key: IdempotencyKey, now: number): Required<Pick<TaskDocument, 'key' | 'keyBody' | 'keyUntil'>> {
  return { key: hash('sha256', JSON.stringify([owner, key.key]), 'base64url'), keyBody: key.bodySha256, keyUntil: now + key.ttlMs };
}

import { type Connection, type Model, type mongo, Schema } from 'mongoose';
import { type Amounts, SIZE_NAMES, SIZES } from '../../task/amounts';
import type { TaskStep } from '../../task/task-record';
import type { TesState } from '../../task/tes';

/**
 * One task. The members above `record` are what queries and compare-and-swaps look at; where both have a member, the field is the truth
 * and the text does not hold it. `record` is text, not a document: it gives back every string and key that a client may invent (NUL,
 * `$ref`, `_bsontype`, half a surrogate pair), which BSON does not.
 */
export interface TaskDocument {
  _id: string;
  /** Order of creation, see `creation-order.ts`. */
  place: mongo.ObjectId;
  /** Escaped, see `well-formed.ts`. */
  owner: string;
  /** Where there are any, escaped as well. */
  groups?: string[];
  state: TesState;
  step: TaskStep;
  revision: number;
  /** Marks of the last few writes, oldest first: whether a write whose answer was lost has happened. */
  writes: string[];
  backend?: string;
  boundTo?: string;
  dueAt?: number;
  notBefore?: number;
  lease?: { holder: string; until: number };

  /** Copies for the indexes; each is there only while it means something. */
  /** Escaped beginning of the name; `longName` all of it where that is longer. */
  name?: string;
  longName?: string;
  /** Tags and beginnings of the name, see `search-terms.ts`. */
  terms: string[];
  /** When `claimDue` may take it, and who can reach it, see `due-tasks.ts`. */
  wakeAt?: number;
  reach?: string;
  /** While QUEUED: its class, since when, and when its pause ends (0 = it is in none). */
  class?: string;
  queuedAt?: number;
  readyAt?: number;
  /** While it uses room: the key of that. */
  room?: string;
  /** While either: what it needs, or was given. */
  cpu?: number;
  ram?: number;
  disk?: number;
  gpus?: number;
  /** While not done: the backend it needs; the instance it is bound to. */
  target?: string;
  bound?: string;
  /** Once done: when it ended. */
  doneAt?: number;
  /** Idempotency key: hash of owner and key, hash of the body, until when. */
  key?: string;
  keyBody?: string;
  keyUntil?: number;

  /** JSON; packed when it is long, see `record-text.ts`. */
  record: string | mongo.Binary;
  recordBytes: number;
  /** What the client sent, or how many documents of `requests` hold it. */
  request?: string;
  requestParts?: number;
  requestBytes: number;
}

/** A piece of a request that is too long for its task's document: `_id` is `<task id>/<number>`. */
export interface RequestPartDocument {
  _id: string;
  text: string;
  /** For the sweep of pieces whose task never came. */
  at: Date;
}

/** Room in use under one key, with the marks of its last writes. */
export interface RoomDocument {
  _id: string;
  used: Amounts;
  writes: string[];
}

/** Tasks by state: of all, of one scope, or of one class of the queue. */
export interface CountDocument {
  _id: string;
  states: Partial<Record<TesState, number>>;
}

/** The process that has the store open under a name, which is `_id`, and when it last said so. One that falls silent took its last counts with it. */
export interface GatewayDocument {
  _id: string;
  instance: string;
  /** Made by the process for itself. */
  owner: string;
  /** Its data directory, of which it has the lock; '' = not told. */
  home: string;
  host: string;
  pid: number;
  /** Store time, ms. */
  seen: number;
  /** What it has published, as JSON: `backends` of this version. */
  backends?: string;
  /** A command of an operator's: it is no gateway, though its counts may be lost as well. */
  isTool?: boolean;
}

/** The personal API tokens of one owner, which is `_id`, escaped: one document, so that a bound on their number is part of the write. */
export interface TokensDocument {
  _id: string;
  /** In the order in which they were made; `json` is all of it. */
  tokens: { id: string; expiresAt: number; json: string }[];
}

/** The credentials of one owner, which is `_id`, escaped: one document, as with tokens. */
export interface CredentialsDocument {
  _id: string;
  /** `id` is kind and target; `json` is all of it. */
  credentials: { id: string; keyId: string; json: string }[];
}

/** The store's own notes, each under its own `_id`. */
export interface MetaDocument {
  _id: string;
  [member: string]: unknown;
}

const SIZE_KEYS = SIZE_NAMES.map((name) => SIZES[name].key);
const SIZE_INDEX = Object.fromEntries(SIZE_KEYS.map((key) => [key, 1 as const]));
export const CLASS_INDEX = { class: 1, readyAt: 1, place: 1, queuedAt: 1, ...SIZE_INDEX } as const;
export const ROOM_INDEX = { room: 1, ...SIZE_INDEX } as const;

const required = true;
const plain = { autoIndex: false, autoCreate: false, versionKey: false, strict: true } as const;
const present = (field: string): { partialFilterExpression: object } => ({ partialFilterExpression: { [field]: { $exists: true } } });

/** Indexed fields by type; everything else is in `record`. */
const taskSchema = new Schema(
  {
    _id: String,
    place: { type: Schema.Types.ObjectId, required },
    owner: { type: String, required },
    groups: { type: [String], default: undefined },
    state: { type: String, required },
    step: { type: String, required },
    revision: { type: Number, required },
    terms: [String],
    name: String,
    wakeAt: Number,
    reach: String,
    readyAt: Number,
    class: String,
    queuedAt: Number,
    room: String,
    ...Object.fromEntries(SIZE_KEYS.map((key) => [key, Number])),
    target: String,
    bound: String,
    doneAt: Number,
    key: String,
    record: { type: Schema.Types.Mixed, required },
  },
  { ...plain, collection: 'tasks' },
);
/** What each is for is in README.md, where the queries are. */
taskSchema.index({ place: -1 });
taskSchema.index({ owner: 1, place: -1 });
taskSchema.index({ state: 1, place: -1 });
taskSchema.index({ owner: 1, state: 1, place: -1 });
taskSchema.index({ terms: 1, place: -1 });
taskSchema.index({ groups: 1, state: 1 }, present('groups'));
taskSchema.index({ name: 1, place: -1 }, present('name'));
taskSchema.index({ reach: 1, step: 1, wakeAt: 1 }, present('wakeAt'));
taskSchema.index(CLASS_INDEX, present('class'));
taskSchema.index({ queuedAt: 1 }, present('queuedAt'));
taskSchema.index(ROOM_INDEX, present('room'));
taskSchema.index({ readyAt: 1 }, { partialFilterExpression: { readyAt: { $gt: 0 } } });
taskSchema.index({ target: 1 }, present('target'));
taskSchema.index({ bound: 1, place: 1 }, present('bound'));
taskSchema.index({ doneAt: 1 }, present('doneAt'));
taskSchema.index({ key: 1 }, { ...present('key'), unique: true });

const partSchema = new Schema({ _id: String, text: { type: String, required }, at: Date }, { ...plain, collection: 'requests' });
partSchema.index({ at: 1 });

const roomSchema = new Schema({ _id: String, used: Schema.Types.Mixed, writes: [String] }, { ...plain, collection: 'rooms' });
const countSchema = new Schema({ _id: String, states: Schema.Types.Mixed }, { ...plain, collection: 'counts' });
const gatewaySchema = new Schema({ _id: String, instance: String, seen: Number, isTool: Boolean }, { ...plain, collection: 'gateways' });
gatewaySchema.index({ seen: 1 });
gatewaySchema.index({ instance: 1 });
const tokensSchema = new Schema({ _id: String, tokens: [Schema.Types.Mixed] }, { ...plain, collection: 'tokens' });
tokensSchema.index({ 'tokens.id': 1 });
const credentialsSchema = new Schema({ _id: String, credentials: [Schema.Types.Mixed] }, { ...plain, collection: 'credentials' });
credentialsSchema.index({ 'credentials.keyId': 1 });
const metaSchema = new Schema({ _id: String }, { ...plain, strict: false, collection: 'meta' });

/** Every collection, as the driver's own: documents are plain objects, nothing is cast or hydrated on the hot paths. */
export interface Collections {
  readonly tasks: mongo.Collection<TaskDocument>;
  /** The same tasks, for questions and marks that a lost write or a rolled back read does not harm. */
  readonly looks: mongo.Collection<TaskDocument>;
  readonly requests: mongo.Collection<RequestPartDocument>;
  readonly rooms: mongo.Collection<RoomDocument>;
  readonly counts: mongo.Collection<CountDocument>;
  readonly gateways: mongo.Collection<GatewayDocument>;
  readonly tokens: mongo.Collection<TokensDocument>;
  readonly credentials: mongo.Collection<CredentialsDocument>;
  readonly meta: mongo.Collection<MetaDocument>;
}

/** The mongoose models, which know the indexes. */
export function modelsOf(connection: Connection): readonly Model<unknown>[] {
  return [
    connection.model('Task', taskSchema),
    connection.model('RequestPart', partSchema),
    connection.model('Room', roomSchema),
    connection.model('Count', countSchema),
    connection.model('Gateway', gatewaySchema),
    connection.model('Tokens', tokensSchema),
    connection.model('Credentials', credentialsSchema),
    connection.model('Meta', metaSchema),
  ] as unknown as readonly Model<unknown>[];
}

export function collectionsOf(db: mongo.Db): Collections {
  return {
    tasks: db.collection('tasks'),
    looks: db.collection('tasks', { readConcern: { level: 'local' }, writeConcern: { w: 1, journal: false } }),
    requests: db.collection('requests'),
    rooms: db.collection('rooms'),
    counts: db.collection('counts'),
    gateways: db.collection('gateways'),
    tokens: db.collection('tokens'),
    credentials: db.collection('credentials'),
    meta: db.collection('meta'),
  };
}

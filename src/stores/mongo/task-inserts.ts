import { InvalidTask } from '../../ports/errors';
import type { IdempotencyKey, InsertResult, KnownKey } from '../../ports/store/task-records';
import type { TaskRecord } from '../../task/task-record';
import { Batches, type Outcome } from './batches';
import type { MongoConnection } from './mongo-connection';
import { duplicatesOf, isUncertain, toStoreError } from './mongo-errors';
import type { CreationOrder } from './creation-order';
import { packRecord } from './record-text';
import { requestParts } from './request-parts';
import type { RequestPartDocument, TaskDocument } from './schemas';
import { encodeRecord, keyFields, newDocument } from './task-codec';

/** Tags of one task: each is four entries of an index. */
const MOST_TAGS = 10_000;
/** How often a batch whose fate is not known is looked after before its callers are told so. */
const TRIES = 4;

interface Insert {
  readonly document: TaskDocument;
  readonly parts: readonly Omit<RequestPartDocument, 'at'>[] | undefined;
}

/** New tasks, many in one write, each with the idempotency key that it may bring: the key is a member of its task with a unique index. */
export class TaskInserts {
  private readonly batches: Batches<Insert, InsertResult>;

  constructor(
    private readonly connection: MongoConnection,
    private readonly order: CreationOrder,
    private readonly now: () => number,
  ) {
    this.batches = new Batches((inserts) => this.send(inserts), { items: 500, bytes: 8 * 2 ** 20, atOnce: 4 });
  }

  /** Throws `InvalidTask` for a task that no document can hold. */
  async insert(requestJson: string, task: TaskRecord, key: IdempotencyKey | undefined): Promise<InsertResult> {
    const text = packRecord(encodeRecord(task));
    const parts = requestParts(task.id, requestJson);
    if (Object.keys(task.tags).length > MOST_TAGS) throw new InvalidTask(`more than ${MOST_TAGS} tags are not taken`);
    if (text === undefined) throw new InvalidTask('name and tags are longer than the task store takes');
    const document: TaskDocument = {
      ...newDocument(task, text, requestJson),
      ...(parts === undefined ? { request: requestJson } : { requestParts: parts.length }),
      ...(key !== undefined && keyFields(task.owner, key, this.now())),
      place: this.order.next(),
      writes: [],
    };
    return this.batches.add({ document, parts }, text.recordBytes + (document.request?.length ?? 0), task.id);
  }

  async knownKey(owner: string, sent: IdempotencyKey): Promise<KnownKey | undefined> {
    const { key, keyBody } = keyFields(owner, sent, this.now());
    const fields = { projection: { keyBody: 1, keyUntil: 1 }, ...this.connection.limit };
    const holder = await this.connection.call(() => this.connection.collections.tasks.findOne({ key }, fields));
    if (holder === null || (holder.keyUntil ?? 0) <= this.now()) return undefined;
    return { kind: 'existing', id: holder._id, sameBody: holder.keyBody === keyBody };
  }

  drained(): Promise<void> {
    return this.batches.drained();
  }

  private async send(inserts: readonly Insert[]): Promise<Outcome<InsertResult>[]> {
    const outcomes = new Map<string, Outcome<InsertResult>>();
    let open = inserts;
    try {
      await this.storeParts(inserts);
      for (let tries = 0; open.length > 0; tries += 1) {
        const failure = await this.write(open);
        const failed = failure === undefined ? [] : (duplicatesOf(failure) ?? (isUncertain(failure) ? open.keys() : undefined));
        if (failed === undefined || tries === TRIES) throw toStoreError(failure);
        const doubtful = new Set([...failed].map((index) => open[index]));
        for (const insert of open) if (!doubtful.has(insert)) outcomes.set(insert.document._id, { value: { kind: 'inserted' } });
        open = await this.settle(
          open.filter((insert) => doubtful.has(insert)),
          outcomes,
        );
      }
    } catch (error) {
      for (const { document } of open) outcomes.set(document._id, { error: toStoreError(error) });
    }
    return inserts.map(({ document }) => outcomes.get(document._id) ?? { error: new Error('An insert was lost on the way') });
  }

  /** Long requests first, so that no task is ever without. A piece whose task does not come is swept. */
  private async storeParts(inserts: readonly Insert[]): Promise<void> {
    const at = new Date(this.now());
    const parts = inserts.flatMap((insert) => insert.parts ?? []).map((part) => ({ ...part, at }));
    if (parts.length === 0) return;
    const { requests } = this.connection.collections;
    // What a try whose answer was lost has left is the same text.
    const upserts = parts.map(({ _id, text }) => ({ updateOne: { filter: { _id }, update: { $set: { text, at } }, upsert: true } }));
    for (const upsert of upserts) await this.connection.call(() => requests.bulkWrite([upsert], this.connection.limit));
  }

  /** The failure, if there was one. */
  private async write(inserts: readonly Insert[]): Promise<unknown> {
    const { tasks } = this.connection.collections;
    const documents = inserts.map(({ document }) => document);
    try {
      await this.connection.attempt(() => tasks.insertMany(documents, { ordered: false, ...this.connection.limit }));
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** Looks what is in the store of inserts that failed or may have; gives back those that have to be tried again. */
  private async settle(inserts: readonly Insert[], outcomes: Map<string, Outcome<InsertResult>>): Promise<readonly Insert[]> {
    if (inserts.length === 0) return [];
    const { tasks } = this.connection.collections;
    const ids = inserts.map(({ document }) => document._id);
    const keys = inserts.flatMap(({ document }) => document.key ?? []);
    const fields = { projection: { place: 1, key: 1, keyBody: 1, keyUntil: 1 }, ...this.connection.limit };
    const [found, holders] = await this.connection.call(() =>
      Promise.all([
        tasks.find({ _id: { $in: ids } }, fields).toArray(),
        keys.length === 0 ? [] : tasks.find({ key: { $in: keys } }, fields).toArray(),
      ]),
    );
    const again: Insert[] = [];
    for (const insert of inserts) {
      const { _id, place, key, keyBody } = insert.document;
      const present = found.find((each) => each._id === _id);
      const holder = key === undefined ? undefined : holders.find((each) => each.key === key);
      if (present?.place.equals(place) === true) outcomes.set(_id, { value: { kind: 'inserted' } });
      else if (present !== undefined) outcomes.set(_id, { error: new Error(`A task with the id ${_id} is stored already`) });
      else if (holder !== undefined && (holder.keyUntil ?? 0) > this.now())
        outcomes.set(_id, { value: { kind: 'existing', id: holder._id, sameBody: holder.keyBody === keyBody } });
      else {
        if (holder !== undefined) await this.releaseKey(holder);
        again.push(insert);
      }
    }
    return again;
  }

  /** A key that is over is free; whoever takes it away first does so. */
  private async releaseKey({ _id, key, keyUntil }: Pick<TaskDocument, '_id' | 'key' | 'keyUntil'>): Promise<void> {
    if (key === undefined || keyUntil === undefined) return;
    const { tasks } = this.connection.collections;
    await this.connection.call(() =>
      tasks.updateOne({ _id, key, keyUntil }, { $unset: { key: true, keyBody: true, keyUntil: true } }, this.connection.limit),
    );
  }
}

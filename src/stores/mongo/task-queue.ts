import { mongo } from 'mongoose';
import type { QueueClass, QueuedTask, QueueQuery, SizeRange } from '../../ports/store/task-queue';
import { SIZE_NAMES, type SizeName, SIZES } from '../../task/amounts';
import type { TaskRecord } from '../../task/task-record';
import type { MongoConnection } from './mongo-connection';
import { CLASS_INDEX, type TaskDocument } from './schemas';
import type { TaskCounts } from './task-counts';
import { decodeRecord, RECORD_FIELDS, type RecordDocument } from './task-codec';

/** Pauses ended at a time, and how often in one go: whoever else ends them may leave none. */
const MOST_ROUNDS = 100;
const PAUSES = 500;

/** What waits for a backend, by class, oldest first. What does not fit costs an index entry; what waits for something else, nothing. */
export class TaskQueue {
  constructor(
    private readonly connection: MongoConnection,
    private readonly counts: Pick<TaskCounts, 'waiting'>,
  ) {}

  /** One jump in the index for each class. */
  async classes(): Promise<QueueClass[]> {
    const { tasks } = this.connection.collections;
    const stages = (): Promise<Head[]> => tasks.aggregate<Head>(classStages(), { hint: CLASS_INDEX, ...this.connection.limit }).toArray();
    const [heads, counted] = await Promise.all([this.connection.call(stages), this.counts.waiting()]);
    return heads
      .filter(({ readyAt }) => readyAt === 0)
      .map(({ _id, place, queuedAt }) => ({
        key: _id,
        waiting: Math.max(1, counted.get(_id) ?? 1),
        place: place.toHexString(),
        since: queuedAt,
      }));
  }

  /** Several gateways may do so at once: a pause that was ended is none any more. */
  async endPauses(now: number): Promise<void> {
    for (let rounds = 0; rounds < MOST_ROUNDS && (await this.endSomePauses(now)) === PAUSES;) rounds += 1;
  }

  private async endSomePauses(now: number): Promise<number> {
    const { tasks } = this.connection.collections;
    const { limit } = this.connection;
    const over = await this.connection.call(() =>
      tasks.find({ readyAt: { $gt: 0, $lte: now } }, { ...pauseOptions(PAUSES), ...limit }).toArray(),
    );
    if (over.length === 0) return 0;
    const operations = over.map(({ _id, revision, readyAt }) => ({
      updateOne: { filter: { _id, revision, readyAt }, update: { $set: { readyAt: 0 }, $unset: { notBefore: true as const } } },
    }));
    await this.connection.call(() => tasks.bulkWrite(operations as Parameters<typeof tasks.bulkWrite>[0], { ordered: false, ...limit }));
    return over.length;
  }

  async head(query: QueueQuery): Promise<QueuedTask[]> {
    if (query.fits?.length === 0) return [];
    const { tasks } = this.connection.collections;
    const found = await this.connection.call(() =>
      tasks
        .find<RecordDocument & Pick<TaskDocument, 'place'>>(queueFilter(query), { ...queueOptions(query.limit), ...this.connection.limit })
        .toArray(),
    );
    return found.map((document) => ({ task: decodeRecord(document), place: document.place.toHexString() }));
  }

  async outlook(): Promise<{ readonly since?: number; readonly nextNotBefore?: number }> {
    const { tasks } = this.connection.collections;
    const { limit } = this.connection;
    const [longest, next] = await this.connection.call(() =>
      Promise.all([
        tasks.findOne({ queuedAt: { $exists: true } }, { ...longestOptions, ...limit }),
        tasks.findOne({ readyAt: { $gt: 0 } }, { ...nextReadyOptions, ...limit }),
      ]),
    );
    return {
      ...(longest?.queuedAt !== undefined && { since: longest.queuedAt }),
      ...(next?.readyAt !== undefined && { nextNotBefore: next.readyAt }),
    };
  }

  async queuedBefore(time: number, most: number): Promise<TaskRecord[]> {
    const { tasks } = this.connection.collections;
    const found = await this.connection.call(() =>
      tasks.find<RecordDocument>({ queuedAt: { $lt: time } }, { ...queuedOptions(most), ...this.connection.limit }).toArray(),
    );
    return found.map(decodeRecord);
  }
}

interface Head {
  readonly _id: string;
  readonly readyAt: number;
  readonly place: mongo.ObjectId;
  readonly queuedAt: number;
}

/** In this order, so that the server jumps from class to class. */
export function classStages(): object[] {
  const first = (field: string): object => ({ $first: `$${field}` });
  return [
    { $match: { class: { $gt: '' } } },
    { $sort: { class: 1, readyAt: 1, place: 1 } },
    { $group: { _id: '$class', readyAt: first('readyAt'), place: first('place'), queuedAt: first('queuedAt') } },
  ];
}

export function queueFilter({ queueClass, after, fits }: QueueQuery): object {
  return {
    class: queueClass,
    readyAt: 0,
    ...(after !== undefined && { place: { $gt: mongo.ObjectId.createFromHexString(after) } }),
    ...(fits !== undefined && sizeFilter(fits)),
  };
}

/** The largest of each is held against the index; whether they go together, where there are several rooms, against the task. */
function sizeFilter(fits: NonNullable<QueueQuery['fits']>): object {
  // What a task does not ask for is absent, and fits.
  const upTo = (name: SizeName, most: number): object => (SIZES[name].isCut ? { $lte: most } : { $not: { $gt: most } });
  const sizeOf = ({ above = {}, ...range }: SizeRange): object =>
    Object.fromEntries(
      SIZE_NAMES.flatMap((name) => {
        const [most, least] = [range[name] ?? Infinity, above[name] ?? -1];
        const bounds = { ...(most < Infinity && upTo(name, most)), ...(least >= 0 && { $gt: least }) };
        return Object.keys(bounds).length > 0 ? [[SIZES[name].key, bounds]] : [];
      }),
    );
  const largest = sizeOf(Object.fromEntries(SIZE_NAMES.map((name) => [name, Math.max(...fits.map((one) => one[name] ?? Infinity))])));
  const [only, ...others] = fits.map(sizeOf);
  if (only !== undefined && others.length === 0) return only;
  return fits.map(sizeOf).some((size) => Object.keys(size).length === 0) ? largest : { ...largest, $or: fits.map(sizeOf) };
}

export function queueOptions(limit: number) {
  return { projection: { ...RECORD_FIELDS, place: 1 }, sort: { place: 1 }, hint: CLASS_INDEX, limit, batchSize: limit + 1 } as const;
}
export function pauseOptions(limit: number) {
  return { projection: { revision: 1, readyAt: 1 }, sort: { readyAt: 1 }, hint: { readyAt: 1 }, limit, batchSize: limit + 1 } as const;
}
export function queuedOptions(limit: number) {
  return { projection: RECORD_FIELDS, sort: { queuedAt: 1 }, hint: { queuedAt: 1 }, limit, batchSize: limit + 1 } as const;
}
export const longestOptions = { projection: { _id: 0, queuedAt: 1 }, sort: { queuedAt: 1 }, hint: { queuedAt: 1 } } as const;
export const nextReadyOptions = { projection: { _id: 0, readyAt: 1 }, sort: { readyAt: 1 }, hint: { readyAt: 1 } } as const;

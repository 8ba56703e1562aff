import { mongo } from 'mongoose';
import type { TaskRecord } from '../../task/task-record';
import { queueClass } from '../../task/queue-class';
import { type Amounts } from '../../task/amounts';
import { ROOM_STATES, roomOf } from '../../task/room';
import type { MongoConnection } from './mongo-connection';
import { decodeRecord, RECORD_FIELDS, type RecordDocument, sizeFields } from './task-codec';
import { ROOM_SUMS } from './room-check';
import { ROOM_INDEX, type TaskDocument } from './schemas';

const BATCH = 500;
const OLD_COLLECTIONS = ['tails', 'capacities'];
const OLD_INDEX = 'wants_1_place_1_readyAt_1_cpu_1_ram_1';

/** Gives the tasks of version 1 their class, or the key of the room that they use, and adds up the room. The indexes are there already. */
export async function classesAndSums(connection: MongoConnection): Promise<void> {
  await fill(connection, ['QUEUED'], 'class', (task) => ({ class: queueClass(task.needs), queuedAt: task.createdAt }));
  await fill(connection, [...ROOM_STATES], 'room', (task) => {
    const room = roomOf(task);
    return room === undefined ? undefined : { room: room.key, ...sizeFields(task.given ?? task.needs) };
  });
  await addUp(connection);
  for (const name of OLD_COLLECTIONS) await connection.callUnlimited(() => connection.db.dropCollection(name).catch(unlessGone));
  await connection.callUnlimited(() => connection.collections.tasks.dropIndex(OLD_INDEX).catch(unlessGone));
}

/** In batches along the places; a task that somebody changes meanwhile has the new fields from that, or was left by an older program. */
async function fill(
  connection: MongoConnection,
  states: readonly TaskDocument['state'][],
  field: 'class' | 'room',
  fieldsOf: (task: TaskRecord) => Partial<TaskDocument> | undefined,
): Promise<void> {
  const { tasks } = connection.collections;
  for (const state of states) {
    for (let last: TaskDocument['place'] | undefined; ;) {
      const filter = { state, [field]: { $exists: false }, ...(last !== undefined && { place: { $gt: last } }) };
      const options = {
        projection: { ...RECORD_FIELDS, place: 1 },
        sort: { place: 1 },
        hint: { state: 1, place: -1 },
        limit: BATCH,
      } as const;
      const found = await connection.callUnlimited(() =>
        tasks.find<RecordDocument & Pick<TaskDocument, 'place'>>(filter as object, options).toArray(),
      );
      const operations = found.flatMap((document) => {
        const $set = fieldsOf(decodeRecord(document));
        const { _id, revision } = document;
        return $set === undefined ? [] : [{ updateOne: { filter: { _id, revision }, update: { $set, $unset: { wants: true } } } }];
      });
      if (operations.length > 0)
        await connection.callUnlimited(() => tasks.bulkWrite(operations as Parameters<typeof tasks.bulkWrite>[0], { ordered: false }));
      if (found.length < BATCH) break;
      last = found.at(-1)?.place;
    }
  }
}

/** A sum that is there is another gateway's, which may be at work with it already. */
async function addUp(connection: MongoConnection): Promise<void> {
  const { tasks, rooms } = connection.collections;
  const sums = await connection.callUnlimited(() =>
    tasks.aggregate<Amounts & { _id: string }>([{ $match: { room: { $gt: '' } } }, { $group: ROOM_SUMS }], { hint: ROOM_INDEX }).toArray(),
  );
  for (const { _id, ...used } of sums) {
    await connection.callUnlimited(() => rooms.updateOne({ _id }, { $setOnInsert: { used, writes: [] } }, { upsert: true }));
  }
}

/** Not found: an earlier try, or another gateway, has done it. */
export function unlessGone(error: unknown): void {
  if (!(error instanceof mongo.MongoServerError && (error.code === 26 || error.code === 27))) throw error;
}

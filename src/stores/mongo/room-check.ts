import { setTimeout as pause } from 'node:timers/promises';
import type { mongo } from 'mongoose';
import { added, AMOUNTS, type Amounts, amountsBy, NOTHING, ROUNDING, SIZE_NAMES, SIZES } from '../../task/amounts';
import type { MongoConnection } from './mongo-connection';
import { isDuplicate, toStoreError } from './mongo-errors';
import { ROOM_INDEX, type RoomDocument } from './schemas';

/** So often sums and tasks are compared, and so far apart, ms: what is on the way between the two is there only once. */
const LOOKS = 5;
const APART_MS = 1000;
/** A gateway that checks is alone at it for so long, ms. */
const ALONE_MS = 60_000;
const MARK = 'room check';

/** Of the tasks that use room. */
export const ROOM_SUMS = {
  _id: '$room',
  ...Object.fromEntries(SIZE_NAMES.map((name) => [name, { $sum: `$${SIZES[name].key}` }])),
  slots: { $sum: 1 },
};

type Sums = ReadonlyMap<string, Amounts>;

/**
 * Compares the sums of room in use with the tasks that use it. Room is taken before its task is changed and given back after, so a sum may
 * be too high at any moment; what it is too high by at every look was left by a gateway that died. Resolves with how many were put right.
 */
export async function checkRooms(connection: MongoConnection, now: () => number, signal: AbortSignal, apartMs = APART_MS): Promise<number> {
  const until = now() + ALONE_MS;
  if (!(await isAlone(connection, now(), until))) return 0;
  const looks: Sums[] = [];
  for (let look = 0; look < LOOKS; look += 1) {
    if (look > 0) await pause(apartMs, undefined, { signal });
    looks.push(await difference(connection));
  }
  const operations: mongo.AnyBulkWriteOperation<RoomDocument>[] = [];
  for (const key of new Set(looks.flatMap((look) => [...look.keys()]))) {
    const $inc: Record<string, number> = {};
    for (const name of AMOUNTS) {
      const seen = looks.map((look) => look.get(key)?.[name] ?? 0);
      const off = Math.min(...seen) > ROUNDING ? Math.min(...seen) : Math.min(0, Math.max(...seen));
      if (Math.abs(off) > ROUNDING) $inc[`used.${name}`] = -off;
    }
    if (Object.keys($inc).length > 0) operations.push({ updateOne: { filter: { _id: key }, update: { $inc } } });
  }
  if (operations.length === 0 || now() > until) return 0;
  const { rooms } = connection.collections;
  await connection.callUnlimited(() => rooms.bulkWrite(operations, { ordered: false }));
  return operations.length;
}

/** Two at once would put the same right twice. */
async function isAlone(connection: MongoConnection, now: number, until: number): Promise<boolean> {
  const { meta } = connection.collections;
  const filter = { _id: MARK, $or: [{ until: { $exists: false } }, { until: { $lt: now } }] };
  try {
    await connection.attempt(() => meta.updateOne(filter, { $set: { until } }, { upsert: true, ...connection.limit }));
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw toStoreError(error);
  }
}

/** By how much each sum is too high. Sums that moved while the tasks were read count as the higher of both, and the moving as well. */
async function difference(connection: MongoConnection): Promise<Sums> {
  const before = await sums(connection);
  const { tasks } = connection.collections;
  const real = await connection.callUnlimited(() =>
    tasks.aggregate<Amounts & { _id: string }>([{ $match: { room: { $gt: '' } } }, { $group: ROOM_SUMS }], { hint: ROOM_INDEX }).toArray(),
  );
  const after = await sums(connection);
  const used = new Map(real.map(({ _id, ...amounts }) => [_id, amounts]));
  return new Map(
    [...new Set([...before.keys(), ...after.keys(), ...used.keys()])].map((key) => {
      const [first, last] = [before.get(key) ?? NOTHING, after.get(key) ?? NOTHING];
      const highest = amountsBy((name) => {
        const [one, other] = [first[name] ?? 0, last[name] ?? 0];
        return Math.max(one, other) + Math.abs(one - other);
      });
      return [key, added(highest, used.get(key) ?? NOTHING, -1)];
    }),
  );
}

async function sums(connection: MongoConnection): Promise<Sums> {
  const { rooms } = connection.collections;
  const found = await connection.callUnlimited(() => rooms.find().toArray());
  return new Map(found.map(({ _id, used }) => [_id, used]));
}

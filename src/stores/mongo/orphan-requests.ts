import type { MongoConnection } from './mongo-connection';

/** A task follows its long request within seconds; a piece older than this without a task has none, ms. */
const AGE_MS = 3_600_000;
const BATCH = 100;
const MARK = 'parts swept';

/** Deletes pieces of long requests whose task never came, because the gateway died in between. Each piece is looked at once; returns how many went. */
export async function deleteOrphanRequests(connection: MongoConnection, now: number, ageMs = AGE_MS): Promise<number> {
  const { meta, requests, tasks } = connection.collections;
  const { limit } = connection;
  const mark = await connection.call(() => meta.findOne({ _id: MARK }, limit));
  const until = new Date(now - ageMs);
  let from = mark?.['until'] instanceof Date ? mark['until'] : new Date(0);
  let deleted = 0;
  for (;;) {
    const options = { projection: { at: 1 }, sort: { at: 1 }, hint: { at: 1 }, limit: BATCH, batchSize: BATCH + 1, ...limit } as const;
    const parts = await connection.call(() => requests.find({ at: { $gt: from, $lte: until } }, options).toArray());
    const last = parts.at(-1);
    if (last === undefined) break;
    // Pieces of one moment belong together, and must not fall between two batches.
    const same = await connection.call(() => requests.find({ at: last.at }, { ...options, limit: 0 }).toArray());
    const ids = [...new Set([...parts, ...same].map(({ _id }) => _id))];
    const taskIds = [...new Set(ids.map(taskOf))];
    const found = await connection.call(() => tasks.find({ _id: { $in: taskIds } }, { projection: { _id: 1 }, ...limit }).toArray());
    const live = new Set(found.map(({ _id }) => _id));
    const lost = ids.filter((id) => !live.has(taskOf(id)));
    if (lost.length > 0) await connection.call(() => requests.deleteMany({ _id: { $in: lost } }, limit));
    deleted += lost.length;
    from = last.at;
  }
  await connection.call(() => meta.updateOne({ _id: MARK }, { $set: { until } }, { upsert: true, ...limit }));
  return deleted;
}

function taskOf(partId: string): string {
  return partId.slice(0, partId.lastIndexOf('/'));
}

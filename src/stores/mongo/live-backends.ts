import type { MongoConnection } from './mongo-connection';

/** Beyond so many the exact number tells an operator nothing more. */
const MOST = 100_000;

/** Which backends live tasks need: one look-up and one bounded count in an index for each, whatever the number of tasks. */
export async function liveBackends(connection: MongoConnection): Promise<ReadonlyMap<string, number>> {
  const { tasks } = connection.collections;
  const found = new Map<string, number>();
  const hint = { target: 1 } as const;
  for (let last = ''; ;) {
    const next = await connection.call(() =>
      tasks.findOne({ target: { $gt: last } }, { projection: { _id: 0, target: 1 }, sort: hint, hint, ...connection.limit }),
    );
    if (next?.target === undefined) return found;
    const target = (last = next.target);
    found.set(target, await connection.call(() => tasks.countDocuments({ target }, { hint, limit: MOST, ...connection.limit })));
  }
}

import type { MongoConnection } from './mongo-connection';
import { RECORD_FIELDS } from './task-document';

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

/** The instances that live tasks are bound to, likewise. */
export async function boundInstances(connection: MongoConnection): Promise<readonly string[]> {
  const { tasks } = connection.collections;
  const found: string[] = [];
  const options = { projection: { _id: 0, bound: 1 }, sort: { bound: 1, place: 1 }, hint: { bound: 1, place: 1 } } as const;
  for (;;) {
    const next = await connection.call(() => tasks.findOne({ bound: { $gt: found.at(-1) ?? '' } }, { ...options, ...connection.limit }));
    if (next?.bound === undefined) return found;
    found.push(next.bound);
  }
}

/** What only waits for it has the same target. */
export function onBackend(backend: string) {
  return { target: backend, state: { $ne: 'QUEUED' } } as const;
}
export function onBackendOptions(limit: number) {
  return { projection: RECORD_FIELDS, hint: { target: 1 }, limit, batchSize: limit + 1 } as const;
}

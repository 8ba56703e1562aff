import type { MongoConnection, MongoTaskStoreOptions } from './mongo-connection';

/**
 * At start: this instance's former process is gone, so the leases it held end and those tasks are due. And a clock that was wrong may
 * have put times so far ahead that nobody would ever look at those tasks again. Leases of other gateways are theirs.
 */
export async function expireOldLeases(
  connection: MongoConnection,
  { instance, maxDueMs }: Pick<MongoTaskStoreOptions, 'instance' | 'maxDueMs'>,
  now: number,
  onProgress: (line: string) => void,
): Promise<void> {
  const { tasks } = connection.collections;
  const latest = now + maxDueMs;
  const fields = { projection: { revision: 1, lease: 1, wakeAt: 1, readyAt: 1 } } as const;
  const [live, backoff] = await connection.callUnlimited(() =>
    Promise.all([
      tasks.find({ wakeAt: { $exists: true } }, { ...fields, hint: { reach: 1, step: 1, wakeAt: 1 } }).toArray(),
      tasks.find({ readyAt: { $gt: latest } }, { ...fields, hint: { readyAt: 1 } }).toArray(),
    ]),
  );
  const isOurs = (holder: string): boolean => holder === instance || holder.startsWith(`${instance}/`);
  const due = live.filter(({ lease, wakeAt = 0 }) => wakeAt > latest || (lease !== undefined && isOurs(lease.holder)));
  if (due.length + backoff.length === 0) return;
  onProgress(
    `task store: ${due.length} tasks were under way here or to wait too long, ${backoff.length} were to be tried again too late; all are due now`,
  );
  const operations = [
    ...due.map(({ _id, revision, wakeAt }) => ({
      updateOne: { filter: { _id, revision, wakeAt }, update: { $set: { dueAt: now, wakeAt: now }, $unset: { lease: true } } },
    })),
    ...backoff.map(({ _id, revision, readyAt }) => ({
      updateOne: { filter: { _id, revision, readyAt }, update: { $set: { notBefore: now, readyAt: now } } },
    })),
  ];
  await connection.callUnlimited(() => tasks.bulkWrite(operations as Parameters<typeof tasks.bulkWrite>[0], { ordered: false }));
}

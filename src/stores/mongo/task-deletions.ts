import { randomBytes } from 'node:crypto';
import type { MongoConnection } from './mongo-connection';
import { isDuplicate, toStoreError } from './mongo-errors';
import { partIds } from './request-parts';
import type { TaskCounts } from './task-counts';

const BATCH = 200;
/** In `meta`: whose turn it is to delete, and until when if it is not given back, ms. */
const TURN = 'deletion';
const TURN_MS = 60_000;
const DONE_INDEX = { doneAt: 1 } as const;

/** Deletes tasks that are done, oldest end first; their long requests after them, so that no task is ever without. */
export class TaskDeletions {
  private readonly own = randomBytes(9).toString('base64url');

  constructor(
    private readonly connection: MongoConnection,
    private readonly counts: TaskCounts,
    private readonly now: () => number,
    private readonly doubt: () => void,
  ) {}

  async deleteFinished(endedBefore: number, limit: number): Promise<number> {
    if (!(await this.takeTurn())) return 0;
    try {
      return await this.deleteAll(endedBefore, limit);
    } finally {
      await this.endTurn();
    }
  }

  /** Two that delete the same tasks cannot tell which of them each has deleted, and would have to count all tasks anew. */
  private async takeTurn(): Promise<boolean> {
    const { meta } = this.connection.collections;
    const now = this.now();
    const free = { _id: TURN, until: { $not: { $gt: now } } };
    try {
      await this.connection.attempt(() =>
        meta.updateOne(free, { $set: { by: this.own, until: now + TURN_MS } }, { upsert: true, ...this.connection.limit }),
      );
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw toStoreError(error);
    }
  }

  private async endTurn(): Promise<void> {
    const { meta } = this.connection.collections;
    const give = (): Promise<unknown> => meta.updateOne({ _id: TURN, by: this.own }, { $unset: { until: true } }, this.connection.limit);
    // If not now, then when its time is over.
    await this.connection.call(give).catch(() => undefined);
  }

  private async deleteAll(endedBefore: number, limit: number): Promise<number> {
    let deleted = 0;
    while (deleted < limit) {
      const batch = Math.min(BATCH, limit - deleted);
      const found = await this.deleteBatch(endedBefore, batch);
      deleted += found;
      if (found < batch) break;
    }
    return deleted;
  }

  private async deleteBatch(endedBefore: number, limit: number): Promise<number> {
    const { tasks, requests } = this.connection.collections;
    const options = this.connection.limit;
    const old = await this.connection.call(() =>
      tasks.find(deletable(endedBefore, this.now()), { ...doneOptions(limit), ...options }).toArray(),
    );
    if (old.length === 0) return 0;
    const ids = old.map(({ _id }) => _id);
    const deletions = ids.map((_id) => ({ deleteOne: { filter: { _id } } }));
    const { deletedCount } = await this.connection.call(() => tasks.bulkWrite(deletions, { ordered: false, ...options }));
    const parts = old.flatMap(({ _id, requestParts = 0 }) => partIds(_id, requestParts));
    if (parts.length > 0) await this.connection.call(() => requests.deleteMany({ _id: { $in: parts } }, options));
    // Somebody else was at it too; which of them they deleted is not said.
    if (deletedCount < ids.length) this.doubt();
    else for (const task of old) this.counts.moved(task, undefined);
    return deletedCount;
  }
}

export function deletable(endedBefore: number, now: number) {
  return { doneAt: { $lt: endedBefore }, keyUntil: { $not: { $gt: now } } };
}

export function doneOptions(limit: number) {
  return {
    projection: { state: 1, owner: 1, groups: 1, requestParts: 1 },
    sort: DONE_INDEX,
    hint: DONE_INDEX,
    limit,
    batchSize: limit + 1,
  } as const;
}

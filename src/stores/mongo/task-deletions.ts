import type { MongoConnection } from './mongo-connection';
import { partIds } from './request-parts';
import type { TaskCounts } from './task-counts';

const BATCH = 200;
const DONE_INDEX = { doneAt: 1 } as const;

/** Deletes tasks that are done, oldest end first; their long requests after them, so that no task is ever without. */
export class TaskDeletions {
  constructor(
    private readonly connection: MongoConnection,
    private readonly counts: TaskCounts,
    private readonly doubt: () => void,
  ) {}

  async deleteFinished(endedBefore: number, limit: number): Promise<number> {
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
      tasks.find({ doneAt: { $lt: endedBefore } }, { ...doneOptions(limit), ...options }).toArray(),
    );
    if (old.length === 0) return 0;
    const ids = old.map(({ _id }) => _id);
    const deletions = ids.map((_id) => ({ deleteOne: { filter: { _id } } }));
    const { deletedCount } = await this.connection.call(() => tasks.bulkWrite(deletions, { ordered: false, ...options }));
    const parts = old.flatMap(({ _id, requestParts = 0 }) => partIds(_id, requestParts));
    if (parts.length > 0) await this.connection.call(() => requests.deleteMany({ _id: { $in: parts } }, options));
    // Another gateway was at it too; which of them it deleted is not said.
    if (deletedCount < ids.length) this.doubt();
    else for (const { owner, state } of old) this.counts.moved({ owner, state }, undefined);
    return deletedCount;
  }
}

export function doneOptions(limit: number) {
  return { projection: { state: 1, owner: 1, requestParts: 1 }, sort: DONE_INDEX, hint: DONE_INDEX, limit, batchSize: limit + 1 } as const;
}

import { randomBytes } from 'node:crypto';
import type { TaskRecord } from '../../task/task-record';
import { Batches, type Outcome } from './batches';
import type { MongoConnection } from './mongo-connection';
import { isUncertain, toStoreError } from './mongo-errors';
import { fitRecord } from './record-text';
import type { TaskDocument } from './schemas';
import { changesOf, changingFields, encodeRecord } from './task-codec';

/** Marks of so many writes are kept in a task. */
const MARKS = 4;
/** How often a batch whose fate is not known is looked after before its callers are told so. */
const TRIES = 4;

type Changes = ReturnType<typeof changesOf>;

interface Swap {
  readonly id: string;
  readonly expectedRevision: number;
  readonly changes: { readonly $set: Partial<TaskDocument>; readonly $unset: Changes['$unset'] };
}

/**
 * Compare-and-swaps on `{_id, revision}`, many in one write. The server answers only how many matched; when that is not all of them, or
 * the answer is lost, the mark that every write leaves in its task tells which.
 */
export class TaskUpdates {
  private readonly batches: Batches<Swap, boolean>;
  private marked = 0;
  private readonly own = randomBytes(6).toString('base64url');

  constructor(private readonly connection: MongoConnection) {
    this.batches = new Batches((swaps) => this.send(swaps), { items: 500, bytes: 8 * 2 ** 20, atOnce: 4 });
  }

  /** `more`: fields that few updates replace. */
  update(next: TaskRecord, expectedRevision: number, more: Partial<TaskDocument> = {}): Promise<boolean> {
    const text = fitRecord(next, encodeRecord);
    const { $set, $unset } = changesOf(changingFields(next, text));
    const changes = { $set: { ...$set, ...more }, $unset };
    return this.batches.add({ id: next.id, expectedRevision, changes }, text.recordBytes, next.id);
  }

  /** As one batch of their own, for claims: which of them were made. */
  async swapAll(swaps: readonly Swap[]): Promise<readonly boolean[]> {
    const outcomes = await this.send(swaps);
    return outcomes.map((outcome) => {
      if ('value' in outcome) return outcome.value;
      throw outcome.error;
    });
  }

  settled(): Promise<void> {
    return this.batches.settled();
  }

  drained(): Promise<void> {
    return this.batches.drained();
  }

  private async send(swaps: readonly Swap[]): Promise<Outcome<boolean>[]> {
    const mark = `${this.own}${(this.marked++).toString(36)}`;
    const { tasks } = this.connection.collections;
    const operations = swaps.map(({ id, expectedRevision, changes: { $set, $unset } }) => ({
      updateOne: {
        filter: { _id: id, revision: expectedRevision },
        update: { $set, ...(Object.keys($unset).length > 0 && { $unset }), $push: { writes: { $each: [mark], $slice: -MARKS } } },
      },
    }));
    for (let tries = 0; ; tries += 1) {
      try {
        const { matchedCount } = await this.connection.attempt(() =>
          tasks.bulkWrite(operations, { ordered: false, ...this.connection.limit }),
        );
        // On a second try those that the first one made do not match any more.
        if (matchedCount === swaps.length) return swaps.map(() => ({ value: true }));
        return await this.look(swaps, mark);
      } catch (error) {
        if (!isUncertain(error) || tries === TRIES) throw toStoreError(error);
      }
    }
  }

  private async look(swaps: readonly Swap[], mark: string): Promise<Outcome<boolean>[]> {
    const { tasks } = this.connection.collections;
    const ids = swaps.map(({ id }) => id);
    const made = await this.connection.call(() =>
      tasks.find({ _id: { $in: ids }, writes: mark }, { projection: { _id: 1 }, ...this.connection.limit }).toArray(),
    );
    const won = new Set(made.map(({ _id }) => _id));
    return swaps.map(({ id }) => ({ value: won.has(id) }));
  }
}

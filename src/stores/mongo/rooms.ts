import { randomBytes } from 'node:crypto';
import { added, AMOUNTS, type Amounts, amountsBy, type Capacity, fits, NOTHING, ROUNDING } from '../../task/amounts';
import { Batches, type Outcome } from './batches';
import type { MongoConnection } from './mongo-connection';
import { isDuplicate, isUncertain, toStoreError } from './mongo-errors';

/** Marks of so many writes are kept with a sum: whether one whose answer was lost has happened. */
const MARKS = 64;
/** Lost races with other gateways, or answers lost on the way, until a caller is told so. */
const TRIES = 20;

interface Change {
  readonly amounts: Amounts;
  /** Only if there is room for it; absent = whatever there is, as for what is given back. */
  readonly capacity?: Capacity;
}

/**
 * Room in use, one small document for each key: conditional increments, so that gateways never fill a backend twice. The changes of one
 * gateway to one key that are asked for in one turn of the event loop are one write. A gateway that dies between a task's change and
 * its room's leaves the sum too high, never too low, until `room-check.ts` puts it right.
 */
export class Rooms {
  private readonly byKey = new Map<string, Batches<Change, boolean>>();
  private readonly own = randomBytes(6).toString('base64url');
  private marked = 0;

  constructor(
    private readonly connection: MongoConnection,
    /** A change may not have happened: the sums have to be compared with the tasks. */
    private readonly doubt: () => void,
  ) {}

  /** False when there is no room. */
  take(key: string, amounts: Amounts, capacity: Capacity): Promise<boolean> {
    return this.batchesOf(key).add({ amounts, capacity }, 0);
  }

  /** Written soon; whoever takes or reads comes after it. `times` -1 gives back. */
  change(key: string, amounts: Amounts, times: 1 | -1): void {
    this.batchesOf(key)
      .add({ amounts: added(NOTHING, amounts, times) }, 0)
      .catch(this.doubt);
  }

  async read(keys: readonly string[]): Promise<ReadonlyMap<string, Amounts>> {
    await Promise.all(keys.map(async (key) => this.byKey.get(key)?.drained()));
    const { rooms } = this.connection.collections;
    const found = await this.connection.call(() => rooms.find({ _id: { $in: [...keys] } }, this.connection.limit).toArray());
    return new Map(found.map(({ _id, used }) => [_id, amountsBy((name) => used[name])]));
  }

  async drained(): Promise<void> {
    await Promise.all([...this.byKey.values()].map((batches) => batches.drained()));
  }

  private batchesOf(key: string): Batches<Change, boolean> {
    let batches = this.byKey.get(key);
    if (batches === undefined) {
      batches = new Batches((changes) => this.send(key, changes), { items: 1000, bytes: Infinity, atOnce: 1 });
      this.byKey.set(key, batches);
    }
    return batches;
  }

  private async send(key: string, changes: readonly Change[]): Promise<Outcome<boolean>[]> {
    const mark = `${this.own}${(this.marked++).toString(36)}`;
    for (let tries = 0, doubtful: readonly boolean[] | undefined; tries < TRIES; tries += 1) {
      const { used, writes } = await this.document(key);
      if (doubtful !== undefined && writes.includes(mark)) return doubtful.map((value) => ({ value }));
      const { answers, sum, limits } = applied(used, changes);
      if (!answers.includes(true)) return answers.map((value) => ({ value }));
      const written = await this.write(key, mark, sum, limits);
      if (written === 'done') return answers.map((value) => ({ value }));
      if (written === 'doubtful') doubtful = answers;
    }
    throw toStoreError(new Error(`the room of ${key} changes too often at once`));
  }

  private async document(key: string): Promise<{ readonly used: Amounts; readonly writes: readonly string[] }> {
    const { rooms } = this.connection.collections;
    const { limit } = this.connection;
    const found = await this.connection.call(() => rooms.findOne({ _id: key }, limit));
    if (found !== null) return found;
    const empty = { used: { ...NOTHING }, writes: [] };
    try {
      await this.connection.attempt(() => rooms.updateOne({ _id: key }, { $setOnInsert: empty }, { upsert: true, ...limit }));
    } catch (error) {
      // Another gateway was faster, or nobody knows: the write that follows finds it or not.
      if (!isDuplicate(error) && !isUncertain(error)) throw toStoreError(error);
    }
    return empty;
  }

  /** The mark is in the condition too: what has happened does not happen again. */
  private async write(key: string, mark: string, sum: Amounts, limits: Capacity): Promise<'done' | 'lost' | 'doubtful'> {
    const { rooms } = this.connection.collections;
    const conditions = AMOUNTS.flatMap((name) => {
      const limit = limits[name];
      return limit === undefined ? [] : [[`used.${name}`, { $not: { $gt: limit - (sum[name] ?? 0) + ROUNDING } }]];
    });
    const filter = { _id: key, writes: { $ne: mark }, ...(Object.fromEntries(conditions) as object) };
    // What comes and what goes may be the same: servers before 5.0 take no empty change.
    const $inc = { 'used.slots': 0, ...Object.fromEntries(Object.entries(sum).map(([name, amount]) => [`used.${name}`, amount])) };
    try {
      const { matchedCount } = await this.connection.attempt(() =>
        rooms.updateOne(filter, { $inc, $push: { writes: { $each: [mark], $slice: -MARKS } } }, this.connection.limit),
      );
      return matchedCount === 1 ? 'done' : 'lost';
    } catch (error) {
      if (isUncertain(error)) return 'doubtful';
      throw toStoreError(error);
    }
  }
}

/** Which changes can be made, what they add up to, and the least capacity that any of them is held against. */
function applied(
  before: Amounts,
  changes: readonly Change[],
): { readonly answers: readonly boolean[]; readonly sum: Amounts; readonly limits: Capacity } {
  let sum = NOTHING;
  const limits: { -readonly [Name in keyof Capacity]: Capacity[Name] } = {};
  for (const { amounts, capacity } of changes) if (capacity === undefined) sum = added(sum, amounts);
  const answers = changes.map(({ amounts, capacity }) => {
    if (capacity === undefined) return true;
    if (!fits(added(before, sum), amounts, capacity)) return false;
    sum = added(sum, amounts);
    for (const name of AMOUNTS) {
      const limit = capacity[name];
      if (limit !== undefined) limits[name] = Math.min(limit, limits[name] ?? limit);
    }
    return true;
  });
  return { answers, sum, limits };
}

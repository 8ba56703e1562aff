import type { Capacity, Reservation } from '../../ports/task-store';
import { Batches, type Outcome } from './batches';
import type { MongoConnection } from './mongo-connection';
import { isDuplicate, isUncertain, toStoreError } from './mongo-errors';

/** Ten times 0.1 cores fit into one: what sums of fractions may be off. */
const ROUNDING = 1e-9;
/** Lost races with other gateways until a caller is told no. */
const TRIES = 50;

type Change =
  | { readonly kind: 'reserve'; readonly reservation: Reservation; readonly capacity: Capacity }
  | { readonly kind: 'release'; readonly taskId: string; readonly attempt: number };

/** Room of backends: one document each, changed as a whole by compare-and-swap on its version, so that two gateways never fill it twice. */
export class Capacities {
  private readonly byKey = new Map<string, Batches<Change, boolean>>();
  /** Asked for by whoever wants to know why a task waits: those of one turn of the event loop share a query. */
  private readonly reads: Batches<string, readonly Reservation[]>;

  constructor(private readonly connection: MongoConnection) {
    this.reads = new Batches((keys) => this.readAll(keys), { items: 256, bytes: Infinity, atOnce: 2 });
  }

  reserve(key: string, reservation: Reservation, capacity: Capacity): Promise<boolean> {
    return this.change(key, { kind: 'reserve', reservation, capacity });
  }

  async release(key: string, taskId: string, attempt: number): Promise<void> {
    await this.change(key, { kind: 'release', taskId, attempt });
  }

  read(key: string): Promise<readonly Reservation[]> {
    return this.reads.add(key, 0);
  }

  async drained(): Promise<void> {
    await Promise.all([...this.byKey.values()].map((batches) => batches.drained()));
  }

  private async readAll(keys: readonly string[]): Promise<Outcome<readonly Reservation[]>[]> {
    const { capacities } = this.connection.collections;
    const wanted = [...new Set(keys)];
    const found = await this.connection.call(() => capacities.find({ _id: { $in: wanted } }, this.connection.limit).toArray());
    const byKey = new Map(found.map(({ _id, reservations }) => [_id, reservations]));
    return keys.map((key) => ({ value: byKey.get(key) ?? [] }));
  }

  private change(key: string, change: Change): Promise<boolean> {
    let batches = this.byKey.get(key);
    if (batches === undefined) {
      batches = new Batches((changes) => this.send(key, changes), { items: 1000, bytes: Infinity, atOnce: 1 });
      this.byKey.set(key, batches);
    }
    return batches.add(change, 0);
  }

  private async send(key: string, changes: readonly Change[]): Promise<Outcome<boolean>[]> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const { version, reservations } = await this.document(key);
      const { held, answers } = applied(reservations, changes);
      if (held === reservations || (await this.swap(key, version, held))) return answers.map((value) => ({ value }));
    }
    throw toStoreError(new Error(`the reservations of ${key} change too often at once`));
  }

  private async document(key: string): Promise<{ readonly version: number; readonly reservations: readonly Reservation[] }> {
    const { capacities } = this.connection.collections;
    const found = await this.connection.call(() => capacities.findOne({ _id: key }, this.connection.limit));
    return found ?? { version: 0, reservations: [] };
  }

  /** False when another gateway was first, or when it is not known: reserving and releasing are idempotent, so both are done again. */
  private async swap(key: string, version: number, held: readonly Reservation[]): Promise<boolean> {
    const { capacities } = this.connection.collections;
    const reservations = [...held];
    try {
      const { matchedCount, upsertedCount } = await this.connection.attempt(() =>
        capacities.updateOne(
          { _id: key, version },
          { $set: { reservations, version: version + 1 } },
          { upsert: version === 0, ...this.connection.limit },
        ),
      );
      return matchedCount + upsertedCount === 1;
    } catch (error) {
      if (isDuplicate(error) || isUncertain(error)) return false;
      throw toStoreError(error);
    }
  }
}

/** `held` is the same array when nothing changes. */
function applied(before: readonly Reservation[], changes: readonly Change[]): { held: readonly Reservation[]; answers: boolean[] } {
  let held = before;
  const answers = changes.map((change) => {
    if (change.kind === 'release') {
      const left = held.filter(({ taskId, attempt }) => taskId !== change.taskId || attempt !== change.attempt);
      if (left.length < held.length) held = left;
      return true;
    }
    const { taskId, attempt, cpuCores, ramGb } = change.reservation;
    if (held.some((each) => each.taskId === taskId && each.attempt === attempt)) return true;
    if (!fits(held, change.reservation, change.capacity)) return false;
    held = [...held, { taskId, attempt, cpuCores, ramGb }];
    return true;
  });
  return { held, answers };
}

function fits(held: readonly Reservation[], wanted: Reservation, capacity: Capacity): boolean {
  const sum = (of: (reservation: Reservation) => number): number => held.reduce((total, each) => total + of(each), of(wanted));
  return (
    (capacity.slots === undefined || held.length < capacity.slots) &&
    sum(({ cpuCores }) => cpuCores) <= capacity.cpuCores + ROUNDING &&
    sum(({ ramGb }) => ramGb) <= capacity.ramGb + ROUNDING
  );
}

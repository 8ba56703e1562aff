import { setTimeout as pause } from 'node:timers/promises';
import type { mongo } from 'mongoose';
import { groupScope, ownerScope } from '../../task/scopes';
import { TES_STATES, type TesState } from '../../task/tes';
import type { MongoConnection } from './mongo-connection';
import { CLASS_INDEX, type CountDocument } from './schemas';
import { checkRooms } from './room-check';
import { ALL, CLASS_PREFIX, FLUSH_MS } from './task-counts';

/** Between two looks at counters that were moving, and how often at most, ms. */
const AGAIN_MS = 60_000;
const MOST_ROUNDS = 10;
/** Every gateway has written by then what it knew before, ms. */
const SETTLED_MS = 5 * FLUSH_MS;
/** What may be on the way at any moment. */
const ON_THE_WAY = 100;

type States = CountDocument['states'];

/**
 * Compares the counters with the tasks and makes good what a gateway took with it when it died. Counters that did not move while the
 * tasks were counted are put right exactly; those that did only when they are further off than the moving explains, and are looked at again.
 */
export class Recount {
  private readonly stopping = new AbortController();
  private underWay: Promise<void> | undefined;
  private wanted = false;
  private areRoomsWanted = false;

  constructor(
    private readonly connection: MongoConnection,
    private readonly onProgress: (line: string) => void,
    private readonly now: () => number,
  ) {}

  /** One at a time; asked for during one, another follows. */
  ask(): void {
    this.wanted = true;
    this.askRooms();
  }

  /** The same for the sums of room alone. */
  askRooms(): void {
    this.areRoomsWanted = true;
    this.underWay ??= this.work().finally(() => {
      this.underWay = undefined;
    });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.underWay;
  }

  /** True when every counter stood still and so is exact now. */
  async once(): Promise<boolean> {
    const before = await this.counters();
    const counted = await this.count();
    await pause(SETTLED_MS, undefined, { signal: this.stopping.signal });
    const after = await this.counters();
    let isExact = true;
    const operations: mongo.AnyBulkWriteOperation<CountDocument>[] = [];
    for (const id of new Set([...before.keys(), ...counted.keys(), ...after.keys()])) {
      const $inc: Record<string, number> = {};
      for (const state of TES_STATES) {
        const of = (documents: ReadonlyMap<string, States>): number => documents.get(id)?.[state] ?? 0;
        const [first, last, real] = [of(before), of(after), of(counted)];
        if (first !== last) isExact = false;
        const off = real - Math.round((first + last) / 2);
        if (first === last ? off !== 0 : Math.abs(off) > Math.abs(last - first) + ON_THE_WAY) $inc[`states.${state}`] = off;
      }
      if (Object.keys($inc).length > 0) operations.push({ updateOne: { filter: { _id: id }, update: { $inc }, upsert: true } });
    }
    if (operations.length > 0) {
      const { counts } = this.connection.collections;
      await this.connection.callUnlimited(() => counts.bulkWrite(operations, { ordered: false }));
      this.onProgress(
        `task store: ${operations.length} counters of tasks were put right after a gateway had ended without closing the store`,
      );
    }
    return isExact;
  }

  /** The sums of room first: what they are too high by is missing at once. */
  private async work(): Promise<void> {
    const { signal } = this.stopping;
    while ((this.wanted || this.areRoomsWanted) && !signal.aborted) {
      try {
        this.areRoomsWanted = false;
        const rooms = await checkRooms(this.connection, this.now, signal);
        if (rooms > 0)
          this.onProgress(
            `task store: the room in use of ${rooms} backends was put right after a gateway had ended without closing the store`,
          );
        if (!this.wanted) continue;
        this.wanted = false;
        for (let round = 1; round <= MOST_ROUNDS && !(await this.once()); round += 1) {
          await pause(AGAIN_MS, undefined, { signal, ref: false });
        }
      } catch (error) {
        if (signal.aborted) return;
        this.onProgress(`task store: the counters of tasks could not be checked, it is tried again: ${String(error)}`);
        this.wanted = true;
        await pause(AGAIN_MS, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  private async counters(): Promise<ReadonlyMap<string, States>> {
    const { counts } = this.connection.collections;
    const found = await this.connection.callUnlimited(() => counts.find().toArray());
    return new Map(found.map(({ _id, states }) => [_id, states]));
  }

  /** Every task once, from an index that holds all that is asked for; those with groups once more. */
  private async count(): Promise<ReadonlyMap<string, States>> {
    const { tasks } = this.connection.collections;
    const owners = await this.connection.callUnlimited(() =>
      tasks
        .aggregate<{ _id: { owner: string; state: TesState }; n: number }>(
          [{ $project: { _id: 0, owner: 1, state: 1 } }, { $group: { _id: { owner: '$owner', state: '$state' }, n: { $sum: 1 } } }],
          { hint: { owner: 1, state: 1, place: -1 } },
        )
        .toArray(),
    );
    // Those that have any, by their documents: an index of lists does not hold the lists.
    const groups = await this.connection.callUnlimited(() =>
      tasks
        .aggregate<{ _id: { group: string; state: TesState }; n: number }>(
          [
            { $match: { groups: { $exists: true } } },
            { $project: { _id: 0, groups: 1, state: 1 } },
            { $unwind: '$groups' },
            { $group: { _id: { group: '$groups', state: '$state' }, n: { $sum: 1 } } },
          ],
          { hint: { groups: 1, state: 1 } },
        )
        .toArray(),
    );
    const classes = await this.connection.callUnlimited(() =>
      tasks
        .aggregate<{ _id: string; n: number }>([{ $match: { class: { $gt: '' } } }, { $group: { _id: '$class', n: { $sum: 1 } } }], {
          hint: CLASS_INDEX,
        })
        .toArray(),
    );
    const counted = new Map<string, States>(classes.map(({ _id, n }) => [CLASS_PREFIX + _id, { QUEUED: n }]));
    const add = (id: string, state: TesState, n: number): void => {
      const states = counted.get(id) ?? {};
      states[state] = (states[state] ?? 0) + n;
      counted.set(id, states);
    };
    for (const { _id, n } of owners) for (const id of [ALL, ownerScope(_id.owner)]) add(id, _id.state, n);
    for (const { _id, n } of groups) add(groupScope(_id.group), _id.state, n);
    return counted;
  }
}

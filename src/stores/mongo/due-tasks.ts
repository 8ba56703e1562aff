import type { ClaimQuery } from '../../ports/task-store';
import type { TaskRecord } from '../../task/task-record';
import type { MongoConnection } from './mongo-connection';
import { decodeRecord, RECORD_FIELDS, reachOf, type RecordDocument } from './task-document';
import type { TaskUpdates } from './task-updates';

type Reach = Omit<ClaimQuery, 'holder' | 'leaseMs' | 'limit'>;

/** After a lost race so many times more candidates are read, and some of them taken at random. */
const SPREAD = 4;

/**
 * What is due, from one index over who can reach it, the step and "when": tasks that this process does not serve are never read,
 * however many are overdue. Claims are compare-and-swaps, a batch at a time, each for itself: a lost one is somebody else's task.
 */
export class DueTasks {
  constructor(
    private readonly connection: MongoConnection,
    private readonly updates: TaskUpdates,
    private readonly random: () => number,
  ) {}

  async claim(query: ClaimQuery, now: () => number): Promise<TaskRecord[]> {
    const claimed: TaskRecord[] = [];
    let spread = 1;
    while (claimed.length < query.limit) {
      const wanted = query.limit - claimed.length;
      const candidates = await this.due(query, now(), wanted * spread);
      if (candidates.length === 0) break;
      const chosen = spread === 1 ? candidates : this.some(candidates, wanted);
      const won = await this.take(chosen, query, now());
      claimed.push(...won);
      if (won.length === chosen.length && chosen.length < wanted) break;
      spread = won.length < chosen.length ? SPREAD : 1;
    }
    return claimed;
  }

  async next(query: Reach): Promise<number | undefined> {
    if (query.steps.length === 0) return undefined;
    const { tasks } = this.connection.collections;
    const first = await this.connection.call(() => tasks.findOne(dueFilter(query), { ...nextOptions, ...this.connection.limit }));
    return first?.wakeAt;
  }

  private async due(query: ClaimQuery, now: number, limit: number): Promise<RecordDocument[]> {
    if (query.steps.length === 0) return [];
    const { tasks } = this.connection.collections;
    return this.connection.call(() =>
      tasks.find<RecordDocument>(dueFilter(query, now), { ...dueOptions(limit), ...this.connection.limit }).toArray(),
    );
  }

  private async take(candidates: readonly RecordDocument[], { holder, leaseMs }: ClaimQuery, now: number): Promise<TaskRecord[]> {
    const until = now + leaseMs;
    const lease = { holder, until };
    const swaps = candidates.map(({ _id, revision }) => ({
      id: _id,
      expectedRevision: revision,
      changes: { $set: { lease, dueAt: until, wakeAt: until, revision: revision + 1 }, $unset: {} },
    }));
    const won = await this.updates.swapAll(swaps);
    return candidates
      .filter((_, index) => won[index] === true)
      .map((document) => decodeRecord({ ...document, revision: document.revision + 1, dueAt: until, lease }));
  }

  private some<Item>(items: readonly Item[], count: number): Item[] {
    const rest = [...items];
    const chosen: Item[] = [];
    while (chosen.length < count && rest.length > 0) chosen.push(...rest.splice(Math.floor(this.random() * rest.length), 1));
    return chosen;
  }
}

/** Shared backends, also for what is bound to this instance on them; bound ones only for this instance; and what has no backend yet. */
function reaches({ backends, boundBackends, instance }: Reach): string[] {
  const shared = [undefined, ...backends];
  return [
    ...new Set([
      ...shared.map((backend) => reachOf(backend, undefined)),
      ...[...shared, ...boundBackends].map((backend) => reachOf(backend, instance)),
    ]),
  ];
}

export function dueFilter(query: Reach, now?: number): object {
  return {
    reach: { $in: reaches(query) },
    step: { $in: [...query.steps] },
    wakeAt: now === undefined ? { $exists: true } : { $exists: true, $lte: now },
  };
}

const DUE_INDEX = { reach: 1, step: 1, wakeAt: 1 } as const;
export const nextOptions = { projection: { _id: 0, wakeAt: 1 }, sort: { wakeAt: 1 }, hint: DUE_INDEX } as const;
export function dueOptions(limit: number) {
  return { projection: RECORD_FIELDS, sort: { wakeAt: 1 }, hint: DUE_INDEX, limit, batchSize: limit + 1 } as const;
}

import type { ClaimQuery, DueQuery, Postponement } from '../../ports/store/due-tasks';
import type { TaskRecord } from '../../task/task-record';
import type { MongoConnection } from './mongo-connection';
import { decodeRecord, RECORD_FIELDS, reachOf, type RecordDocument } from './task-codec';
import type { TaskUpdates } from './task-updates';

type Reach = Omit<DueQuery, 'limit' | 'places'>;

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
    const places = new Places(query);
    let spread = 1;
    while (claimed.length < query.limit) {
      const wanted = query.limit - claimed.length;
      const candidates = await this.placed(query, places, now(), wanted * spread);
      if (candidates.length === 0) break;
      const chosen = spread === 1 ? candidates : this.some(candidates, wanted);
      const won = await this.take(chosen, query, now());
      for (const { backend } of won) places.take(backend);
      claimed.push(...won);
      if (won.length === chosen.length && chosen.length < wanted) break;
      spread = won.length < chosen.length ? SPREAD : 1;
    }
    return claimed;
  }

  /** What is due, as it is: also what no majority has yet, since a look does no harm. */
  async read(query: DueQuery, now: number): Promise<TaskRecord[]> {
    const documents = await this.placed(query, new Places(query), now, query.limit);
    return documents.map(decodeRecord);
  }

  async postpone(tasks: readonly Postponement[]): Promise<void> {
    const { looks } = this.connection.collections;
    const operations = tasks.map(({ id, revision, dueAt, until }) => ({
      updateOne: { filter: { _id: id, revision, dueAt }, update: { $set: { dueAt: until, wakeAt: until } } },
    }));
    await this.connection.call(() => looks.bulkWrite(operations, { ordered: false, ...this.connection.limit }));
  }

  async next(query: Reach): Promise<number | undefined> {
    if (query.steps.length === 0) return undefined;
    const { looks } = this.connection.collections;
    const first = await this.connection.call(() => looks.findOne(dueFilter(query), { ...nextOptions, ...this.connection.limit }));
    return first?.wakeAt;
  }

  /** Oldest due first, of each backend no more than it has places: of what is over, the rest is looked for among the others. */
  private async placed(query: DueQuery, places: Places, now: number, limit: number): Promise<RecordDocument[]> {
    const left = places.copy();
    const found: RecordDocument[] = [];
    const seen = new Set<string>();
    for (let open = left.open(query); found.length < limit; open = left.open(query)) {
      const documents = await this.due(open, now, limit);
      const fresh = documents.filter(({ _id }) => !seen.has(_id));
      for (const document of fresh) {
        seen.add(document._id);
        if (found.length < limit && left.take(document.backend)) found.push(document);
      }
      // All of it was looked at, or what filled the page was of backends that still have places.
      if (documents.length < limit || fresh.length === 0) break;
    }
    return found;
  }

  private async due(query: Reach, now: number, limit: number): Promise<RecordDocument[]> {
    if (query.steps.length === 0) return [];
    const { looks } = this.connection.collections;
    return this.connection.call(() =>
      looks.find<RecordDocument>(dueFilter(query, now), { ...dueOptions(limit), ...this.connection.limit }).toArray(),
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

/** How many tasks of each backend may still be taken. */
class Places {
  private readonly left: Map<string, number>;

  constructor({ places }: Pick<DueQuery, 'places'>) {
    this.left = new Map(places);
  }

  copy(): Places {
    return new Places({ places: this.left });
  }

  take(backend: string | undefined): boolean {
    const left = this.left.get(backend ?? '');
    if (left === undefined) return true;
    if (left <= 0) return false;
    this.left.set(backend ?? '', left - 1);
    return true;
  }

  /** The query, of backends that have some. */
  open(query: DueQuery): DueQuery {
    const hasSome = (name: string): boolean => (this.left.get(name) ?? 1) > 0;
    return { ...query, backends: query.backends.filter(hasSome), boundBackends: query.boundBackends.filter(hasSome) };
  }
}

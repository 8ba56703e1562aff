import { ownerScope, type Scope, scopesOf } from '../../task/scopes';
import type { TesState } from '../../task/tes';
import type { MongoConnection } from './mongo-connection';
import { isUncertain, toStoreError } from './mongo-errors';
import { RECORD_FIELDS } from './task-codec';
import { asItWas, wellFormed } from './well-formed';

export const ALL = 'all';
export const CLASS_PREFIX = 'class ';
const OWNER_PREFIX = ownerScope('');
/** Changes are written together, ms. */
export const FLUSH_MS = 200;
/** The sum over all tasks is asked for with every create: it is read anew after this long, ms. */
const FRESH_MS = 1000;
/** Counters of classes in which nothing waits, and how many of them go at a time. */
const MOST_EMPTY = 256;
const MOST_FORGOTTEN = 2000;

type States = Partial<Record<TesState, number>>;

/**
 * Tasks by state, in all and by scope, and waiting ones by class: counters, kept by whoever made a change. Writes of this gateway are in its answers at once, those
 * of others a moment later. A gateway that dies takes its last moment's changes with it; they are made good by a recount (`recount.ts`).
 */
export class TaskCounts {
  /** Not written yet, by document. */
  private pending = new Map<string, States>();
  /** What the database says of all tasks and of the classes, with what this gateway has written since; by document. */
  private total: { readonly counters: Map<string, States>; readonly readAt: number } | undefined;
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly connection: MongoConnection,
    private readonly monotonicNow: () => number,
    /** A write may have happened once, twice or not at all: the counters have to be compared with the tasks. */
    private readonly doubt: () => void,
  ) {}

  /** Absent: it was not there before, or is not any more. */
  moved(from: Counted | undefined, to: Counted | undefined): void {
    if (from?.state === to?.state && from?.queueClass === to?.queueClass && from?.owner === to?.owner) return;
    for (const [task, by] of [[from, -1] as const, [to, 1] as const]) {
      for (const id of task === undefined ? [] : countersOf(task)) {
        const states = this.pending.get(id) ?? {};
        if (task !== undefined) states[task.state] = (states[task.state] ?? 0) + by;
        this.pending.set(id, states);
      }
    }
    this.timer ??= setTimeout(() => {
      this.flush().catch(() => undefined);
    }, FLUSH_MS);
  }

  async counts(scope?: Scope): Promise<States> {
    if (scope !== undefined) return this.read(wellFormed(scope));
    await this.freshTotal();
    return positive(this.known(ALL));
  }

  /** Who has counters, in the order of their keys. */
  async owners(after: string, limit: number): Promise<readonly string[]> {
    await this.flush();
    const { counts } = this.connection.collections;
    const [first, last] = [wellFormed(ownerScope(after)), `${OWNER_PREFIX}\uffff`];
    const options = { projection: { _id: 1 }, sort: { _id: 1 }, limit, batchSize: limit + 1, ...this.connection.limit } as const;
    const found = await this.connection.call(() => counts.find({ _id: { $gt: first, $lt: last } }, options).toArray());
    return found.map(({ _id }) => asItWas(_id.slice(OWNER_PREFIX.length)));
  }

  /** How many wait in each class, by its key. */
  async waiting(): Promise<ReadonlyMap<string, number>> {
    await this.freshTotal();
    const ids = [...(this.total?.counters.keys() ?? []), ...this.pending.keys()].filter((id) => id.startsWith(CLASS_PREFIX));
    return new Map(ids.map((id) => [id.slice(CLASS_PREFIX.length), this.known(id).QUEUED ?? 0]));
  }

  private known(id: string): States {
    return added(this.total?.counters.get(id) ?? {}, this.pending.get(id) ?? {});
  }

  private async freshTotal(): Promise<void> {
    if (this.total === undefined || this.monotonicNow() - this.total.readAt > FRESH_MS) await this.readTotal();
  }

  /** Resolves when what is known so far is written. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.flushing = this.flushing.catch(() => undefined).then(() => this.write());
    return this.flushing;
  }

  private reading: Promise<void> | undefined;

  private readTotal(): Promise<void> {
    this.reading ??= this.readAll().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  private async readAll(): Promise<void> {
    await this.flush();
    const readAt = this.monotonicNow();
    // A write that begins during the read is added by `write`, whether the read saw it or not; the next read is right again.
    const { counts } = this.connection.collections;
    const wanted = { $or: [{ _id: ALL }, { _id: { $gte: CLASS_PREFIX, $lt: `${CLASS_PREFIX}\uffff` } }] };
    const found = await this.connection.call(() => counts.find(wanted, this.connection.limit).toArray());
    this.total = { counters: new Map(found.map(({ _id, states }) => [_id, states])), readAt };
    await this.forgetEmpty(found);
  }

  /** Users who meet a limit have classes of their own: counters of those that are empty go when there are many, unless one is used just now. */
  private async forgetEmpty(found: readonly { readonly _id: string; readonly states: States }[]): Promise<void> {
    const empty = found.flatMap(({ _id, states }) => (_id.startsWith(CLASS_PREFIX) && states.QUEUED === 0 ? [_id] : []));
    if (empty.length <= MOST_EMPTY) return;
    const { counts } = this.connection.collections;
    const filter = { _id: { $in: empty.slice(0, MOST_FORGOTTEN) }, 'states.QUEUED': 0 };
    await this.connection.call(() => counts.deleteMany(filter, this.connection.limit));
  }

  private async read(id: string): Promise<States> {
    await this.flush();
    const { counts } = this.connection.collections;
    const found = await this.connection.call(() => counts.findOne({ _id: id }, this.connection.limit));
    return positive(added(found?.states ?? {}, this.pending.get(id) ?? {}));
  }

  private async write(): Promise<void> {
    const changes = this.pending;
    if (changes.size === 0) return;
    this.pending = new Map();
    const { counts } = this.connection.collections;
    const operations = [...changes].flatMap(([_id, states]) => {
      const $inc = Object.fromEntries(Object.entries(states).flatMap(([state, n]) => (n === 0 ? [] : [[`states.${state}`, n]])));
      return Object.keys($inc).length === 0 ? [] : [{ updateOne: { filter: { _id }, update: { $inc }, upsert: true } }];
    });
    try {
      if (operations.length > 0)
        await this.connection.attempt(() => counts.bulkWrite(operations, { ordered: false, ...this.connection.limit }));
      const { counters } = this.total ?? {};
      if (counters !== undefined)
        for (const [id, states] of changes) if (isOfAll(id)) counters.set(id, added(counters.get(id) ?? {}, states));
    } catch (error) {
      if (isUncertain(error)) this.doubt();
      for (const [id, states] of this.pending) changes.set(id, added(changes.get(id) ?? {}, states));
      this.pending = changes;
      throw toStoreError(error);
    }
  }
}

/** Not of one scope. */
function isOfAll(id: string): boolean {
  return id === ALL || id.startsWith(CLASS_PREFIX);
}

/** What is counted of a task. Owner and groups as the tasks' fields have them; `queueClass` while QUEUED. */
export interface Counted {
  readonly owner: string;
  readonly groups?: readonly string[];
  readonly state: TesState;
  readonly queueClass?: string;
}

function countersOf({ queueClass, ...task }: Counted): readonly string[] {
  return [ALL, ...scopesOf(task), ...(queueClass === undefined ? [] : [CLASS_PREFIX + queueClass])];
}

function added(first: States, second: States): States {
  const sum: States = { ...first };
  for (const [state, n] of Object.entries(second) as [TesState, number][]) sum[state] = (sum[state] ?? 0) + n;
  return sum;
}

function positive(states: States): States {
  return Object.fromEntries(Object.entries(states).filter(([, n]) => n > 0));
}

/** Beyond so many the exact number tells an operator nothing more. */
const MOST_ON_BACKEND = 100_000;

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
    found.set(target, await connection.call(() => tasks.countDocuments({ target }, { hint, limit: MOST_ON_BACKEND, ...connection.limit })));
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

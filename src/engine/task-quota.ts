import { TooManyRequests, Unavailable } from '../ports/errors';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import { groupScope, ownerScope, type Scope } from '../task/scopes';
import { isTerminal } from '../task/task-state';
import type { TaskRecord } from '../task/task-record';
import type { TesState } from '../task/tes';

/** Most tasks; absent = any number. */
export interface QuotaSettings {
  /** Of one user, and of one group, that have not ended. */
  readonly ofUser?: number;
  readonly ofGroup?: number;
  /** Of everybody, that wait in the queue. */
  readonly queued?: number;
}

/** One limit that holds for somebody, and what is used of it. */
export interface QuotaUse {
  readonly setting: string;
  /** Key of the user or group. */
  readonly of: string;
  readonly kind: 'user' | 'group';
  readonly most: number;
  readonly used: number;
}

interface Limit {
  readonly most: number;
  readonly count: KnownCount;
  /** What is thrown when it is reached. */
  readonly refusal: () => Error;
}

interface LimitOfSomebody extends Limit {
  readonly of: string;
  readonly kind: QuotaUse['kind'];
}

type CountingStore = StoreClock & Pick<TaskRecords, 'counts'>;

/** What other gateways made, and what is counted no more, is known after this long, ms. */
const FRESH_MS = 1000;
/** Scopes that are remembered; of more the first is forgotten. */
const MOST_KNOWN = 10_000;
const RETRY_AFTER_SECONDS = 30;

/** `undefined` = nobody is counted. */
type Creator = Pick<TaskRecord, 'owner' | 'groups'> | undefined;

/**
 * How many tasks there may be: of one user and of one group that have not ended, and of everybody in the queue. Counted by the store's
 * counters, which all gateways share, at most once a second for each; what this gateway makes itself counts at once. One gateway never lets
 * a limit be passed; several, by what they make within a second.
 */
export class TaskQuota {
  private readonly counts = new Map<Scope, KnownCount>();
  private readonly ofEverybody: readonly Limit[];

  constructor(
    private readonly store: CountingStore,
    private readonly settings: QuotaSettings,
  ) {
    const { queued } = settings;
    this.ofEverybody = queued === undefined ? [] : [{ most: queued, count: queueOf(store), refusal: () => queueFull(queued) }];
  }

  /** Makes a task, if there is a place for it. Rejects as `make` does, with Unavailable (the queue), and with TooManyRequests. */
  async within<T>(creator: Creator, make: () => Promise<T>): Promise<T> {
    const limits = [...this.ofEverybody, ...this.limitsOf(creator)];
    const stale = limits.flatMap(({ count, most }) => count.refreshed(most) ?? []);
    if (stale.length > 0) await Promise.all(stale);
    // Nothing is waited for between the look at all of them and the last place taken.
    const full = limits.find(({ count, most }) => count.used >= most);
    if (full) throw full.refusal();
    for (const { count } of limits) count.begin();
    let isMade = false;
    try {
      const result = await make();
      isMade = true;
      return result;
    } finally {
      for (const { count } of limits) count.end(isMade);
    }
  }

  /** The limits that hold for somebody, and what is used of each. */
  async of(creator: Creator): Promise<readonly QuotaUse[]> {
    return Promise.all(
      this.limitsOf(creator).map(async ({ of, kind, most, count }) => {
        await count.refreshed(Infinity);
        return { setting: settingOf(kind), of, kind, most, used: count.used };
      }),
    );
  }

  private limitsOf(creator: Creator): readonly LimitOfSomebody[] {
    if (creator === undefined) return [];
    const { owner, groups = [] } = creator;
    const { ofUser, ofGroup } = this.settings;
    const limit = (kind: 'user' | 'group', of: string, scope: Scope, most: number): LimitOfSomebody => {
      return { kind, of, most, count: this.countOf(scope), refusal: () => tooMany(kind, of, most) };
    };
    return [
      ...(ofUser === undefined ? [] : [limit('user', owner, ownerScope(owner), ofUser)]),
      ...(ofGroup === undefined ? [] : groups.map((key) => limit('group', key, groupScope(key), ofGroup))),
    ];
  }

  private countOf(scope: Scope): KnownCount {
    const known = this.counts.get(scope);
    if (known) return known;
    const [oldest] = this.counts.size >= MOST_KNOWN ? this.counts.keys() : [];
    if (oldest !== undefined) this.counts.delete(oldest);
    const count = new KnownCount(this.store, async () => unfinished(await this.store.counts(scope)));
    this.counts.set(scope, count);
    return count;
  }
}

/** How many tasks of some kind there are, as far as this gateway knows. */
class KnownCount {
  private stored = 0;
  private readAt = -Infinity;
  /** Made by this gateway since that was read, and being made. What is in both is counted twice until it is read again. */
  private made = 0;
  private making = 0;
  private reading?: Promise<void>;

  constructor(
    private readonly clock: StoreClock,
    private readonly count: () => Promise<number>,
  ) {}

  get used(): number {
    return this.stored + this.made + this.making;
  }

  /** Reads it when it is old, and before anybody is refused; `undefined` = it is as it should be. */
  refreshed(most: number): Promise<void> | undefined {
    if (this.clock.now() - this.readAt < FRESH_MS && this.used < most) return undefined;
    this.reading ??= this.read().finally(() => delete this.reading);
    return this.reading;
  }

  begin(): void {
    this.making += 1;
  }

  end(isMade: boolean): void {
    this.making -= 1;
    if (isMade) this.made += 1;
  }

  private async read(): Promise<void> {
    const readAt = this.clock.now();
    const madeBefore = this.made;
    this.stored = await this.count();
    this.made -= madeBefore;
    this.readAt = readAt;
  }
}

function queueOf(store: CountingStore): KnownCount {
  return new KnownCount(store, async () => (await store.counts()).QUEUED ?? 0);
}

function unfinished(counts: Partial<Record<TesState, number>>): number {
  return Object.entries(counts).reduce((sum, [state, count]) => (isTerminal(state as TesState) ? sum : sum + count), 0);
}

function queueFull(most: number): Unavailable {
  return new Unavailable(`${most} tasks are queued already (setting limits.max_queued)`, { retryAfterSeconds: RETRY_AFTER_SECONDS });
}

function tooMany(kind: QuotaUse['kind'], of: string, most: number): TooManyRequests {
  const who = kind === 'user' ? 'you have' : `the group ${of} has`;
  const cure = 'wait until some have ended, or cancel some';
  return new TooManyRequests(`${who} ${most} tasks that have not ended, as many as there may be (setting ${settingOf(kind)}): ${cure}`, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

function settingOf(kind: QuotaUse['kind']): string {
  return `limits.max_tasks_of_${kind}`;
}

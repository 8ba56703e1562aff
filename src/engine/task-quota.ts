import { TooManyRequests } from '../ports/errors';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import { groupScope, ownerScope, type Scope } from '../task/scopes';
import { isTerminal } from '../task/task-state';
import type { TaskRecord } from '../task/task-record';
import type { TesState } from '../task/tes';

/** Most tasks that have not ended; absent = any number. */
export interface QuotaSettings {
  readonly ofUser?: number;
  readonly ofGroup?: number;
}

/** One limit that holds for somebody, and what is used of it. */
export interface QuotaUse {
  /** Key of the user or group. */
  readonly of: string;
  readonly kind: 'user' | 'group';
  readonly most: number;
  readonly used: number;
}

interface Limit extends Omit<QuotaUse, 'used'> {
  readonly scope: Scope;
}

/** The tasks of one scope that have not ended, as far as this gateway knows. */
interface Count {
  stored: number;
  readAt: number;
  /** Made by this gateway since that was read, and being made. What is in both is counted twice until it is read again. */
  made: number;
  making: number;
  reading?: Promise<void>;
}

/** What other gateways made, and what ended, is known after this long, ms. */
const FRESH_MS = 1000;
/** Scopes that are remembered; of more the first is forgotten. */
const MOST_KNOWN = 10_000;
const RETRY_AFTER_SECONDS = 30;

/** `undefined` = nobody is counted. */
type Creator = Pick<TaskRecord, 'owner' | 'groups'> | undefined;

/**
 * How many tasks one user, and one group, may have that have not ended. Counted by the store's counters, which all gateways share, at most
 * once a second for each; what this gateway makes itself counts at once. One gateway never lets the limit be passed; several, by what they
 * make within a second.
 */
export class TaskQuota {
  private readonly counts = new Map<Scope, Count>();

  constructor(
    private readonly store: StoreClock & Pick<TaskRecords, 'counts'>,
    private readonly settings: QuotaSettings,
  ) {}

  /** Makes a task, if there is a place for it. Rejects as `make` does, and with TooManyRequests. */
  async within<T>(creator: Creator, make: () => Promise<T>): Promise<T> {
    const limits = this.limitsOf(creator).map((limit) => ({ ...limit, count: this.countOf(limit.scope) }));
    await Promise.all(limits.map(({ count, scope, most }) => this.refresh(count, scope, most)));
    // Nothing is waited for between the look at all of them and the last place taken.
    const full = limits.find(({ count, most }) => used(count) >= most);
    if (full) throw new TooManyRequests(refusal(full), { retryAfterSeconds: RETRY_AFTER_SECONDS });
    for (const { count } of limits) count.making += 1;
    let made = 0;
    try {
      const result = await make();
      made = 1;
      return result;
    } finally {
      for (const { count } of limits) {
        count.making -= 1;
        count.made += made;
      }
    }
  }

  /** The limits that hold for somebody, and what is used of each. */
  async of(creator: Creator): Promise<readonly QuotaUse[]> {
    return Promise.all(
      this.limitsOf(creator).map(async ({ scope, ...limit }) => {
        const count = this.countOf(scope);
        await this.refresh(count, scope, Infinity);
        return { ...limit, used: used(count) };
      }),
    );
  }

  private limitsOf(creator: Creator): readonly Limit[] {
    if (creator === undefined) return [];
    const { owner, groups = [] } = creator;
    const { ofUser, ofGroup } = this.settings;
    return [
      ...(ofUser === undefined ? [] : [{ of: owner, kind: 'user' as const, scope: ownerScope(owner), most: ofUser }]),
      ...(ofGroup === undefined ? [] : groups.map((key) => ({ of: key, kind: 'group' as const, scope: groupScope(key), most: ofGroup }))),
    ];
  }

  private countOf(scope: Scope): Count {
    const known = this.counts.get(scope);
    if (known) return known;
    const [oldest] = this.counts.size >= MOST_KNOWN ? this.counts.keys() : [];
    if (oldest !== undefined) this.counts.delete(oldest);
    const count: Count = { stored: 0, readAt: -Infinity, made: 0, making: 0 };
    this.counts.set(scope, count);
    return count;
  }

  /** Reads it when it is old, and before anybody is refused. */
  private async refresh(count: Count, scope: Scope, most: number): Promise<void> {
    if (this.store.now() - count.readAt < FRESH_MS && used(count) < most) return;
    count.reading ??= this.read(count, scope).finally(() => delete count.reading);
    await count.reading;
  }

  private async read(count: Count, scope: Scope): Promise<void> {
    const readAt = this.store.now();
    const madeBefore = count.made;
    count.stored = unfinished(await this.store.counts(scope));
    count.made -= madeBefore;
    count.readAt = readAt;
  }
}

function used({ stored, made, making }: Count): number {
  return stored + made + making;
}

function unfinished(counts: Partial<Record<TesState, number>>): number {
  return Object.entries(counts).reduce((sum, [state, count]) => (isTerminal(state as TesState) ? sum : sum + count), 0);
}

function refusal({ kind, of, most }: Omit<Limit, 'scope'>): string {
  const who = kind === 'user' ? 'you have' : `the group ${of} has`;
  const cure = 'wait until some have ended, or cancel some';
  return `${who} ${most} tasks that have not ended, as many as there may be (setting limits.max_tasks_of_${kind}): ${cure}`;
}

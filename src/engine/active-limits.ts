import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import { type Scope, scopesOf } from '../task/scopes';
import type { TaskRecord } from '../task/task-record';
import { isTerminal } from '../task/task-state';
import type { TesState } from '../task/tes';
import type { TaskChange } from './task-changes';
import type { QuotaUse } from './task-quota';

/** Most tasks that a backend has at once, of one user and of one group; absent = any number. */
export interface ActiveSettings {
  readonly ofUser?: number;
  readonly ofGroup?: number;
}

interface Count {
  active: number;
  /** -Infinity: something has ended since. */
  readAt: number;
  /** Given to a backend by this gateway, ever. */
  given: number;
  reading?: Promise<void>;
}

/** What other gateways gave to backends, and what ended there, is known after this long, ms. */
const FRESH_MS = 1000;
/** Scopes that are remembered; of more the first is forgotten. */
const MOST_KNOWN = 10_000;
/** Old ones that are read anew in one turn; what is known of more is used as it is, and read in the next ones. */
const MOST_READ = 64;

/**
 * How many tasks of one user, and of one group, backends may have at once. Only tasks that could go on are counted against it. One gateway
 * never lets the limit be passed; several, by what they give away within a second.
 *
 * A task that meets a limit is put into a class of its owner's and groups' own (`TaskNeeds.limitedBy`), once: as long as the limit is
 * reached that class is closed, and whatever waits in it costs nothing.
 */
export class ActiveLimits {
  private readonly counts = new Map<Scope, Count>();

  constructor(
    private readonly store: StoreClock & Pick<TaskRecords, 'counts'>,
    private readonly settings: ActiveSettings,
  ) {}

  /** The scopes of a task that have a limit. */
  scopesOf(task: Pick<TaskRecord, 'owner' | 'groups'>): readonly Scope[] {
    const { ofUser, ofGroup } = this.settings;
    return ofUser === undefined && ofGroup === undefined ? [] : scopesOf(task).filter((scope) => this.mostOf(scope) !== undefined);
  }

  /** A reader of committed changes. */
  heard({ before, after }: Pick<TaskChange, 'before' | 'after'>): void {
    const [was, is] = [before !== undefined && isActive(before.state), isActive(after.state)];
    if (was === is) return;
    for (const scope of this.scopesOf(after)) {
      const count = this.counts.get(scope);
      if (count === undefined) continue;
      if (is) [count.active, count.given] = [count.active + 1, count.given + 1];
      else count.readAt = -Infinity;
    }
  }

  /** What is free now, for one who gives some of it away. */
  turn(): Turn {
    const budget = { reads: MOST_READ };
    return new Turn(async (scope) => {
      const most = this.mostOf(scope);
      return most === undefined ? Infinity : most - (await this.activeOf(scope, budget));
    });
  }

  /** `TaskNeeds.limitedBy` of a task that comes into the queue; `undefined` = none of its limits is reached. */
  async metBy(task: Pick<TaskRecord, 'owner' | 'groups'>): Promise<readonly Scope[] | undefined> {
    const scopes = this.scopesOf(task);
    return scopes.length > 0 && (await this.turn().reached(scopes)) !== undefined ? scopes : undefined;
  }

  /** The limits that hold for somebody, and what is used of each. */
  async of(creator: Pick<TaskRecord, 'owner' | 'groups'>): Promise<readonly QuotaUse[]> {
    return Promise.all(
      this.scopesOf(creator).map(async (scope) => {
        const [kind, of] = partsOf(scope);
        return { setting: settingOf(kind), kind, of, most: this.mostOf(scope) ?? 0, used: await this.activeOf(scope) };
      }),
    );
  }

  /** Why a task of this scope waits, in words for whoever sees it. */
  reason(scope: Scope): string {
    const [kind, of] = partsOf(scope);
    const who = kind === 'user' ? 'its owner' : `the group ${of}`;
    return `${who} has ${this.mostOf(scope)} active tasks, as many as there may be (setting ${settingOf(kind)}): it goes on when one of them has ended`;
  }

  private mostOf(scope: Scope): number | undefined {
    return partsOf(scope)[0] === 'user' ? this.settings.ofUser : this.settings.ofGroup;
  }

  private async activeOf(scope: Scope, budget = { reads: 1 }): Promise<number> {
    const count = this.counts.get(scope) ?? this.added(scope);
    const isOld = this.store.now() - count.readAt >= FRESH_MS;
    if (isOld && count.readAt > -Infinity && (budget.reads -= 1) < 0) return count.active;
    if (isOld) await (count.reading ??= this.read(scope, count).finally(() => delete count.reading));
    return count.active;
  }

  private async read(scope: Scope, count: Count): Promise<void> {
    const { given } = count;
    // What ends while it is read makes it old again.
    count.readAt = this.store.now();
    const stored = Object.entries(await this.store.counts(scope)).reduce(
      (sum, [state, n]) => (isActive(state as TesState) ? sum + n : sum),
      0,
    );
    // What is in both is counted twice until it is read again.
    count.active = stored + count.given - given;
  }

  private added(scope: Scope): Count {
    const [oldest] = this.counts.size >= MOST_KNOWN ? this.counts.keys() : [];
    if (oldest !== undefined) this.counts.delete(oldest);
    const count: Count = { active: 0, readAt: -Infinity, given: 0 };
    this.counts.set(scope, count);
    return count;
  }
}

/** What the limits leave, while some of it is given away. */
export class Turn {
  private readonly rooms = new Map<Scope, number>();

  constructor(private readonly roomOf: (scope: Scope) => Promise<number>) {}

  /** The first of some scopes whose limit is reached. */
  async reached(scopes: readonly Scope[]): Promise<Scope | undefined> {
    const unknown = scopes.filter((scope) => !this.rooms.has(scope));
    if (unknown.length > 0) await Promise.all(unknown.map(async (scope) => this.rooms.set(scope, await this.roomOf(scope))));
    return scopes.find((scope) => (this.rooms.get(scope) ?? 0) <= 0);
  }

  take(scopes: readonly Scope[]): void {
    for (const scope of scopes) this.rooms.set(scope, (this.rooms.get(scope) ?? 0) - 1);
  }
}

function isActive(state: TesState): boolean {
  return state !== 'QUEUED' && !isTerminal(state);
}

function partsOf(scope: Scope): readonly [kind: 'user' | 'group', key: string] {
  const at = scope.indexOf(' ');
  return [scope.startsWith('owner ') ? 'user' : 'group', scope.slice(at + 1)];
}

function settingOf(kind: 'user' | 'group'): string {
  return `limits.max_active_of_${kind}`;
}

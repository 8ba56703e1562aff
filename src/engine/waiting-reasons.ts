import type { StoreClock } from '../ports/store/store-clock';
import type { Upkeep } from '../ports/store/upkeep';
import { attemptOfJob } from '../task/left-behind';
import type { TaskRecord } from '../task/task-record';
import type { ActiveLimits } from './active-limits';
import { awayInstance } from './away-instance';
import type { KnownBackends } from './known-backends';
import type { QueueView } from './queue-view';
import { type Candidate, selectBackend } from './select-backend';
import { storageWaitWords } from './storage-wait';

/** So old may be what a reason for waiting is read from, ms: engines ask of a thousand waiting tasks every second. */
const REASON_AGE_MS = 250;

/** What reasons for waiting are read from, beside the store. */
export interface Surroundings {
  readonly known: Pick<KnownBackends, 'all' | 'elsewhere'>;
  /** What keeps a task that is due from being worked on here, if all places that it could have are taken. */
  readonly fullness: (task: TaskRecord) => string | undefined;
}

/** Why a task that a backend has does not go on, and what an operator can do about it, as public sentences; empty when nothing is known. */
export async function whyUnderWay(
  task: TaskRecord,
  store: Pick<StoreClock, 'now'> & Pick<Upkeep, 'seenGateways'>,
  instance: string,
  { known, fullness }: Surroundings,
): Promise<readonly string[]> {
  const { backend, boundTo, trouble } = task;
  const reasons: string[] = [];
  if (task.state === 'CANCELING' && (task.jobAttempt !== undefined || trouble)) {
    reasons.push(`waiting: the task is CANCELED once backend ${backend} confirms that the job of attempt ${attemptOfJob(task)} has ended`);
  }
  const away = boundTo === undefined || boundTo === instance ? undefined : await awayInstance(store, boundTo);
  if (away) {
    const since = away.since === undefined ? '' : ` since ${new Date(away.since).toISOString()}`;
    reasons.push(
      `waiting: gateway ${boundTo}, which has the job, has been away${since}: start it again, or, if it is gone for good, ` +
        `npm run store -- gone ${boundTo}`,
    );
  } else if (backend !== undefined && !known.all().some(({ name }) => name === backend)) {
    reasons.push(`waiting: backend ${backend} is not set up any more: set it up again, or npm run store -- gone --backend ${backend}`);
  } else if (trouble) {
    reasons.push(trouble.reason);
  }
  const storage = storageWaitWords(task);
  if (storage !== undefined) reasons.push(storage);
  const full = task.lease ? undefined : fullness(task);
  if (full !== undefined) reasons.push(`waiting: ${full}`);
  return reasons;
}

/** Why a task does not go on, in sentences for whoever asks. What it reads is read once for all who ask at the same time. */
export class WhyWaiting {
  private recent: { readonly view: Promise<RecentView>; readonly at: number } | undefined;

  constructor(
    private readonly store: StoreClock & Upkeep,
    private readonly queue: QueueView,
    private readonly limits: ActiveLimits,
    private readonly candidates: () => Promise<readonly Candidate[]>,
    private readonly instance: string,
    private readonly around: Surroundings,
  ) {}

  /** The next answer is read anew. */
  forget(): void {
    this.recent = undefined;
  }

  /** Public sentences; empty when it does not wait. */
  async explain(task: TaskRecord): Promise<readonly string[]> {
    if (task.state !== 'QUEUED') return whyUnderWay(task, this.store, this.instance, this.around);
    if (task.notBefore !== undefined && task.notBefore > this.store.now()) {
      const storage = storageWaitWords(task);
      if (storage !== undefined) return [storage];
      return [`waiting ${Math.ceil((task.notBefore - this.store.now()) / 1000)} s before the next attempt`];
    }
    const reached = await this.limits.turn().reached(this.limits.scopesOf(task));
    if (reached !== undefined) return [`waiting: ${this.limits.reason(reached)}`];
    const recent = await this.recently();
    let selection = selectBackend(task.id, task.needs, recent.candidates);
    // Room that is kept free is the last of all reasons: whoever waits for another one need not know of it.
    if (selection.kind === 'chosen') selection = selectBackend(task.id, task.needs, await recent.withHolds());
    if (selection.kind === 'wait') return selection.reasons.map((reason) => `waiting: ${reason}`);
    return [
      (await recent.isNext(task)) ? 'waiting: about to be given to a backend' : 'waiting: older tasks that can use the free room go first',
    ];
  }

  private async recently(): Promise<RecentView> {
    const now = performance.now();
    this.recent = this.recent && now - this.recent.at < REASON_AGE_MS ? this.recent : { view: this.look(), at: now };
    const { view } = this.recent;
    try {
      return await view;
    } catch (error) {
      if (this.recent?.view === view) this.recent = undefined;
      throw error;
    }
  }

  private async look(): Promise<RecentView> {
    const candidates = await this.candidates();
    let held: Promise<readonly Candidate[]> | undefined;
    const firsts = new Map<string, Promise<ReadonlySet<string>>>();
    return {
      candidates,
      withHolds: () => (held ??= this.queue.classes().then((classes) => this.queue.withHolds(classes, candidates))),
      isNext: async (task) => {
        const key = this.queue.keyOf(task.needs);
        const first = firsts.get(key) ?? this.queue.firstOf(key, task.needs, candidates);
        firsts.set(key, first);
        return (await first).has(task.id);
      },
    };
  }
}

/** What reasons for waiting are read from. */
interface RecentView {
  readonly candidates: readonly Candidate[];
  /** The same, with what is kept free for big tasks. */
  withHolds(): Promise<readonly Candidate[]>;
  /** Whether a task is among the first of its class. */
  isNext(task: TaskRecord): Promise<boolean>;
}

import type { QueueClass, QueuedTask, TaskQueue } from '../ports/store/task-queue';
import type { StoreClock } from '../ports/store/store-clock';
import { ANYWHERE } from '../task/placement';
import { queueClass } from '../task/queue-class';
import { added, amountsOf, type Size } from '../task/amounts';
import type { TaskNeeds, TaskRecord } from '../task/task-record';
import type { ActiveLimits } from './active-limits';
import { nextClass } from './queue-order';
import { isUnjudged, judged } from './reach';
import { type Candidate, homesOf, isOpen, roomsFor, selectBackend } from './select-backend';

/** Read of a class first: most passes are made because one task has ended, and give away one place. */
const FIRST_HEAD = 8;
const HEAD = 64;
/** Heads of one class in one pass whose tasks all have to stay, before it is left for the next one. */
const MOST_HEADS = 16;
/** Classes whose oldest task is looked at for a backend to be kept free, in one pass. */
const MOST_HOLDS = 64;
/** Classes that are read for what was not held against a backend's prefixes yet, in one pass. */
const MOST_STALE = 64;
/** Classes whose needs are remembered. */
const MOST_KNOWN = 10_000;

/** A class that waits, and what all of its tasks need. */
export interface JudgedClass extends QueueClass {
  readonly needs: TaskNeeds;
}

export interface Choice {
  readonly task: TaskRecord;
  readonly backend: string;
  readonly size: Size;
}

export interface Choices {
  readonly chosen: readonly Choice[];
  readonly limited: readonly TaskRecord[];
}

/** One class in one round: where its next task stands, and what was read of it. */
interface Line {
  readonly one: JudgedClass;
  place: string;
  tasks: QueuedTask[];
  after?: string;
  heads: number;
  isRead: boolean;
}

/** What the Scheduler sees of the queue: classes instead of tasks. Reads only; every answer is of one moment. */
export class QueueView {
  /** What the tasks of a class need, by its key: the same for all of them and for ever, but for their exact size. */
  private readonly known = new Map<string, TaskNeeds>();

  /** Whether any class waited for a limit of active tasks at the last look. */
  hasLimited = false;

  constructor(
    private readonly store: StoreClock & TaskQueue,
    private readonly bigTaskWaitMs: number,
    private readonly limits: ActiveLimits,
  ) {}

  keyOf(needs: TaskNeeds): string {
    return queueClass(needs);
  }

  /** Every class that waits for a backend, oldest first: none that waits because its owner or a group has reached a limit. */
  async classes(): Promise<readonly JudgedClass[]> {
    const waiting = await this.store.queueClasses();
    const found = await Promise.all(
      waiting.map(async (one) => {
        const needs = this.known.get(one.key) ?? (await this.learn(one.key));
        // Its tasks were assigned meanwhile.
        return needs === undefined ? undefined : { ...one, needs };
      }),
    );
    const turn = this.limits.turn();
    const open = await Promise.all(
      found.map(async (one) => (one !== undefined && (await turn.reached(one.needs.limitedBy ?? [])) === undefined ? one : undefined)),
    );
    this.hasLimited = open.some((one, at) => one === undefined && found[at] !== undefined);
    return open.filter((one) => one !== undefined).sort((one, other) => (one.place < other.place ? -1 : 1));
  }

  /**
   * What can go on now, oldest first, at most `limit`: as if each had been assigned before the next was looked at; and what could, but for
   * the limit of its owner or of a group.
   */
  async choose(classes: readonly JudgedClass[], candidates: readonly Candidate[], limit: number): Promise<Choices> {
    const chosen: Choice[] = [];
    const limited: TaskRecord[] = [];
    const turn = this.limits.turn();
    let current = candidates;
    const lines = new Set<Line>(
      classes
        .filter(({ needs }) => roomsFor(needs, current).length > 0)
        .map((one) => ({ one, place: one.place, tasks: [], heads: 0, isRead: false })),
    );
    for (let line = nextClass([...lines]); line !== undefined && chosen.length + limited.length < limit; line = nextClass([...lines])) {
      const { needs, key } = line.one;
      const first = line.tasks.shift();
      if (first === undefined) {
        const fits = roomsFor(needs, current);
        const size = line.heads === 0 ? FIRST_HEAD : HEAD;
        const head =
          line.isRead || fits.length === 0 || line.heads === MOST_HEADS
            ? []
            : await this.store.queueHead({ queueClass: key, limit: size, fits, ...(line.after !== undefined && { after: line.after }) });
        line.heads += 1;
        line.isRead = head.length < size;
        line.tasks = [...head];
        const [oldest, last] = [head[0], head.at(-1)];
        if (oldest === undefined || last === undefined) lines.delete(line);
        else [line.place, line.after] = [oldest.place, last.place];
        continue;
      }
      const selection = selectBackend(first.task.id, first.task.needs, current);
      line.place = line.tasks[0]?.place ?? first.place;
      if (selection.kind === 'wait') {
        if (roomsFor(needs, current).length === 0) lines.delete(line);
        continue;
      }
      const scopes = this.limits.scopesOf(first.task);
      const reached = scopes.length > 0 ? await turn.reached(scopes) : undefined;
      if (reached !== undefined) {
        if (needs.limitedBy?.includes(reached)) lines.delete(line);
        else limited.push(first.task);
        continue;
      }
      turn.take(scopes);
      const { backend, size } = selection;
      chosen.push({ task: first.task, backend, size });
      current = current.map((one) => (one.name === backend ? { ...one, used: added(one.used, amountsOf(size)) } : one));
    }
    return { chosen, limited };
  }

  /**
   * In each class the oldest task that an open backend could take when empty: if it cannot go on now and has waited too long, such a
   * backend is kept free for it. The first by name of those that are shared, so that all gateways keep the same one.
   */
  async withHolds(classes: readonly JudgedClass[], candidates: readonly Candidate[]): Promise<readonly Candidate[]> {
    const before = this.store.now() - this.bigTaskWaitMs;
    const turn = this.limits.turn();
    let current = candidates;
    let looks = 0;
    for (const { key, needs, since } of classes) {
      if (since >= before) continue;
      const fits = roomsFor(needs, current, true);
      if (fits.length === 0) continue;
      if ((looks += 1) > MOST_HOLDS) break;
      const [oldest] = await this.store.queueHead({ queueClass: key, limit: 1, fits });
      if (oldest === undefined || (oldest.task.queuedAt ?? oldest.task.createdAt) >= before) continue;
      if ((await turn.reached(this.limits.scopesOf(oldest.task))) !== undefined) continue;
      const { id } = oldest.task;
      if (selectBackend(id, oldest.task.needs, current).kind === 'chosen') continue;
      const [home] = homesOf(oldest.task.needs, current).sort(byPreference);
      if (home !== undefined) current = current.map((one) => (one.name === home.name ? { ...one, heldFor: id } : one));
      if (current.every((one) => !isOpen(one) || one.heldFor !== undefined)) break;
    }
    return current;
  }

  /** The ids of a class's first tasks that fit now. */
  async firstOf(key: string, needs: TaskNeeds, candidates: readonly Candidate[]): Promise<ReadonlySet<string>> {
    const head = await this.store.queueHead({ queueClass: key, limit: FIRST_HEAD, fits: roomsFor(needs, candidates) });
    return new Set(head.map(({ task }) => task.id));
  }

  /** Tasks of classes that were not held against the prefixes of a backend which could take them, with what is found of them now. */
  async unjudged(
    classes: readonly JudgedClass[],
    candidates: readonly Candidate[],
    limit: number,
  ): Promise<readonly { readonly task: TaskRecord; readonly reaches: Readonly<Record<string, boolean>> }[]> {
    const placements = candidates.map(({ placement = ANYWHERE }) => placement);
    const stale = classes.filter(({ needs }) => placements.some((placement) => isUnjudged(needs, placement)));
    for (const { key } of stale.slice(0, MOST_STALE)) {
      const head = await this.store.queueHead({ queueClass: key, limit });
      const found = head.flatMap(({ task }) => {
        const { reaches } = judged(task.needs, placements);
        return reaches === undefined || reaches === task.needs.reaches ? [] : [{ task, reaches }];
      });
      if (found.length > 0) return found;
      // What was known of it is of a task that has left it.
      this.known.delete(key);
    }
    return [];
  }

  private async learn(key: string): Promise<TaskNeeds | undefined> {
    const [first] = await this.store.queueHead({ queueClass: key, limit: 1 });
    if (first === undefined) return undefined;
    const [oldest] = this.known.size >= MOST_KNOWN ? this.known.keys() : [];
    if (oldest !== undefined) this.known.delete(oldest);
    this.known.set(key, first.task.needs);
    return first.task.needs;
  }
}

function byPreference(one: Candidate, other: Candidate): number {
  const [first, second] = [one, other].map(({ capabilities }) => Number(capabilities.boundToInstance));
  return (first ?? 0) - (second ?? 0) || (one.name < other.name ? -1 : 1);
}

import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import { isTerminal } from '../task/task-state';
import type { TaskChanges } from './task-changes';

export interface EndWaitSettings {
  /** Longest wait for one end, ms. */
  readonly waitMs: number;
  /** Pause between two looks at a store that is shared: another gateway's changes are not told here. */
  readonly lookMs: number;
  /** Most requests that wait at once; one more is not made to wait. */
  readonly most: number;
}

/** Requests that wait a moment for a task's end, so that their caller's next look finds it. Woken by the writer's own change. */
export class EndWaits {
  private readonly waiting = new Map<string, Set<() => void>>();
  private count = 0;

  constructor(
    changes: TaskChanges,
    private readonly store: Pick<StoreClock, 'isShared'> & Pick<TaskRecords, 'getState'>,
    private readonly settings: EndWaitSettings,
  ) {
    changes.listen(({ after }) => {
      if (isTerminal(after.state)) this.wake(after.id);
    });
  }

  /**
   * Makes a change and waits for what comes of it: resolves when the task has ended, or after `waitMs`, whichever is first; at once when
   * too many wait already. Rejects only as `change` does. An end during the change is not missed.
   */
  async after(id: string, change: () => Promise<{ readonly mayEndSoon: boolean }>): Promise<void> {
    if (this.count >= this.settings.most) {
      await change();
      return;
    }
    this.count += 1;
    const ended = Promise.withResolvers<void>();
    const wakers = this.waiting.get(id) ?? new Set();
    this.waiting.set(id, wakers.add(ended.resolve));
    const timers: NodeJS.Timeout[] = [];
    try {
      if (!(await change()).mayEndSoon) return;
      timers.push(setTimeout(ended.resolve, this.settings.waitMs));
      if (this.store.isShared) timers.push(setInterval(() => void this.look(id), this.settings.lookMs));
      await ended.promise;
    } finally {
      for (const timer of timers) clearTimeout(timer);
      wakers.delete(ended.resolve);
      if (wakers.size === 0) this.waiting.delete(id);
      this.count -= 1;
    }
  }

  /** Nobody waits any longer. */
  release(): void {
    for (const id of [...this.waiting.keys()]) this.wake(id);
  }

  private async look(id: string): Promise<void> {
    try {
      const state = await this.store.getState(id);
      if (state === undefined || isTerminal(state)) this.wake(id);
    } catch {
      // The store is away: the request ends with its time.
    }
  }

  private wake(id: string): void {
    for (const resolve of this.waiting.get(id) ?? []) resolve();
  }
}

import { TooManyRequests } from '../../ports/errors';

export interface TurnLimits {
  /** What is done at once. */
  readonly atOnce: number;
  /** Of those, for one key; absent = all of them. */
  readonly atOnceOfOne?: number;
  /** What may wait for that. */
  readonly waiting: number;
}

interface Waiter {
  readonly begin: () => void;
  readonly refuse: (error: TooManyRequests) => void;
}

/**
 * Has a few things done at once. What waits comes in turn by its key: however much waits for one, the first of another is next. When there
 * is no room, the last of whoever has the most waiting is refused.
 */
export class Turns {
  /** By key, whose turn comes first first. None is empty. */
  private readonly lines = new Map<string, Waiter[]>();
  private waiting = 0;
  private busy = 0;
  /** By key; none is 0. */
  private readonly busyOf = new Map<string, number>();

  constructor(private readonly limits: TurnLimits) {}

  /** Rejects as `work` does, and with TooManyRequests. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (this.busy < this.limits.atOnce && this.hasShare(key)) this.count(key, 1);
    else await this.turnOf(key);
    try {
      return await work();
    } finally {
      this.count(key, -1);
      while (this.busy < this.limits.atOnce) {
        const next = this.next();
        if (!next) break;
        next.begin();
      }
    }
  }

  private hasShare(key: string): boolean {
    const { atOnce, atOnceOfOne = atOnce } = this.limits;
    return (this.busyOf.get(key) ?? 0) < atOnceOfOne;
  }

  private count(key: string, by: 1 | -1): void {
    this.busy += by;
    const busy = (this.busyOf.get(key) ?? 0) + by;
    if (busy === 0) this.busyOf.delete(key);
    else this.busyOf.set(key, busy);
  }

  private turnOf(key: string): Promise<void> {
    if (this.waiting >= this.limits.waiting) this.makeRoom(key);
    return new Promise((begin, refuse) => {
      const line = this.lines.get(key);
      if (line) line.push({ begin, refuse });
      else this.lines.set(key, [{ begin, refuse }]);
      this.waiting += 1;
    });
  }

  private makeRoom(key: string): void {
    const refusal = new TooManyRequests('too many logins at once', { retryAfterSeconds: 1 });
    const own = (this.lines.get(key)?.length ?? 0) + 1;
    const [longest] = [...this.lines.values()].sort((one, other) => other.length - one.length);
    if (!longest || longest.length <= own) throw refusal;
    longest.pop()?.refuse(refusal);
    this.waiting -= 1;
  }

  /** Who has the place that is free now. */
  private next(): Waiter | undefined {
    const first = [...this.lines].find(([key]) => this.hasShare(key));
    if (!first) return undefined;
    const [key, line] = first;
    const next = line.shift();
    this.count(key, 1);
    this.lines.delete(key);
    if (line.length > 0) this.lines.set(key, line);
    this.waiting -= 1;
    return next;
  }
}

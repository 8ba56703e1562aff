import { TooManyRequests } from '../../ports/errors';

export interface TurnLimits {
  /** What is done at once. */
  readonly atOnce: number;
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

  constructor(private readonly limits: TurnLimits) {}

  /** Rejects as `work` does, and with TooManyRequests. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (this.busy < this.limits.atOnce) this.busy += 1;
    // Whoever ends hands its place on.
    else await this.turnOf(key);
    try {
      return await work();
    } finally {
      const next = this.next();
      if (next) next.begin();
      else this.busy -= 1;
    }
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

  private next(): Waiter | undefined {
    const [first] = this.lines;
    if (!first) return undefined;
    const [key, line] = first;
    const next = line.shift();
    this.lines.delete(key);
    if (line.length > 0) this.lines.set(key, line);
    this.waiting -= 1;
    return next;
  }
}

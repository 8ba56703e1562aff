/** So many at once, and one more after each `everyMs`. */
export interface Rate {
  readonly most: number;
  readonly everyMs: number;
}

/** What rounding may leave over, ms. */
const NOTHING_MS = 0.001;
/** So much of what is kept goes when there is no room: it costs the time of a sort, once for so many new keys. */
const MAKE_ROOM = 1 / 8;

/**
 * A token bucket for each key. Of each is kept when it will be full again, and at most `kept` of them: when there are more, full ones go,
 * which are the same as none, then those that are full the soonest. Nobody gets rid of a debt by making others'.
 */
export class TokenBuckets {
  private readonly fullAt = new Map<string, number>();

  constructor(
    private readonly rate: Rate,
    private readonly kept: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** How long until there is one to take, ms; 0 = there is. */
  waitMs(key: string): number {
    const { most, everyMs } = this.rate;
    const ms = this.debtMs(key) - (most - 1) * everyMs;
    return ms > NOTHING_MS ? ms : 0;
  }

  take(key: string): void {
    this.change(key, this.rate.everyMs);
  }

  giveBack(key: string): void {
    this.change(key, -this.rate.everyMs);
  }

  /** How many are taken and not there again yet. */
  used(key: string): number {
    return this.debtMs(key) / this.rate.everyMs;
  }

  private debtMs(key: string): number {
    return Math.max(0, (this.fullAt.get(key) ?? 0) - this.now());
  }

  private change(key: string, byMs: number): void {
    const debtMs = this.debtMs(key) + byMs;
    if (debtMs <= NOTHING_MS) {
      this.fullAt.delete(key);
      return;
    }
    if (this.fullAt.size >= this.kept && !this.fullAt.has(key)) this.makeRoom();
    this.fullAt.set(key, this.now() + debtMs);
  }

  private makeRoom(): void {
    const soonest = Float64Array.from(this.fullAt.values()).sort();
    const least = Math.ceil(soonest.length * MAKE_ROOM);
    const upTo = soonest[least - 1] ?? 0;
    let equal = least - soonest.indexOf(upTo);
    const now = this.now();
    for (const [key, fullAt] of this.fullAt) {
      const goes = fullAt <= now || fullAt < upTo || (fullAt === upTo && equal-- > 0);
      if (goes) this.fullAt.delete(key);
    }
  }
}

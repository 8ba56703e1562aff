/** After a look that failed, ms. */
const AFTER_FAILURE_MS = 1000;

/**
 * Calls `look`, one call at a time: when it is woken, when the last look said, and after `tickMs` at the latest. A wake-up during a look
 * asks for one more.
 */
export class Pacer {
  private timer: NodeJS.Timeout | undefined;
  private wakesAt = Infinity;
  private underWay: Promise<void> | undefined;
  private again = false;
  private stopped = true;

  constructor(
    /** Resolves to the pause until the next look if nothing happens, ms; Infinity = only the tick. */
    private readonly look: () => Promise<number>,
    private readonly tickMs: number,
    private readonly failed: (error: unknown) => void,
  ) {}

  get isLooking(): boolean {
    return this.underWay !== undefined;
  }

  start(): void {
    this.stopped = false;
    this.wakeIn(0);
  }

  /** Resolves when the look under way has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.underWay;
  }

  wakeIn(delayMs: number): void {
    if (this.stopped) return;
    // The monotonic clock: a wall clock that is set must not put a look off.
    const at = performance.now() + Math.max(0, delayMs);
    if (at >= this.wakesAt) return;
    this.wakesAt = at;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.wake(), Math.min(Math.max(0, delayMs), 2 ** 31 - 1));
  }

  private async wake(): Promise<void> {
    this.wakesAt = Infinity;
    if (this.stopped) return;
    if (this.underWay) {
      this.again = true;
      return;
    }
    let next = this.tickMs;
    this.underWay = this.look().then(
      (pauseMs) => {
        next = Math.min(next, pauseMs);
      },
      (error: unknown) => {
        this.failed(error);
        next = Math.min(next, AFTER_FAILURE_MS);
      },
    );
    await this.underWay;
    this.underWay = undefined;
    if (this.again) next = 0;
    this.again = false;
    this.wakeIn(next);
  }
}

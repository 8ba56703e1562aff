/**
 * The store's time: wall time at open, advanced by the monotonic clock, in whole milliseconds. Clock changes while the process lives
 * are not seen at all. Over a restart it does not step back either, as long as the wall clock lags the saved mark by at most
 * `maxLagMs`; a mark further ahead was itself made by a wrong clock, and keeping it would hold all times in the future.
 */
export class StoreClock {
  private readonly wallAtOpen: number;
  private readonly monotonicAtOpen: number;
  private latest: number;

  constructor(
    wallNow: () => number,
    private readonly monotonicNow: () => number,
    savedMark: number,
    maxLagMs: number,
  ) {
    const wall = wallNow();
    this.wallAtOpen = savedMark > wall && savedMark - wall <= maxLagMs ? savedMark : wall;
    this.monotonicAtOpen = monotonicNow();
    this.latest = Math.floor(this.wallAtOpen);
  }

  now(): number {
    const now = Math.floor(this.wallAtOpen + this.monotonicNow() - this.monotonicAtOpen);
    if (now > this.latest) this.latest = now;
    return this.latest;
  }
}

/**
 * Work that is done every so often while the process lives: never twice at once, whatever it takes. A round that fails is told to `failed`,
 * and the next one comes all the same.
 */
export class Rounds {
  private timer: NodeJS.Timeout | undefined;
  private underWay: Promise<void> | undefined;

  constructor(
    /** From one beginning to the next, ms; a beginning that falls into a round is left out. */
    private readonly everyMs: number,
    private readonly work: () => Promise<unknown>,
    /** Absent: it is a hint only, or its work says so itself. */
    private readonly failed: (error: unknown) => void = () => undefined,
  ) {}

  /** The first round begins after `everyMs`. */
  start(): void {
    this.timer = setInterval(() => void this.now(), this.everyMs).unref();
  }

  /** A round now, or the one that is under way. Resolves when that has ended, however. */
  now(): Promise<void> {
    this.underWay ??= this.work()
      .then(() => undefined, this.failed)
      .finally(() => {
        this.underWay = undefined;
      });
    return this.underWay;
  }

  /** Resolves when the round under way has ended; there is no further one. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.underWay;
  }
}

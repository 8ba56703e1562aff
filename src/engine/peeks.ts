/**
 * On a shared store other processes make tasks due, or bring new ones, and nobody says so here: a small question every so often finds
 * it. A hint only: one that fails is left to the loop that looks anyway, and says so.
 */
export class Peeks {
  private timer: NodeJS.Timeout | undefined;
  private underWay: Promise<void> | undefined;

  constructor(
    private readonly everyMs: number,
    private readonly look: () => Promise<void>,
  ) {}

  start(): void {
    this.timer = setInterval(() => {
      this.underWay ??= this.look()
        .catch(() => undefined)
        .finally(() => {
          this.underWay = undefined;
        });
    }, this.everyMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.underWay;
  }
}

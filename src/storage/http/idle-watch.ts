/** Aborts its signal when something awaited does not come within `limitMs`. Armed only while the other side is awaited. */
export class IdleWatch {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  constructor(private readonly limitMs: number) {}

  get signal(): AbortSignal {
    return this.controller.signal;
  }
  get expired(): boolean {
    return this.controller.signal.aborted;
  }
  /** Starts the clock, or starts it anew. */
  arm(): void {
    this.rest();
    this.timer = setTimeout(() => this.controller.abort(), this.limitMs);
  }
  rest(): void {
    clearTimeout(this.timer);
  }
}

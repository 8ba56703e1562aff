import { TransferError } from '../../ports/errors';

/** Aborts its signal when something awaited does not come within `limitMs`. Armed only while the other side is awaited. */
export class IdleWatch {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private over = false;
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
    if (this.over) return;
    this.timer = setTimeout(() => {
      this.controller.abort();
    }, this.limitMs);
  }
  rest(): void {
    clearTimeout(this.timer);
  }
  /** For good: whoever still arms it starts nothing. */
  end(): void {
    this.over = true;
    this.rest();
  }
}

export function idleError(subject: string, limitMs: number): TransferError {
  return new TransferError(`${subject}: nothing moved for ${limitMs / 1000} s`, { retryable: true, away: {} });
}

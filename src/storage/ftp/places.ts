/** A bounded number of places for each name. Who comes when all are taken waits in turn. */
export class Places {
  private readonly taken = new Map<string, number>();
  private readonly waiting = new Map<string, (() => void)[]>();

  constructor(private readonly most: number) {}

  /** Resolves with what gives the place back. Rejects with the signal's reason. */
  async enter(name: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const taken = this.taken.get(name) ?? 0;
    if (taken < this.most) this.taken.set(name, taken + 1);
    else await this.turn(name, signal);
    let isLeft = false;
    return () => {
      if (isLeft) return;
      isLeft = true;
      this.leave(name);
    };
  }

  private turn(name: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const line = this.waiting.get(name) ?? [];
      this.waiting.set(name, line);
      const enter = (): void => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const stop = (): void => {
        line.splice(line.indexOf(enter), 1);
        reject(signal.reason as Error);
      };
      line.push(enter);
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  /** The place goes to the next who waits, if anybody does. */
  private leave(name: string): void {
    const line = this.waiting.get(name);
    const next = line?.shift();
    if (line?.length === 0) this.waiting.delete(name);
    if (next) {
      next();
      return;
    }
    const taken = (this.taken.get(name) ?? 1) - 1;
    if (taken > 0) this.taken.set(name, taken);
    else this.taken.delete(name);
  }
}

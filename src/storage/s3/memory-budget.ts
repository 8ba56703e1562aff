/** What all transfers of a process may hold of objects in memory at once. */
export class MemoryBudget {
  private freeBytes: number;
  private readonly waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(private readonly totalBytes: number) {
    this.freeBytes = totalBytes;
  }

  /** Resolves in the order of asking, when there is so much, with what gives it back. More than there is at all is given when nobody else has any. */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const wanted = Math.min(bytes, this.totalBytes);
    if (this.waiting.length > 0 || wanted > this.freeBytes) {
      await new Promise<void>((resolve, reject) => {
        const entry = {
          bytes: wanted,
          go: () => {
            signal.removeEventListener('abort', stop);
            resolve();
          },
        };
        const stop = (): void => {
          this.waiting.splice(this.waiting.indexOf(entry), 1);
          reject(signal.reason as Error);
          this.serve();
        };
        signal.addEventListener('abort', stop, { once: true });
        this.waiting.push(entry);
      });
    } else {
      this.freeBytes -= wanted;
    }
    return this.giveBack(wanted);
  }

  /** Only what is free, and what nobody waits for. */
  tryTake(bytes: number): (() => void) | undefined {
    if (this.waiting.length > 0 || bytes > this.freeBytes) return undefined;
    this.freeBytes -= bytes;
    return this.giveBack(bytes);
  }

  private giveBack(bytes: number): () => void {
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      this.freeBytes += bytes;
      this.serve();
    };
  }

  private serve(): void {
    for (let [first] = this.waiting; first && first.bytes <= this.freeBytes; [first] = this.waiting) {
      this.waiting.shift();
      this.freeBytes -= first.bytes;
      first.go();
    }
  }
}

import type { TailRecord } from '../../ports/task-store';

/** About what the tails of a thousand running tasks hold; the ones not written for longest go first. Characters. */
const MAX_CHARACTERS = 16 * 1024 * 1024;

/**
 * Live output. It is kept in memory: it may be lost without harm, is written anew every few seconds while an executor
 * writes, and only this process reads the store, so that a copy on disk would cost writes and serve nobody.
 */
export class TailCache {
  private readonly tails = new Map<string, TailRecord>();
  private characters = 0;

  constructor(private readonly maxCharacters = MAX_CHARACTERS) {}

  get(id: string): TailRecord | undefined {
    return this.tails.get(id);
  }

  put(id: string, tail: TailRecord | undefined): void {
    this.drop(id);
    if (tail === undefined) return;
    this.tails.set(id, tail);
    this.characters += sizeOf(tail);
    for (const oldest of this.tails.keys()) {
      if (this.characters <= this.maxCharacters || oldest === id) break;
      this.drop(oldest);
    }
  }

  private drop(id: string): void {
    const tail = this.tails.get(id);
    if (tail === undefined) return;
    this.tails.delete(id);
    this.characters -= sizeOf(tail);
  }
}

function sizeOf(tail: TailRecord): number {
  return (tail.stdout?.text.length ?? 0) + (tail.stderr?.text.length ?? 0);
}

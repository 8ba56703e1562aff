import { setTimeout as pause } from 'node:timers/promises';
import { TransferError } from '../../ports/errors';
import { backOff } from '../../task/failure-policy';
import type { TransferOptions } from './transfer-options';

/** A failure after this much data is the first one again: a long file over a bad line still arrives, and the count stays bounded. */
const FRESH_START_BYTES = 8 * 1024 * 1024;

/** The tries of one file: how many failures in a row are borne, and the pause after each. */
export class Tries {
  private failures = 0;
  private bytes = 0;
  constructor(private readonly options: TransferOptions) {}

  progressed(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes >= FRESH_START_BYTES) this.failures = 0;
  }

  /** Resolves, after a pause, when it may be tried once more; else throws what failed. */
  async again(error: unknown, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.failures += 1;
    this.bytes = 0;
    if (!(error instanceof TransferError) || !error.retryable || this.failures >= (this.options.tries ?? 3)) throw error;
    const { firstDelayMs = 500, longestDelayMs = 10_000, random = Math.random } = this.options;
    const { retryAfterMs = 0 } = error.away ?? {};
    // Whoever waits for a task may wait so long; a file holds a place.
    if (retryAfterMs > longestDelayMs) throw error;
    const delayMs = backOff(this.failures - 1, { firstDelayMs, longestDelayMs }, random());
    await pause(Math.max(delayMs, retryAfterMs), undefined, { signal });
  }
}

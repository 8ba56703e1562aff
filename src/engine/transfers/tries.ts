import { setTimeout as pause } from 'node:timers/promises';
import { TransferError } from '../../ports/errors';
import { backOff } from '../../task/failure-policy';
import { FRESH_START_BYTES, type TransferOptions } from './transfer-options';

/**
 * The tries of one file: how many failures in a row are borne, and the pause after each. A failure after `FRESH_START_BYTES` is the first one
 * again: a long file over a bad line still arrives, and the count stays bounded.
 */
export class Tries {
  private failures = 0;
  private bytes = 0;

  constructor(
    private readonly options: TransferOptions,
    /** Of the file in its storage. */
    private readonly url?: string,
  ) {}

  progressed(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes >= FRESH_START_BYTES) this.failures = 0;
  }

  /** Resolves, after a pause, when it may be tried once more; else throws what failed. */
  async again(error: unknown, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.failures += 1;
    this.bytes = 0;
    if (!(error instanceof TransferError) || !error.retryable) throw error;
    const { tries = 3, firstDelayMs = 500, longestDelayMs = 10_000, random = Math.random, onAway } = this.options;
    const { retryAfterMs = 0 } = error.away ?? {};
    // Whoever waits for a task may wait so long; a file holds a place.
    if (this.failures >= tries || retryAfterMs > longestDelayMs) {
      if (error.away && error.away.isWorkDisk !== true && this.url !== undefined) onAway?.(this.url, error.away);
      throw error;
    }
    const delayMs = backOff(this.failures - 1, { firstDelayMs, longestDelayMs }, random());
    await pause(Math.max(delayMs, retryAfterMs), undefined, { signal });
  }
}

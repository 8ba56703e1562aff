import { setTimeout as pause } from 'node:timers/promises';
import { TransferError } from '../../ports/errors';
import { backOff } from '../../task/failure-policy';

const TRIES = 3;
const DELAYS = { firstDelayMs: 500, longestDelayMs: 10_000 };

/** One of the many requests of a transfer, tried again by itself: a part that breaks does not cost the others. Throws what failed last. */
export async function repeated<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await request();
    } catch (error) {
      signal.throwIfAborted();
      const worth = error instanceof TransferError && error.retryable && !error.changed && !error.lost;
      const { retryAfterMs = 0 } = (worth && error.away) || {};
      if (!worth || failures >= TRIES || retryAfterMs > DELAYS.longestDelayMs) throw error;
      await pause(Math.max(backOff(failures - 1, DELAYS, Math.random()), retryAfterMs), undefined, { signal });
    }
  }
}

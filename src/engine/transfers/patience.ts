import { setTimeout as pause } from 'node:timers/promises';
import { TransferError } from '../../ports/errors';
import { backOff } from '../../task/failure-policy';
import type { RetryPolicy } from '../../task/failure-policy';

/**
 * Repeats a whole transfer as the table of `failure-policy.ts` says of a task's: a storage that is away is waited for while patience
 * lasts, other failures of the moment are tried `policy.attempts` times. Where nobody keeps the data for a later try, this is the last one.
 */
export async function patiently<T>(work: () => Promise<T>, policy: RetryPolicy, signal: AbortSignal, random = Math.random): Promise<T> {
  let awaySince: number | undefined;
  for (let tries = 0; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransferError) || error.lost || (!error.retryable && !error.unavailable)) throw error;
      awaySince ??= performance.now();
      const isAwaited = error.unavailable && performance.now() - awaySince < policy.patienceMs;
      if (!isAwaited && tries + 1 >= policy.attempts) throw error;
      await pause(backOff(tries, policy, random()), undefined, { signal });
    }
  }
}

import { setTimeout as pause } from 'node:timers/promises';
import { TransferError } from '../../ports/errors';
import { backOff, type RetryPolicy } from '../../task/failure-policy';

/**
 * Repeats the storing of outputs as the table of `failure-policy.ts` says of a task's: a storage that is away is waited for while its
 * patience lasts, other failures of the moment are tried `policy.attempts` times. Where nobody keeps the data for a later try, this is the last one.
 */
export async function patiently<T>(work: () => Promise<T>, policy: RetryPolicy, signal: AbortSignal, random = Math.random): Promise<T> {
  let awaySince: number | undefined;
  let waits = 0;
  let tries = 0;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransferError) || error.lost || !error.retryable) throw error;
      const { away } = error;
      if (!away) {
        tries += 1;
        if (tries >= policy.attempts) throw error;
        await pause(backOff(tries - 1, policy, random()), undefined, { signal });
        continue;
      }
      awaySince ??= performance.now();
      const patienceMs = away.brief === true ? policy.storagePatienceMs : policy.outputPatienceMs;
      const leftMs = patienceMs - (performance.now() - awaySince);
      if (leftMs <= 0) throw error;
      const delayMs = Math.max(backOff(waits, policy, random()), away.retryAfterMs ?? 0);
      waits += 1;
      await pause(Math.min(delayMs, leftMs), undefined, { signal });
    }
  }
}

/** More than that many ms a timer does not wait. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Work that has `ms` at most, and ends sooner when `signal` does. As `AbortSignal.any` with a timeout, but nothing of it outlives the work:
 * a gateway makes hundreds of calls a second, and each of those signals would live as long as its timeout.
 */
export async function within<Result>(signal: AbortSignal, ms: number, work: (limited: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const stop = (): void => controller.abort(signal.reason);
  const timer = setTimeout(() => controller.abort(new DOMException('It took too long', 'TimeoutError')), Math.min(ms, LONGEST_MS));
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

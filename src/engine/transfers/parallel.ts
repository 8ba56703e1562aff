/**
 * Takes values from `source` one by one and works on up to `width` of them at once, so that a listing of any length stays bounded in
 * memory. The first failure stops the others through the signal they were given, and is thrown after all of them have ended.
 */
export async function inParallel<T>(
  source: AsyncIterable<T> | Iterable<T>,
  width: number,
  work: (value: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    try {
      while (!both.aborted) {
        const next = await iterator.next();
        if (next.done === true) return;
        await work(next.value, both);
      }
    } catch (error) {
      failures.push(error);
      stop.abort(error);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  await iterator.return?.();
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
}

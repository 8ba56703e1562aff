import { within } from '../../../src/ports/within';

describe('work that has so long', () => {
  const forEver = (signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) => {
      if (signal.aborted) reject(signal.reason as Error);
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('is ended by its time, and leaves no timer when it ends before', async () => {
    expect(await within(new AbortController().signal, 1000, async () => 'done')).toBe('done');
    expect(jest.getTimerCount()).toBe(0);
    const late = within(new AbortController().signal, 1000, forEver);
    jest.advanceTimersByTime(1000);
    await expect(late).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('may have longer than a timer waits', async () => {
    const caller = new AbortController();
    const ended = within(caller.signal, 2 ** 40, forEver).catch((error: Error) => error.message);
    jest.advanceTimersByTime(1000);
    caller.abort(new Error('the caller is gone'));
    expect(await ended).toBe('the caller is gone');
  });

  it('is ended with its caller, also one that had ended before', async () => {
    const caller = new AbortController();
    const ended = within(caller.signal, 1000, forEver);
    caller.abort(new Error('the caller is gone'));
    await expect(ended).rejects.toThrow('the caller is gone');
    await expect(within(caller.signal, 1000, forEver)).rejects.toThrow('the caller is gone');
    expect(jest.getTimerCount()).toBe(0);
  });
});

import { patiently } from '../../../../src/engine/transfers/patience';
import { TransferError } from '../../../../src/ports/errors';

const never = new AbortController().signal;
const policy = { attempts: 3, firstDelayMs: 1, longestDelayMs: 2, patienceMs: 60_000, storagePatienceMs: 60_000, outputPatienceMs: 60_000 };
const broken = new TransferError('reset', { retryable: true });
const away = new TransferError('away', { retryable: true, away: {} });
const faulty = new TransferError('500', { retryable: true, away: { brief: true } });
const lost = new TransferError('the workspace is gone', { retryable: true, lost: true });
const refused = new TransferError('403', { retryable: false });

/** Fails with these, one after the other, then succeeds; counts the calls. */
function failing(...errors: readonly Error[]): { work: () => Promise<string>; calls: () => number } {
  let calls = 0;
  const work = async (): Promise<string> => {
    const error = errors[calls++];
    if (error !== undefined) throw error;
    return 'done';
  };
  return { work, calls: () => calls };
}

describe('patiently', () => {
  it('tries what may succeed as often as there are attempts', async () => {
    expect(await patiently(failing(broken, broken).work, policy, never)).toBe('done');
    const hopeless = failing(broken, broken, broken);
    await expect(patiently(hopeless.work, policy, never)).rejects.toBe(broken);
    expect(hopeless.calls()).toBe(3);
  });

  it('waits for a storage that is away, beyond the attempts, until patience is over', async () => {
    const long = failing(away, away, away, away, away);
    expect(await patiently(long.work, policy, never)).toBe('done');
    const short = failing(away, away, away, away);
    await expect(patiently(short.work, { ...policy, outputPatienceMs: 0 }, never)).rejects.toBe(away);
    expect(short.calls()).toBe(1);
  });

  it('waits the shorter time for a storage that answers with a fault of its own', async () => {
    await expect(patiently(failing(faulty).work, { ...policy, storagePatienceMs: 0 }, never)).rejects.toBe(faulty);
    expect(await patiently(failing(away, faulty).work, policy, never)).toBe('done');
  });

  it('repeats neither a refusal, nor a transfer without its data, nor a bug, and stops when it is told to', async () => {
    for (const error of [refused, lost, new TypeError('bug')]) {
      const { work, calls } = failing(error);
      await expect(patiently(work, policy, never)).rejects.toBe(error);
      expect(calls()).toBe(1);
    }
    const stop = new AbortController();
    const waiting = patiently(failing(away, away).work, { ...policy, firstDelayMs: 60_000, longestDelayMs: 60_000 }, stop.signal, () => 1);
    setImmediate(() => stop.abort());
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    const stopping = new AbortController();
    const stopped = async (): Promise<never> => {
      stopping.abort();
      throw refused;
    };
    await expect(patiently(stopped, policy, stopping.signal)).rejects.toMatchObject({ name: 'AbortError' });
  });
});

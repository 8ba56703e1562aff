import { Rounds } from '../../../src/ports/rounds';

describe('rounds', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('come every so often, and never two at once', async () => {
    const ends: (() => void)[] = [];
    const rounds = new Rounds(1000, () => new Promise<void>((resolve) => ends.push(resolve)));
    rounds.start();
    await jest.advanceTimersByTimeAsync(3500);
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await jest.advanceTimersByTimeAsync(1000);
    expect(ends).toHaveLength(2);
    ends[1]?.();
    await rounds.stop();
  });

  it('go on after one that failed, which is told', async () => {
    const failures: unknown[] = [];
    let begun = 0;
    const rounds = new Rounds(
      1000,
      () => Promise.reject(new Error(`round ${++begun}`)),
      (error) => failures.push(error),
    );
    rounds.start();
    await jest.advanceTimersByTimeAsync(2000);
    expect(failures).toEqual([new Error('round 1'), new Error('round 2')]);
    await rounds.stop();
  });

  it('end with the one that is under way, which is also what asking for one gives', async () => {
    let end: () => void = () => undefined;
    let begun = 0;
    const rounds = new Rounds(1000, () => {
      begun += 1;
      return new Promise<void>((resolve) => (end = resolve));
    });
    rounds.start();
    const asked = [rounds.now(), rounds.now()];
    let isStopped = false;
    const stopped = rounds.stop().then(() => (isStopped = true));
    await jest.advanceTimersByTimeAsync(5000);
    expect([begun, isStopped]).toEqual([1, false]);
    end();
    await Promise.all([...asked, stopped]);
    expect(begun).toBe(1);
  });
});

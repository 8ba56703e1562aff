import { Turns } from '../../../../src/auth/shared/turns';
import { TooManyRequests } from '../../../../src/ports/errors';

describe('turns of which one key has a share', () => {
  const begun: string[] = [];
  let ends: Map<string, () => void>;
  let turns: Turns;
  beforeEach(() => {
    begun.length = 0;
    ends = new Map();
    turns = new Turns({ atOnce: 3, atOnceOfOne: 2, waiting: 4 });
  });
  const take = (key: string, what: string): Promise<void> =>
    turns.take(key, () => {
      begun.push(what);
      return new Promise((resolve) => ends.set(what, resolve));
    });
  const end = async (what: string): Promise<void> => {
    ends.get(what)?.();
    await new Promise(setImmediate);
  };

  it('leave a place to others, and what waits comes as soon as its key and a place are free', async () => {
    const all = ['a1', 'a2', 'a3', 'a4'].map((what) => take('a', what));
    all.push(take('b', 'b1'), take('b', 'b2'));
    await new Promise(setImmediate);
    expect(begun).toEqual(['a1', 'a2', 'b1']);
    await end('b1');
    expect(begun).toEqual(['a1', 'a2', 'b1', 'b2']);
    await end('b2');
    expect(begun).toHaveLength(4);
    await end('a1');
    await end('a2');
    expect(begun).toEqual(['a1', 'a2', 'b1', 'b2', 'a3', 'a4']);
    await end('a3');
    await end('a4');
    await Promise.all(all);
    void take('c', 'c1');
    expect(begun.at(-1)).toBe('c1');
  });

  it('refuse the last of whoever has the most waiting when there is no room', async () => {
    const all = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'].map((what) => take('a', what));
    void take('b', 'b1');
    const refused = expect(all[5]).rejects.toBeInstanceOf(TooManyRequests);
    void take('b', 'b2');
    await expect(take('a', 'a7')).rejects.toBeInstanceOf(TooManyRequests);
    await Promise.race([refused, end('b1')]);
    expect(begun).toEqual(['a1', 'a2', 'b1', 'b2']);
  });
});

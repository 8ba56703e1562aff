import { TokenBuckets } from '../../../src/ports/token-buckets';

describe('token buckets', () => {
  let now = 0;
  beforeEach(() => {
    now = 0;
  });
  const taken = (buckets: TokenBuckets, key: string, times = 1): void => {
    for (let at = 0; at < times; at += 1) buckets.take(key);
  };

  it('give so many at once, then one after each interval, and no more than so many after a long time', () => {
    const buckets = new TokenBuckets({ most: 3, everyMs: 100 }, 10, () => now);
    taken(buckets, 'ann', 3);
    expect(buckets.waitMs('ann')).toBe(100);
    now = 99;
    expect(buckets.waitMs('ann')).toBe(1);
    now = 100;
    expect(buckets.waitMs('ann')).toBe(0);
    taken(buckets, 'ann');
    expect(buckets.waitMs('ann')).toBe(100);
    now = 1_000_000;
    taken(buckets, 'ann', 3);
    expect(buckets.waitMs('ann')).toBe(100);
  });

  it('give every one that there is, whatever rounding does', () => {
    for (const most of [7, 60, 333, 30_000]) {
      now = 12_345_678.9;
      const buckets = new TokenBuckets({ most, everyMs: 60_000 / most }, 10, () => now);
      taken(buckets, 'ann', most - 1);
      expect([most, buckets.waitMs('ann')]).toEqual([most, 0]);
      taken(buckets, 'ann');
      expect(buckets.waitMs('ann')).toBeGreaterThan(0);
    }
  });

  it('keep each apart, say how much is used, and take back what is given back', () => {
    const buckets = new TokenBuckets({ most: 2, everyMs: 100 }, 10, () => now);
    taken(buckets, 'ann', 2);
    expect([buckets.used('ann'), buckets.used('bob'), buckets.waitMs('bob')]).toEqual([2, 0, 0]);
    buckets.giveBack('ann');
    expect([buckets.used('ann'), buckets.waitMs('ann')]).toEqual([1, 0]);
    buckets.giveBack('bob');
    taken(buckets, 'bob', 2);
    expect(buckets.waitMs('bob')).toBe(100);
  });

  it('are bounded in number: full ones go first, and who owes the most is forgotten last', () => {
    const buckets = new TokenBuckets({ most: 10, everyMs: 100 }, 80, () => now);
    taken(buckets, 'debtor', 10);
    for (let at = 0; at < 79; at += 1) taken(buckets, `once ${at}`);
    now = 150;
    // All but one are full again, and go as one; nothing else is lost with them.
    for (let at = 0; at < 79; at += 1) taken(buckets, `twice ${at}`, 2);
    expect([buckets.used('once 0'), buckets.used('twice 0'), buckets.used('debtor')]).toEqual([0, 2, 8.5]);
    for (let at = 0; at < 10_000; at += 1) {
      taken(buckets, `flood ${at}`);
      expect((buckets as unknown as { fullAt: Map<string, number> }).fullAt.size).toBeLessThanOrEqual(80);
    }
    expect([buckets.used('debtor'), buckets.used('twice 78')]).toEqual([8.5, 2]);
  });
});

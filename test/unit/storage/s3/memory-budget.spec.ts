import { MemoryBudget } from '../../../../src/storage/s3/memory-budget';

const signal = new AbortController().signal;

describe('the memory of all transfers', () => {
  it('is given in the order of asking, and never more than there is', async () => {
    const budget = new MemoryBudget(10);
    const given: string[] = [];
    const first = await budget.take(6, signal);
    const large = budget.take(8, signal).then((back) => (given.push('large'), back));
    const small = budget.take(1, signal).then((back) => (given.push('small'), back));
    // What waits goes first, also where this would fit.
    expect(budget.tryTake(1)).toBeUndefined();
    first();
    first();
    await Promise.all([large, small]);
    expect(given).toEqual(['large', 'small']);
    expect(budget.tryTake(2)).toBeUndefined();
    (await large)();
    expect(budget.tryTake(9)).toBeDefined();
  });

  it('is given whole to who wants more', async () => {
    const budget = new MemoryBudget(10);
    const back = await budget.take(100, signal);
    expect(budget.tryTake(1)).toBeUndefined();
    back();
    expect(budget.tryTake(10)).toBeDefined();
  });

  it('is not kept by who stops waiting', async () => {
    const budget = new MemoryBudget(10);
    const back = await budget.take(5, signal);
    const stop = new AbortController();
    const waiting = budget.take(10, stop.signal);
    const behind = budget.take(5, signal);
    stop.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    (await behind)();
    back();
    expect(budget.tryTake(10)).toBeDefined();
    await expect(budget.take(1, stop.signal)).rejects.toThrow('stopped');
  });
});

import { AwayHosts } from '../../../src/engine/away-hosts';
import { TransferError } from '../../../src/ports/errors';

let hosts: AwayHosts;
const refused = (host = 'a', before?: string): TransferError | undefined => {
  try {
    hosts.enter([host], before)();
    return undefined;
  } catch (error) {
    if (error instanceof TransferError) return error;
    throw error;
  }
};

beforeEach(() => {
  jest.useFakeTimers();
  hosts = new AwayHosts();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('hosts that are away', () => {
  it('are not tried again for a moment, nor before they want to be, and others are', () => {
    hosts.failed('a', { brief: true });
    hosts.failed('b', { retryAfterMs: 5000 });
    expect(refused('a')).toMatchObject({ publicMessage: 'a is away, another transfer checks whether it is back', away: {} });
    expect(refused('a', 'output /o could not be stored')?.publicMessage).toBe('output /o could not be stored');
    expect(refused('c')).toBeUndefined();
    jest.advanceTimersByTime(1000);
    expect([refused('a'), refused('b')]).toEqual([undefined, expect.any(TransferError)]);
    jest.advanceTimersByTime(4000);
    expect(refused('b')).toBeUndefined();
  });

  it('are tried by one transfer at a time until one comes through', () => {
    hosts.failed('a', {});
    jest.advanceTimersByTime(1000);
    const leave = hosts.enter(['a', 'b']);
    jest.advanceTimersByTime(60_000);
    expect(refused()).toBeDefined();
    hosts.failed('a', {});
    leave();
    expect(refused()).toBeDefined();
    jest.advanceTimersByTime(1000);
    const answered = hosts.enter(['a']);
    answered();
    expect(refused()).toBeUndefined();
  });

  it('are let go of once, however often that is said', () => {
    hosts.failed('a', {});
    jest.advanceTimersByTime(1000);
    const first = hosts.enter(['a']);
    hosts.failed('a', {});
    first();
    jest.advanceTimersByTime(1000);
    hosts.enter(['a']);
    first();
    expect(refused()).toBeDefined();
  });

  it('are back one by one, each when it answers', () => {
    hosts.failed('a', {});
    hosts.failed('b', {});
    jest.advanceTimersByTime(1000);
    const leave = hosts.enter(['a', 'b']);
    leave('b');
    expect([refused('a'), refused('b')]).toEqual([expect.any(TransferError), undefined]);
    hosts.failed('a', {});
    leave();
    expect([refused('a'), refused('b')]).toEqual([expect.any(TransferError), undefined]);
  });

  it('are not away for long, nor for good, because one answer said so', () => {
    hosts.failed('a', { brief: true, retryAfterMs: 1e12 });
    expect(refused('a')?.away).toEqual({ retryAfterMs: 60_000 });
    jest.advanceTimersByTime(60_000);
    expect(refused('a')).toBeUndefined();
  });

  it('are tried by another transfer, too, when a check lasts long', () => {
    hosts.failed('a', {});
    jest.advanceTimersByTime(1000);
    const slow = hosts.enter(['a']);
    jest.advanceTimersByTime(119_000);
    expect(refused('a')).toBeDefined();
    jest.advanceTimersByTime(1000);
    expect(refused('a')).toBeUndefined();
    slow();
    expect(refused('a')).toBeUndefined();
  });

  it('refuse nobody his last try that answered others, who may have asked for something else', () => {
    hosts.failed('a', { answered: true });
    hosts.failed('b', {});
    expect(refused('a')).toBeDefined();
    expect(() => hosts.enter(['a'], undefined, true)()).not.toThrow();
    expect(() => hosts.enter(['b'], undefined, true)).toThrow('b is away');
  });

  it('let one through in each pause of those that have not begun', () => {
    expect(hosts.refusal(['a'])).toBeUndefined();
    hosts.failed('a', { retryAfterMs: 3000 });
    expect(hosts.refusal(['b', 'a'], 'before')).toMatchObject({ publicMessage: 'before', away: { retryAfterMs: 3000 } });
    jest.advanceTimersByTime(3000);
    const two = (): boolean[] => [hosts.refusal(['a']) === undefined, hosts.refusal(['a']) === undefined];
    expect(two()).toEqual([true, false]);
    // Who was let through and did not come is not waited for.
    jest.advanceTimersByTime(1000);
    expect(two()).toEqual([true, false]);
    const leave = hosts.enter(['a']);
    jest.advanceTimersByTime(60_000);
    expect(two()).toEqual([false, false]);
    leave();
    expect(two()).toEqual([true, true]);
  });

  it('leave no check behind where another of the hosts is not to be tried', () => {
    hosts.failed('a', {});
    jest.advanceTimersByTime(1000);
    hosts.failed('b', {});
    expect(() => hosts.enter(['a', 'b'])).toThrow('b is away');
    expect(refused('a')).toBeUndefined();
  });

  it('are a bounded number, of bounded length', () => {
    for (let index = 0; index <= 1000; index += 1) hosts.failed(`host${index}`, {});
    expect([refused('host0'), refused('host1')]).toEqual([undefined, expect.any(TransferError)]);
    hosts.failed('x'.repeat(1_000_000), {});
    expect(refused('x'.repeat(1_000_000))).toBeUndefined();
  });
});

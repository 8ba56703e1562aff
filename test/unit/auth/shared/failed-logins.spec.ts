import { FailedLogins } from '../../../../src/auth/shared/failed-logins';
import { TooManyRequests } from '../../../../src/ports/errors';

const LIMITS = { name: { most: 2, everyMs: 10_000 }, address: { most: 4, everyMs: 1000 }, counted: 50 };

describe('failed logins', () => {
  let now = 0;
  let failed: FailedLogins;
  beforeEach(() => {
    now = 0;
    failed = new FailedLogins(LIMITS, () => now);
  });
  const refusal = (address: string, name: string): unknown => {
    try {
      failed.begin(address, name);
      return undefined;
    } catch (error) {
      return error instanceof TooManyRequests ? error.retryAfterSeconds : error;
    }
  };

  it('are so many for one name, and one more after each interval', () => {
    expect([refusal('10.0.0.1', 'ann'), refusal('10.0.0.1', 'ann'), refusal('10.0.0.1', 'ann')]).toEqual([undefined, undefined, 10]);
    now = 9999;
    expect(refusal('10.0.0.1', 'ann')).toBe(1);
    now = 10_000;
    expect([refusal('10.0.0.1', 'ann'), refusal('10.0.0.1', 'ann')]).toEqual([undefined, 10]);
  });

  it('are so many for one address, whatever the names', () => {
    for (const name of ['a', 'b', 'c', 'd']) expect(refusal('10.0.0.1', name)).toBeUndefined();
    expect(refusal('10.0.0.1', 'e')).toBe(1);
  });

  it('of one address keep nobody out who comes from another, under the same name', () => {
    for (let at = 0; at < 5; at += 1) refusal('10.0.0.1', 'ann');
    expect(refusal('10.0.0.2', 'ann')).toBeUndefined();
  });

  it('without a name count for the address alone', () => {
    for (let at = 0; at < 4; at += 1) failed.begin('10.0.0.1');
    expect(() => failed.begin('10.0.0.1')).toThrow(TooManyRequests);
    expect(refusal('10.0.0.1', 'ann')).toBe(1);
    expect(refusal('10.0.0.2', 'ann')).toBeUndefined();
  });

  it('do not count what succeeded, however often', () => {
    for (let at = 0; at < 100; at += 1) failed.begin('10.0.0.1', 'ann')();
    expect(refusal('10.0.0.1', 'ann')).toBeUndefined();
  });

  it('of one IPv6 network are of one address; a mapped IPv4 address is one by itself', () => {
    for (const host of ['::1', ':2:3:4:5', ':ffff:ffff:ffff:ffff', ':a::']) refusal(`2001:db8:0:1${host}`, host);
    expect(refusal('2001:db8:0:1::77', 'new')).toBe(1);
    expect(refusal('2001:db8:0:2::77', 'new')).toBeUndefined();
    for (let at = 0; at < 4; at += 1) refusal('::ffff:10.0.0.1', String(at));
    expect(refusal('::ffff:10.0.0.2', 'new')).toBeUndefined();
  });

  it('take bounded memory, however many addresses there are', () => {
    for (let at = 0; at < 1000; at += 1) expect(refusal(`10.0.${at >> 8}.${at & 255}`, `name ${at}`)).toBeUndefined();
    const { addresses, names } = failed as unknown as Record<string, { fullAt: Map<string, number> }>;
    expect(addresses?.fullAt.size).toBeLessThanOrEqual(50);
    expect(names?.fullAt.size).toBeLessThanOrEqual(50);
  });

  it('are forgotten of nobody who has many, whatever comes from other addresses', () => {
    for (const name of ['a', 'b', 'c', 'd']) refusal('10.0.0.1', name);
    for (let at = 0; at < 1000; at += 1) refusal(`10.1.${at >> 8}.${at & 255}`, 'ann');
    expect(refusal('10.0.0.1', 'e')).toBe(1);
  });
});

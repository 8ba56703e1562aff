import { RequestRates } from '../../../../src/api/auth/request-rates';
import type { Principal } from '../../../../src/ports/authenticator';
import { TooManyRequests } from '../../../../src/ports/errors';

const user = (name: string): Principal => ({ kind: 'user', owner: `basic|${name}`, name, groups: [], roles: ['user'] });
const ANONYMOUS: Principal = { kind: 'anonymous', owner: 'anonymous', name: 'anonymous', groups: [], roles: ['admin'] };

describe('the rates of requests', () => {
  let now = 0;
  let rates: RequestRates;
  beforeEach(() => {
    now = 0;
    rates = new RequestRates({ creates: { ofUser: 3, ofAddress: 5 }, lists: { ofUser: 0, ofAddress: 2 } }, () => now);
  });
  const refusal = (...request: Parameters<RequestRates['count']>): TooManyRequests | undefined => {
    try {
      rates.count(...request);
      return undefined;
    } catch (error) {
      if (error instanceof TooManyRequests) return error;
      throw error;
    }
  };
  const sent = (times: number, ...request: Parameters<RequestRates['count']>): (TooManyRequests | undefined)[] =>
    Array.from({ length: times }, () => refusal(...request)).filter(Boolean);

  it('are so many of one user, wherever it is, and take nothing from others', () => {
    expect(sent(3, 'creates', user('ann'), '192.0.2.1')).toEqual([]);
    const over = refusal('creates', user('ann'), '192.0.2.2');
    expect(over?.retryAfterSeconds).toBe(20);
    expect(over?.publicMessage).toMatch(/^more than 3 creates .* you \(setting rates\.creates\)/);
    expect(sent(2, 'creates', user('bob'), '192.0.2.1')).toEqual([]);
    now = 20_000;
    expect([refusal('creates', user('ann'), '192.0.2.2'), refusal('creates', user('ann'), '192.0.2.2')?.retryAfterSeconds]).toEqual([
      undefined,
      20,
    ]);
  });

  it('are so many of one address, whoever is there, and what is refused is not counted', () => {
    for (const name of ['ann', 'bob', 'eve', 'joe', 'kim']) expect(refusal('creates', user(name), '192.0.2.1')).toBeUndefined();
    expect(sent(9, 'creates', user('lee'), '192.0.2.1')).toHaveLength(9);
    expect(refusal('creates', user('lee'), '192.0.2.1')?.publicMessage).toContain('(setting rates.creates_per_address)');
    expect(sent(3, 'creates', user('lee'), '192.0.2.2')).toEqual([]);
  });

  it('count an IPv6 network as one address', () => {
    expect(sent(2, 'lists', user('ann'), '2001:db8::1')).toEqual([]);
    expect(sent(1, 'lists', user('bob'), '2001:db8::2:1')).toHaveLength(1);
    expect(sent(2, 'lists', user('bob'), '2001:db8:0:1::1')).toEqual([]);
  });

  it.each(['127.0.0.1', '::1', '::ffff:127.0.0.1'])('count nothing for the address %s, where a proxy may stand', (address) => {
    expect(sent(9, 'lists', user('ann'), address)).toEqual([]);
    expect(sent(4, 'creates', user('ann'), address)).toHaveLength(1);
  });

  it('count addresses alone where there is no login', () => {
    expect(sent(6, 'creates', ANONYMOUS, '192.0.2.1')).toHaveLength(1);
    expect(sent(5, 'creates', ANONYMOUS, '192.0.2.2')).toEqual([]);
    expect(rates.of(ANONYMOUS)).toEqual({});
  });

  it('do not limit what no number is given for', () => {
    expect(sent(1000, 'gets', user('ann'), '192.0.2.1')).toEqual([]);
  });

  it('show a user what is used', () => {
    sent(2, 'creates', user('ann'), '192.0.2.1');
    expect(rates.of(user('ann'))).toEqual({ creates: { most: 3, used: 2 } });
    expect(rates.of(user('bob'))).toEqual({ creates: { most: 3, used: 0 } });
  });
});

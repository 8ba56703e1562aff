import { createHmac } from 'node:crypto';
import { Issuer, LIMITS } from '../../../../src/auth/oidc/issuer';
import { OidcAuthenticator } from '../../../../src/auth/oidc/oidc.authenticator';
import { FailedLogins } from '../../../../src/auth/shared/failed-logins';
import type { Principal } from '../../../../src/ports/authenticator';
import { TooManyRequests, Unauthenticated, Unavailable } from '../../../../src/ports/errors';
import { ScriptedProvider, type SigningKey, signingKey } from './scripted-provider';

describe('a token of an OpenID provider', () => {
  let provider: ScriptedProvider;
  let key: SigningKey;
  let now: number;
  let oidc: OidcAuthenticator;
  beforeAll(async () => {
    key = await signingKey('one');
  });
  beforeEach(async () => {
    provider = await ScriptedProvider.start();
    provider.keys = [key];
    now = Date.now();
    const clock = () => now;
    oidc = new OidcAuthenticator(
      [new Issuer({ url: provider.url, audience: 'tes' }, { ...LIMITS, timeoutMs: 300 }, clock)],
      undefined,
      clock,
    );
  });
  afterEach(() => provider.stop());
  const bearer = (token: string): Promise<Principal | undefined> =>
    oidc.authenticate({ headers: { authorization: `Bearer ${token}` }, address: '' });
  const refused = async (token: string, words = ''): Promise<void> => {
    const answer = bearer(token);
    await expect(answer).rejects.toBeInstanceOf(Unauthenticated);
    await expect(answer).rejects.toThrow(words);
  };

  it('lets in whom it names, and asks the provider for its keys once', async () => {
    const token = await provider.token(key, { preferred_username: 'Ann B.', groups: ['lab'] });
    for (let at = 0; at < 3; at += 1)
      await expect(bearer(token)).resolves.toEqual({
        kind: 'user',
        owner: `${provider.url}|ann`,
        name: 'Ann B.',
        groups: [`${provider.url}|lab`],
        roles: ['user'],
      });
    await bearer(await provider.token(key, { sub: 'bob', aud: ['other', 'tes'] }));
    expect(provider.asked).toEqual(['/.well-known/openid-configuration', '/keys']);
  });

  it('leaves other schemes to others', async () => {
    for (const authorization of [undefined, 'Basic YTpi', 'Bearerx y', `Bearer tesgw_${'0'.repeat(24)}_${'x'.repeat(43)}`])
      await expect(oidc.authenticate({ headers: { authorization }, address: '' })).resolves.toBeUndefined();
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['is for another audience', { aud: 'other' }, 'aud'],
    ['is for nobody', { aud: undefined }, 'aud'],
    ['has expired', { exp: 1000 }, 'expired'],
    ['never expires', { exp: undefined }, 'exp'],
    ['is not valid yet', { nbf: 9_999_999_999 }, 'nbf'],
    ['names no subject', { sub: undefined }, 'sub'],
    ['has an empty subject', { sub: '' }, 'subject'],
    ['has a subject that UTF-8 cannot tell from another', { sub: 'a\ud800' }, 'subject'],
  ])('is refused when it %s', async (_what, claims, words) => {
    await refused(await provider.token(key, claims), words);
  });

  it('is refused when it has expired while it was remembered', async () => {
    const token = await provider.token(key, { exp: Math.floor(now / 1000) + 5 });
    const principal = await bearer(token);
    now += 34_000;
    await bearer(token);
    expect(oidc.stillHolds(principal!)).toBe(true);
    now += 2000;
    expect(oidc.stillHolds(principal!)).toBe(false);
    await refused(token, 'expired');
  });

  it('of an issuer that is not in the list is refused, and no request leaves', async () => {
    for (const iss of [`${provider.url}/`, 'http://169.254.169.254', undefined, ['x']])
      await refused(await provider.token(key, { iss }), 'not trusted');
    expect(provider.asked).toEqual([]);
  });

  it('is refused when it is not signed, or signed with what anybody knows', async () => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = part({ iss: provider.url, aud: 'tes', sub: 'ann', exp: Math.floor(now / 1000) + 600 });
    await refused(`${part({ alg: 'none' })}.${claims}.`);
    const head = `${part({ alg: 'HS256', kid: 'one' })}.${claims}`;
    await refused(`${head}.${createHmac('sha256', JSON.stringify(key.publicJwk)).update(head).digest('base64url')}`);
    const good = await provider.token(key);
    await refused(`${good.slice(0, -8)}AAAAAAAA`);
    const [first = '', , last = ''] = good.split('.');
    await refused(`${first}.${claims.slice(0, -2)}.${last}`);
    await refused(await provider.token(await signingKey('one')));
  });

  it.each(['', 'a.b.c', '..', 'a.b.c.d', '{}', 'ü', 'x'.repeat(10_000), `${'x'.repeat(5000)}.${'y'.repeat(5000)}.z`])(
    'is refused when it is %.20j',
    (token) => refused(token),
  );

  it('of a key that is not known has the keys read again at a bounded rate, whatever kids are made up', async () => {
    await bearer(await provider.token(key));
    const next = await signingKey('two');
    provider.keys = [next];
    const bomb = await Promise.all(Array.from({ length: 100 }, (_, at) => provider.token(key, {}, { kid: `made-up ${at}` })));
    for (const token of bomb) await expect(bearer(token)).rejects.toBeInstanceOf(Error);
    expect(provider.asked.filter((path) => path === '/keys').length).toBeLessThanOrEqual(2);
  });

  it('of a new key is taken, and one of a key that has gone no longer, when the keys are older', async () => {
    await bearer(await provider.token(key));
    const next = await signingKey('two');
    provider.keys = [next];
    now += LIMITS.keysMs;
    // This one has them read again, beside it.
    await bearer(await provider.token(key, { sub: 'before' }));
    while (provider.asked.length < 3) await new Promise(setImmediate);
    let isRead = false;
    while (!isRead) isRead = await bearer(await provider.token(next)).then(Boolean, () => false);
    await refused(await provider.token(key, { sub: 'after' }));
  });

  it('of a key that has gone is not taken after a long time in which nobody came, nor are others beside it', async () => {
    await bearer(await provider.token(key));
    provider.keys = [await signingKey('two')];
    now += 10 * LIMITS.keysMs;
    const exp = Math.floor(now / 1000) + 60;
    const tokens = await Promise.all(['ann', 'bob'].map((sub) => provider.token(key, { sub, exp })));
    await Promise.all(tokens.map((token) => refused(token)));
  });

  it.each<[string, ScriptedProvider['fault']]>([
    ['500', (answer) => answer.writeHead(500).end()],
    ['what is no JSON', (answer) => answer.writeHead(200, { 'content-type': 'application/json' }).end('<html>')],
    ['JSON of something else', (answer) => answer.writeHead(200, { 'content-type': 'application/json' }).end('{"keys":7}')],
    ['nothing', () => undefined],
    ['a reset', (answer) => answer.destroy()],
  ])('is answered 503, and not 401, while its provider answers %s; then it is taken', async (_what, fault) => {
    provider.fault = fault;
    const token = await provider.token(key);
    for (let at = 0; at < 20; at += 1) await expect(bearer(token)).rejects.toBeInstanceOf(Unavailable);
    expect(provider.asked).toHaveLength(1);
    provider.fault = undefined;
    now += LIMITS.retryMs;
    await expect(bearer(token)).resolves.toMatchObject({ name: 'ann' });
  });

  describe('that fails', () => {
    const send = (token: string, address = '10.0.0.1'): Promise<Principal | undefined> =>
      oidc.authenticate({ headers: { authorization: `Bearer ${token}` }, address });
    let forged: SigningKey;
    beforeEach(async () => {
      forged = await signingKey('one');
      const rate = { most: 2, everyMs: 1_000_000_000 };
      const clock = () => now;
      const failed = new FailedLogins({ name: rate, address: rate, counted: 10 }, clock);
      oidc = new OidcAuthenticator(
        [new Issuer({ url: provider.url, audience: 'tes' }, LIMITS, clock)],
        { jwts: failed, opaque: new FailedLogins() },
        clock,
      );
    });
    const forgedOf = (sub: string): Promise<string> => provider.token(forged, { sub });

    it('counts as a failed login of its address: then none from there is looked at, good or not', async () => {
      const [good, known] = [await provider.token(key, { sub: 'bob' }), await provider.token(key)];
      await send(known);
      for (const sub of ['1', '2']) await expect(send(await forgedOf(sub))).rejects.toBeInstanceOf(Unauthenticated);
      const verify = jest.spyOn(crypto.subtle, 'verify');
      for (const sub of ['3', '4']) await expect(send(await forgedOf(sub))).rejects.toBeInstanceOf(TooManyRequests);
      expect(verify).not.toHaveBeenCalled();
      verify.mockRestore();
      await expect(send(good)).rejects.toBeInstanceOf(TooManyRequests);
      await expect(send(good, '10.0.0.2')).resolves.toMatchObject({ name: 'bob' });
      // Who has been let in goes on, also when what is remembered is over.
      now += 61_000;
      await expect(send(known)).resolves.toMatchObject({ name: 'ann' });
    });

    it('because it has expired, or is for another, keeps nobody out and is not verified', async () => {
      const verify = jest.spyOn(crypto.subtle, 'verify');
      for (let at = 0; at < 10; at += 1) {
        await expect(send(await provider.token(key, { exp: 1000 + at }))).rejects.toThrow('the token has expired');
        await expect(send(await provider.token(key, { aud: `other ${at}` }))).rejects.toThrow('aud');
      }
      expect(verify).not.toHaveBeenCalled();
      verify.mockRestore();
      await expect(send(await provider.token(key))).resolves.toMatchObject({ name: 'ann' });
    });

    it('because its provider is away is not counted, and any number of good ones may come at once', async () => {
      provider.fault = (answer) => answer.destroy();
      for (let at = 0; at < 5; at += 1) await expect(send(await forgedOf(`${at}`))).rejects.toBeInstanceOf(Unavailable);
      provider.fault = undefined;
      now += LIMITS.retryMs;
      const all = await Promise.all(Array.from({ length: 30 }, async (_, at) => send(await provider.token(key, { sub: `user ${at}` }))));
      expect(all.map((principal) => principal?.name)).toEqual(Array.from({ length: 30 }, (_, at) => `user ${at}`));
    });
  });

  describe('that is opaque', () => {
    const opaque = (limits: { introspections: number; most: number; ofOne?: number }): OidcAuthenticator => {
      const entry = { url: provider.url, audience: 'tes', introspection: true, client_id: 'gateway', client_secret: 's' };
      const rate = { most: limits.most, everyMs: 1_000_000_000 };
      const clock = () => now;
      const failed = new FailedLogins({ name: rate, address: rate, counted: 10 }, clock);
      provider.opaque = { active: true, sub: 'ann', aud: 'tes', exp: Math.floor(now / 1000) + 6000 };
      const introspections = { atOnce: limits.introspections, atOnceOfOne: limits.ofOne ?? limits.introspections, waiting: 10 };
      return new OidcAuthenticator([new Issuer(entry, { ...LIMITS, introspections }, clock)], { jwts: failed, opaque: failed }, clock);
    };
    const send = (token: string, address = '10.0.0.1'): Promise<Principal | undefined> =>
      oidc.authenticate({ headers: { authorization: `Bearer ${token}` }, address });
    const questions = (): number => provider.asked.filter((path) => path === '/introspection').length;

    it('is asked about once for all connections on which it comes at once', async () => {
      oidc = opaque({ introspections: 2, most: 2 });
      const all = await Promise.all(Array.from({ length: 40 }, () => send('one')));
      expect(all.map((principal) => principal?.name)).toEqual(Array(40).fill('ann'));
      expect(questions()).toBe(1);
    });

    it('is asked about while all that one address may have at once are on their way', async () => {
      oidc = opaque({ introspections: 3, ofOne: 2, most: 9 });
      await send('first');
      const held: (() => void)[] = [];
      provider.fault = (answer) => void held.push(() => answer.end('{"active": false}'));
      const madeUp = Array.from({ length: 5 }, (_, at) => send(`made-up-${at}`));
      while (held.length < 2) await new Promise(setImmediate);
      provider.fault = undefined;
      await expect(send('another', '10.0.0.2')).resolves.toMatchObject({ name: 'ann' });
      expect([questions(), held.length]).toEqual([1 + 2 + 1, 2]);
      provider.opaque = { active: false };
      for (const release of held) release();
      expect((await Promise.allSettled(madeUp)).map(({ status }) => status)).toEqual(Array(5).fill('rejected'));
      expect(questions()).toBe(1 + 1 + 5);
    });

    it('and was good is asked about again, however many its address has made up', async () => {
      oidc = opaque({ introspections: 2, most: 2 });
      await send('good');
      provider.opaque = { active: false };
      for (const token of ['made-up-1', 'made-up-2']) await expect(send(token)).rejects.toBeInstanceOf(Unauthenticated);
      await expect(send('made-up-3')).rejects.toBeInstanceOf(TooManyRequests);
      now += 61_000;
      provider.opaque = { active: true, sub: 'ann', aud: 'tes', exp: Math.floor(now / 1000) + 6000 };
      await expect(send('good')).resolves.toMatchObject({ name: 'ann' });
      provider.opaque = { active: false };
      now += 61_000;
      await expect(send('good')).rejects.toBeInstanceOf(Unauthenticated);
      now += 11_000;
      await expect(send('good')).rejects.toBeInstanceOf(TooManyRequests);
    });
  });

  it('of a known key is taken while its provider is away, also when the keys are old', async () => {
    await bearer(await provider.token(key));
    provider.fault = (answer) => answer.destroy();
    for (let at = 1; at <= 3; at += 1) {
      now += LIMITS.keysMs + 1;
      const exp = Math.floor(now / 1000) + 60;
      await expect(bearer(await provider.token(key, { sub: `user ${at}`, exp }))).resolves.toMatchObject({ name: `user ${at}` });
    }
  });
});

import { FailedLogins } from '../../../../src/auth/shared/failed-logins';
import { FRESH_MS, KnownTokens } from '../../../../src/auth/token/known-tokens';
import { OwnTokens } from '../../../../src/auth/token/own-tokens';
import { TokenAuthenticator } from '../../../../src/auth/token/token.authenticator';
import type { Principal, Role } from '../../../../src/ports/authenticator';
import { Conflict, Forbidden, InvalidRequest, StoreError, TooManyRequests, Unauthenticated } from '../../../../src/ports/errors';
import { SqliteTaskStore } from '../../../../src/stores/sqlite/sqlite-task-store';

const DAY_MS = 86_400_000;
const ANN: Principal = { kind: 'user', owner: 'basic|ann', name: 'Ann', groups: ['basic|lab'], roles: ['user'] };
const ROOT: Principal = { ...ANN, owner: 'basic|root', name: 'root', roles: ['admin', 'viewer'] };

describe('a personal API token', () => {
  let store: SqliteTaskStore;
  let now: number;
  let reads: string[];
  /** Of the store, while it is set. */
  let fault: Error | undefined;
  /** What was read is on its way until then. */
  let gate: Promise<void> | undefined;
  beforeEach(async () => {
    now = 0;
    reads = [];
    [fault, gate] = [undefined, undefined];
    store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 60_000, wallNow: () => 1_800_000_000_000, monotonicNow: () => now });
  });
  afterEach(() => store.close());

  /** One gateway on the store. */
  const gateway = (most = 3) => {
    const watched = {
      accessTokens: {
        get: async (id: string) => {
          reads.push(id);
          if (fault) throw fault;
          const found = await store.accessTokens.get(id);
          await gate;
          return found;
        },
      },
    };
    const clock = () => now;
    const limits = { name: { most: 1, everyMs: 1e9 }, address: { most: 4, everyMs: 1e9 }, counted: 100 };
    const known = new KnownTokens(watched, new FailedLogins(limits, clock), clock);
    const own = new OwnTokens(store, known, { longestMs: 100 * DAY_MS, most });
    const login = new TokenAuthenticator(own, known, () => store.now());
    return {
      own,
      enter: (text: string, address = '10.0.0.1') => login.authenticate({ headers: { authorization: `Bearer ${text}` }, address }),
      login,
    };
  };
  const wrong = (at: number): string => `tesgw_${at.toString(16).padStart(24, '0')}_${'x'.repeat(43)}`;

  it('lets in whoever made it, as that was then, with what it covers; its text is stored nowhere', async () => {
    const { own, enter } = gateway();
    const { text, token } = await own.make(ANN, { name: 'nightly' });
    expect(await enter(text)).toEqual({ ...ANN, scopes: ['read', 'create', 'cancel'] });
    expect(token.expiresAt - token.createdAt).toBe(90 * DAY_MS);
    expect(JSON.stringify(await store.accessTokens.of(ANN.owner))).not.toContain(text.slice(-43));
    const { text: other } = await own.make(ANN, { name: 'nightly', scopes: ['read'] });
    expect(other).not.toBe(text);
    expect(await enter(other)).toMatchObject({ owner: ANN.owner, scopes: ['read'] });
  });

  it('holds for who was let in until it is revoked here, expires, or has to be read again', async () => {
    const { own, enter, login } = gateway();
    const made = async (lifetimeMs: number) => {
      const { text, token } = await own.make(ANN, { name: 'nightly', lifetimeMs });
      return { id: token.id, principal: (await enter(text))! };
    };
    const short = await made(1000);
    expect(login.stillHolds(short.principal)).toBe(true);
    now = 1000;
    expect(login.stillHolds(short.principal)).toBe(false);
    const long = await made(DAY_MS);
    expect(login.stillHolds(long.principal)).toBe(true);
    expect(login.stillHolds(ANN)).toBe(false);
    now += FRESH_MS;
    expect(login.stillHolds(long.principal)).toBe(false);
    const revoked = await made(DAY_MS);
    await own.revoke(ANN.owner, revoked.id);
    expect(login.stillHolds(revoked.principal)).toBe(false);
  });

  it.each<[string, readonly Role[], readonly Role[]]>([
    ['of an admin is one of a user without the scope admin', ['admin'], ['user']],
    ['of an admin who is a viewer, too, likewise', ['viewer', 'admin', 'user'], ['viewer', 'user']],
    ['of a viewer is one of a viewer', ['viewer'], ['viewer']],
  ])('%s', async (_what, roles, expected) => {
    const { own, enter } = gateway();
    const { text } = await own.make({ ...ANN, roles }, { name: 'x' });
    expect((await enter(text))?.roles).toEqual(expected);
  });

  it('is an admin’s only where an admin asks for it', async () => {
    const { own, enter } = gateway();
    const { text } = await own.make(ROOT, { name: 'x', scopes: ['admin'] });
    expect(await enter(text)).toMatchObject({ roles: ROOT.roles, scopes: ['admin'] });
    await expect(own.make(ANN, { name: 'x', scopes: ['admin'] })).rejects.toBeInstanceOf(Forbidden);
    await expect(own.makeFor(ROOT, 'basic|robot', 'user', { name: 'x', scopes: ['admin'] })).rejects.toBeInstanceOf(InvalidRequest);
  });

  it('that an admin makes for somebody has that owner, one role and no groups, and says who made it', async () => {
    const { own, enter } = gateway();
    const { text, token } = await own.makeFor(ROOT, 'https://id.example|robot|7', 'viewer', { name: 'x' });
    expect(await enter(text)).toMatchObject({ owner: 'https://id.example|robot|7', name: 'robot|7', groups: [], roles: ['viewer'] });
    expect(token.madeBy).toBe('basic|root');
  });

  it('ends when it expires, whatever is remembered of it', async () => {
    const { own, enter } = gateway();
    const { text } = await own.make(ANN, { name: 'x', lifetimeMs: 1000 });
    now = 999;
    expect(await enter(text)).toBeDefined();
    now = 1000;
    await expect(enter(text)).rejects.toMatchObject({ message: 'the token has expired', owner: ANN.owner });
    expect([await own.of(ANN.owner), reads.length]).toEqual([[], 1]);
  });

  it('lives no longer than the setting says, and one owner has no more than that', async () => {
    const { own } = gateway(2);
    await expect(own.make(ANN, { name: 'x', lifetimeMs: 100 * DAY_MS + 1 })).rejects.toThrow('at most (auth.token.max_days)');
    await own.make(ANN, { name: 'x', lifetimeMs: 100 * DAY_MS });
    await own.make(ANN, { name: 'x' });
    await expect(own.make(ANN, { name: 'x' })).rejects.toBeInstanceOf(Conflict);
    await own.make(ROOT, { name: 'x' });
    const groups = Array.from({ length: 5000 }, (_, at) => `https://id.example|group ${at}`);
    await expect(own.make({ ...ROOT, groups }, { name: 'x' })).rejects.toThrow('that many groups');
  });

  it('that is revoked lets nobody in any more: here at once, at another gateway within five seconds', async () => {
    const [here, there] = [gateway(), gateway()];
    const { text, token } = await here.own.make(ANN, { name: 'x' });
    const { text: kept } = await here.own.make(ANN, { name: 'y' });
    for (const { enter } of [here, there]) for (const one of [text, kept]) expect(await enter(one)).toBeDefined();
    expect(await here.own.revoke('basic|bob', token.id)).toBe(0);
    expect(await here.enter(text)).toBeDefined();
    expect(await here.own.revoke(ANN.owner, token.id)).toBe(1);
    await expect(here.enter(text)).rejects.toBeInstanceOf(Unauthenticated);
    now = FRESH_MS;
    expect(FRESH_MS).toBeLessThanOrEqual(5000);
    await expect(there.enter(text)).rejects.toBeInstanceOf(Unauthenticated);
    expect(await there.enter(kept)).toBeDefined();
    expect(await here.own.revoke(ANN.owner)).toBe(1);
    await expect(here.enter(kept)).rejects.toBeInstanceOf(Unauthenticated);
  });

  it('that is revoked while it is being looked up is not remembered', async () => {
    const { own, enter } = gateway();
    const { text } = await own.make(ANN, { name: 'x' });
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    const underWay = enter(text);
    await own.revoke(ANN.owner);
    resolve();
    await underWay;
    await expect(enter(text)).rejects.toBeInstanceOf(Unauthenticated);
  });

  it('is looked up once in five seconds, however often it is sent, and also when there is none', async () => {
    const { own, enter } = gateway();
    const { text, token } = await own.make(ANN, { name: 'x' });
    await Promise.all(Array.from({ length: 50 }, () => enter(text)));
    await enter(text);
    expect(reads).toEqual([token.id]);
    for (let at = 0; at < 50; at += 1) await expect(enter(wrong(1))).rejects.toBeInstanceOf(Unauthenticated);
    expect(reads).toHaveLength(2);
    now = FRESH_MS;
    await enter(text);
    expect(reads).toHaveLength(3);
  });

  it('with another secret is refused, and says no more than one that there is not', async () => {
    const { own, enter } = gateway();
    const { text } = await own.make(ANN, { name: 'x' });
    const guessed = text.slice(0, -43) + 'x'.repeat(43);
    const words = async (one: string): Promise<unknown> => enter(one).catch((error: Error) => error.message);
    expect(await words(guessed)).toBe('the token is not valid');
    await expect(enter(guessed)).rejects.toMatchObject({ owner: ANN.owner });
    expect(await words(wrong(1))).toBe('the token is not valid');
  });

  it('that is made up is looked up a bounded number of times for one address, which holds up nobody who is known there', async () => {
    const { own, enter } = gateway();
    const { text } = await own.make(ANN, { name: 'x' });
    await enter(text);
    const refusals = [];
    for (let at = 0; at < 20; at += 1) refusals.push(await enter(wrong(at)).catch((error: Error) => error.constructor));
    expect(refusals).toEqual([...Array<unknown>(4).fill(Unauthenticated), ...Array<unknown>(16).fill(TooManyRequests)]);
    expect(reads).toHaveLength(5);
    now = FRESH_MS;
    expect(await enter(text)).toBeDefined();
    await expect(enter(wrong(99), '10.0.0.2')).rejects.toBeInstanceOf(Unauthenticated);
  });

  it('is neither good nor bad while the store is away', async () => {
    const { own, enter } = gateway();
    const { text } = await own.make(ANN, { name: 'x' });
    fault = new StoreError('away', { retryable: true });
    for (let at = 0; at < 9; at += 1) await expect(enter(text)).rejects.toBe(fault);
    fault = undefined;
    expect(await enter(text)).toBeDefined();
  });

  it.each([
    undefined,
    'Basic YTpi',
    'Bearer',
    'Bearer x',
    'Bearer a.b.c',
    `Bearer tesgw_${'0'.repeat(24)}_short`,
    `Bearer tesgw_${'0'.repeat(24)}_${'x'.repeat(44)}`,
    `Bearer TESGW_${'0'.repeat(24)}_${'x'.repeat(43)}`,
    `Bearer ${'x'.repeat(1e6)}`,
  ])('leaves to others what is none (%#)', async (authorization) => {
    const { login } = gateway();
    await expect(login.authenticate({ headers: { authorization }, address: '' })).resolves.toBeUndefined();
    expect(reads).toEqual([]);
  });
});

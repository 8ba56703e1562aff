import type { AccessToken, AccessTokens } from '../../../src/ports/store/access-tokens';
import { StoreError } from '../../../src/ports/errors';
import type { TaskStoreHarness } from './task-store.fixture';

const ANN = 'basic|ann';
let made = 0;

function aToken(owner: string, changes: Partial<AccessToken> = {}): AccessToken {
  made += 1;
  return {
    id: `token${made}`,
    sha256: 'ab'.repeat(32),
    name: 'nightly',
    principal: { kind: 'user', owner, name: 'Ann', groups: ['basic|lab'], roles: ['user'] },
    scopes: ['read', 'create'],
    createdAt: made,
    expiresAt: 4_000_000_000_000,
    ...changes,
  };
}

/** `AccessTokens`; part of `taskStoreSuite`. */
export function accessTokensSuite(harness: () => TaskStoreHarness): void {
  describe('personal API tokens', () => {
    let tokens: AccessTokens;
    beforeEach(() => {
      tokens = harness().store.accessTokens;
    });

    it('are found by id and by owner, the oldest first, as they were added', async () => {
      const [first, second, other] = [aToken(ANN), aToken(ANN, { madeBy: 'basic|root' }), aToken('basic|bob')];
      for (const one of [first, second, other]) expect(await tokens.add(one, 5)).toBe(true);
      expect(await tokens.of(ANN)).toEqual([first, second]);
      expect(await Promise.all([first, second, other].map(({ id }) => tokens.get(id)))).toEqual([first, second, other]);
      expect([await tokens.get('none'), await tokens.of('basic|nobody')]).toEqual([undefined, []]);
    });

    it('are there after a restart', async () => {
      const token = aToken(ANN);
      await tokens.add(token, 5);
      expect(await (await harness().reopen()).accessTokens.get(token.id)).toEqual(token);
    });

    it('of one owner are no more than the bound, however many are added at once', async () => {
      const added = await Promise.all(Array.from({ length: 20 }, () => tokens.add(aToken(ANN), 3)));
      expect(added.filter(Boolean)).toHaveLength(3);
      expect(await tokens.of(ANN)).toHaveLength(3);
      expect([await tokens.add(aToken(ANN), 3), await tokens.add(aToken('basic|bob'), 3)]).toEqual([false, true]);
    });

    it('that have expired make room', async () => {
      const { store, advance } = harness();
      const short = aToken(ANN, { expiresAt: store.now() + 1000 });
      const long = aToken(ANN, { expiresAt: store.now() + 3_600_000 });
      for (const one of [short, long]) await tokens.add(one, 2);
      expect(await tokens.add(aToken(ANN), 2)).toBe(false);
      await advance(1001);
      const next = aToken(ANN);
      expect(await tokens.add(next, 2)).toBe(true);
      expect(await tokens.of(ANN)).toEqual([long, next]);
      expect(await tokens.get(short.id)).toBeUndefined();
    });

    it('are removed one by one or all together, by their owner alone, and make room', async () => {
      const [first, second, third] = [aToken(ANN), aToken(ANN), aToken(ANN)];
      for (const one of [first, second, third]) await tokens.add(one, 3);
      expect(await tokens.remove('basic|bob', first.id)).toEqual([]);
      expect(await tokens.remove('basic|bob')).toEqual([]);
      expect(await tokens.get(first.id)).toEqual(first);
      expect(await tokens.remove(ANN, first.id)).toEqual([first.id]);
      expect(await tokens.remove(ANN, first.id)).toEqual([]);
      expect([await tokens.get(first.id), await tokens.of(ANN)]).toEqual([undefined, [second, third]]);
      expect(await tokens.add(aToken(ANN), 3)).toBe(true);
      expect((await tokens.remove(ANN)).slice(0, 2).toSorted()).toEqual([second.id, third.id].toSorted());
      expect(await tokens.of(ANN)).toEqual([]);
    });

    it.each([
      'https://id.example/realms/a.b$c|sub',
      'basic|ann\0',
      'basic|\ud800',
      'basic|"\\',
      '$ref|__proto__',
      `basic|${'ü'.repeat(300)}`,
    ])('keep whose they are, also %j', async (owner) => {
      const token = aToken(owner, { name: owner });
      expect(await tokens.add(token, 1)).toBe(true);
      expect(await tokens.add(aToken(owner), 1)).toBe(false);
      expect([await tokens.of(owner), await tokens.get(token.id)]).toEqual([[token], token]);
      for (const other of ['', '\udfff', 'x']) expect(await tokens.of(owner.slice(0, -1) + other)).toEqual([]);
      expect(await tokens.remove(owner)).toEqual([token.id]);
    });

    it('are refused with StoreError by a store that is closed', async () => {
      await harness().store.close();
      for (const asked of [() => tokens.get('x'), () => tokens.of(ANN), () => tokens.add(aToken(ANN), 1), () => tokens.remove(ANN)])
        await expect(asked()).rejects.toBeInstanceOf(StoreError);
    });
  });
}

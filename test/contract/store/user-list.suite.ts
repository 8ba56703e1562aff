import { UserList } from '../../../src/engine/user-list';
import type { AccessToken } from '../../../src/ports/store/access-tokens';
import { InvalidRequest } from '../../../src/ports/errors';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { insertAll, queuedTask, type TaskStoreHarness } from './task-store.fixture';

/** Everybody who has tasks or tokens; part of `taskStoreSuite`. */
export function userListSuite(harness: () => TaskStoreHarness): void {
  describe('the list of users', () => {
    let store: TaskStore;
    beforeEach(() => {
      store = harness().store;
    });
    const tokenOf = (owner: string, expiresAt = 4e12): AccessToken => ({
      id: `${owner}-${expiresAt}`,
      sha256: 'ab'.repeat(32),
      name: 'x',
      principal: { kind: 'user', owner, name: `name of ${owner}`, groups: [], roles: ['user'] },
      scopes: ['read'],
      createdAt: 1,
      expiresAt,
    });
    const walk = async (size: number) => {
      const users = [];
      for (let token: string | undefined; token !== '';) {
        const page = await new UserList(store).page(size, token);
        expect(page.users.length).toBeLessThanOrEqual(size);
        users.push(...page.users);
        token = page.nextPageToken;
      }
      return users;
    };
    /** Prefixes of one another, and what is escaped in a text of JSON. */
    const NAMES = ['basic|ann', 'basic|ann b', 'basic|ann!', 'basic|"', 'basic|\\', 'basic|ä', 'https://id.example|1', ' |x', 'anonymous'];

    it('has everybody once, whatever the page: who has tasks first, then who has tokens alone', async () => {
      for (const owner of NAMES) await insertAll(store, [queuedTask({ owner })]);
      const others = NAMES.map((name) => `${name} too`);
      for (const owner of [...others, 'basic|ann']) await store.accessTokens.add(tokenOf(owner), 5);
      for (const size of [1, 2, 7, 18, 100]) {
        const owners = (await walk(size)).map(({ owner }) => owner);
        expect(owners.slice(0, NAMES.length).sort()).toEqual([...NAMES].sort());
        expect(owners.slice(NAMES.length).sort()).toEqual([...others].sort());
      }
    });

    it('says what each has, and leaves out who has nothing any more', async () => {
      const done = { state: 'COMPLETE', step: 'done', endedAt: 5 } as const;
      await insertAll(store, [queuedTask({ owner: 'basic|ann', ownerName: 'Ann', ...done }), queuedTask({ owner: 'basic|gone', ...done })]);
      expect(await store.deleteFinished(10, 10)).toBe(2);
      const newest = queuedTask({ owner: 'basic|ann', ownerName: 'Ann B.' });
      await insertAll(store, [queuedTask({ owner: 'basic|ann', ...done }), newest]);
      for (const token of [tokenOf('basic|ann'), tokenOf('basic|old', 1), tokenOf('basic|eve')]) await store.accessTokens.add(token, 5);
      await store.accessTokens.add(tokenOf('basic|left'), 5);
      await store.accessTokens.remove('basic|left');
      expect(await walk(10)).toEqual([
        { owner: 'basic|ann', name: 'Ann B.', tasks: { COMPLETE: 1, QUEUED: 1 }, lastTaskAt: newest.createdAt, tokens: 1 },
        { owner: 'basic|eve', name: 'name of basic|eve', tasks: {}, tokens: 1 },
      ]);
    });

    it('begins with no other list’s token', async () => {
      const list = new UserList(store);
      for (const token of ['x', '', Buffer.from('["x","y"]').toString('base64url'), Buffer.from('["tasks",1]').toString('base64url')])
        await expect(list.page(1, token)).rejects.toBeInstanceOf(InvalidRequest);
    });
  });
}

import { StoreError } from '../../../src/ports/errors';
import type { SealedCredential, SealedCredentials } from '../../../src/ports/store/sealed-credentials';
import type { TaskStoreHarness } from './task-store.fixture';

const ANN = 'basic|ann';
const BOB = 'basic|bob';

function aCredential(changes: Partial<SealedCredential> = {}): SealedCredential {
  return { owner: ANN, kind: 'storage', target: 'https://h/data', keyId: 'k1', sealed: 'c2VhbGVk', savedAt: 1, ...changes };
}

const byTarget = (all: readonly SealedCredential[]): readonly SealedCredential[] =>
  all.toSorted((one, other) => one.target.localeCompare(other.target));

/** `SealedCredentials`; part of `taskStoreSuite`. */
export function sealedCredentialsSuite(harness: () => TaskStoreHarness): void {
  describe('credentials of users', () => {
    let credentials: SealedCredentials;
    beforeEach(() => {
      ({ credentials } = harness().store);
    });

    it('are found by owner and kind, as they were put, also after a restart', async () => {
      const mine = [aCredential(), aCredential({ target: 'https://h/other' })];
      const login = aCredential({ kind: 'registry', target: 'https://h/data' });
      const hers = aCredential({ owner: BOB });
      for (const one of [...mine, login, hers]) expect(await credentials.put(one, 9)).toBe(true);
      const { credentials: again } = await harness().reopen();
      expect(byTarget(await again.of(ANN, 'storage'))).toEqual(mine);
      expect(await again.of(ANN, 'registry')).toEqual([login]);
      expect(await again.of(BOB, 'storage')).toEqual([hers]);
      expect(await again.of(BOB, 'registry')).toEqual([]);
    });

    it('replace the same owner has for the same, and nothing else', async () => {
      const hers = aCredential({ owner: BOB });
      for (const one of [aCredential(), hers]) await credentials.put(one, 1);
      const next = aCredential({ keyId: 'k2', sealed: 'bmV4dA==', savedAt: 2 });
      expect(await credentials.put(next, 1)).toBe(true);
      expect([await credentials.of(ANN, 'storage'), await credentials.of(BOB, 'storage')]).toEqual([[next], [hers]]);
    });

    it('of one owner are no more than the bound, however many are put at once', async () => {
      const put = await Promise.all(Array.from({ length: 20 }, (_, n) => credentials.put(aCredential({ target: `https://h/${n}` }), 3)));
      expect(put.filter(Boolean)).toHaveLength(3);
      expect(await credentials.of(ANN, 'storage')).toHaveLength(3);
      expect(await credentials.put(aCredential({ kind: 'registry', target: 'h' }), 3)).toBe(false);
      expect(await credentials.put(aCredential({ owner: BOB }), 3)).toBe(true);
    });

    it('for the same target, put many times at once, are one', async () => {
      const put = await Promise.all(Array.from({ length: 20 }, (_, n) => credentials.put(aCredential({ savedAt: n }), 2)));
      expect(put.every(Boolean)).toBe(true);
      expect(await credentials.of(ANN, 'storage')).toHaveLength(1);
    });

    it('are removed one by one, by their owner alone, and make room', async () => {
      await credentials.put(aCredential(), 1);
      for (const other of [{ owner: BOB }, { kind: 'registry' }, { target: 'https://h/dat' }] as const)
        expect(await credentials.remove(aCredential(other))).toBe(false);
      expect(await credentials.remove(aCredential())).toBe(true);
      expect(await credentials.remove(aCredential())).toBe(false);
      expect(await credentials.of(ANN, 'storage')).toEqual([]);
      expect(await credentials.put(aCredential({ target: 'https://h/x' }), 1)).toBe(true);
    });

    it('are found by their key, and encrypted anew unless they have changed', async () => {
      const all = Array.from({ length: 5 }, (_, n) => aCredential({ owner: n < 3 ? ANN : BOB, target: `https://h/${n}`, savedAt: n }));
      for (const one of all) await credentials.put(one, 9);
      await credentials.put(aCredential({ keyId: 'k2', target: 'https://h/x' }), 9);
      expect((await credentials.keyIds()).toSorted()).toEqual(['k1', 'k2']);
      expect(byTarget(await credentials.under('k1', 9))).toEqual(all);
      expect(await credentials.under('k1', 2)).toHaveLength(2);
      expect(await credentials.under('k3', 2)).toEqual([]);
      const [first] = all as [SealedCredential];
      expect(await credentials.reseal({ ...first, keyId: 'k2' }, { ...first, sealed: 'b3RoZXI=' })).toBe(false);
      expect(await credentials.reseal({ ...first, keyId: 'k2' }, first)).toBe(true);
      expect(await credentials.reseal({ ...first, keyId: 'k3' }, first)).toBe(false);
      await credentials.remove(first);
      expect(await credentials.reseal(first, { ...first, keyId: 'k2' })).toBe(false);
      expect(await credentials.under('k1', 9)).toHaveLength(4);
    });

    it.each(['https://id.example/a.b$c|sub', 'basic|ann\0', 'basic|\ud800', 'basic|"\\', '$ref|__proto__', `basic|${'ü'.repeat(300)}`])(
      'keep whose and what for they are, also %j',
      async (text) => {
        const credential = aCredential({ owner: text, target: text });
        expect(await credentials.put(credential, 1)).toBe(true);
        expect(await credentials.put(aCredential({ owner: text }), 1)).toBe(false);
        expect(await credentials.of(text, 'storage')).toEqual([credential]);
        for (const end of ['', '\udfff', 'x']) expect(await credentials.of(text.slice(0, -1) + end, 'storage')).toEqual([]);
        for (const end of ['', '\udfff', 'x'])
          expect(await credentials.remove(aCredential({ owner: text, target: text.slice(0, -1) + end }))).toBe(false);
        expect(await credentials.reseal({ ...credential, keyId: 'k2' }, credential)).toBe(true);
        expect(await credentials.remove(credential)).toBe(true);
      },
    );

    it('are refused with StoreError by a store that is closed', async () => {
      await harness().store.close();
      const one = aCredential();
      for (const asked of [
        () => credentials.put(one, 1),
        () => credentials.of(ANN, 'storage'),
        () => credentials.remove(one),
        () => credentials.keyIds(),
        () => credentials.under('k1', 1),
        () => credentials.reseal(one, one),
      ])
        await expect(asked()).rejects.toBeInstanceOf(StoreError);
    });
  });
}

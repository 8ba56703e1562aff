import { StorageRegistry } from '../../../src/ports/registries';
import { MemoryStorage } from '../../support/memory-storage';
import { VaultStorage } from '../../support/vault-storage';

const signal = new AbortController().signal;

describe('the storages of an owner', () => {
  let vault: VaultStorage;
  let registry: StorageRegistry;
  beforeEach(() => {
    vault = new VaultStorage(
      new Map([
        ['ada', 'secret of ada'],
        ['bob', 'secret of bob'],
      ]),
    );
    for (const owner of ['ada', 'bob']) vault.objects.set(`mem://vault/${owner}/in`, 'text');
    registry = new StorageRegistry([vault]);
  });

  it('are asked with the credentials of that owner, over connections that no other one uses', async () => {
    const [ada, bob] = [registry.of({ key: 'ada' }), registry.of({ key: 'bob' })];
    for (const [storage, owner] of [[ada, 'ada'] as const, [bob, 'bob'] as const, [ada, 'ada'] as const]) {
      const url = `mem://vault/${owner}/in`;
      await storage.for(url).stat(url, signal);
    }
    expect(vault.calls.map(({ connection, secret }) => [connection, secret])).toEqual([
      [1, 'secret of ada'],
      [2, 'secret of bob'],
      [1, 'secret of ada'],
    ]);
    expect(() => ada.for('mem://vault/bob/in').stat('mem://vault/bob/in', signal)).toThrow('forbidden');
  });

  it('are closed with their task, and those of the same owner for another task stay', async () => {
    const [first, second] = [registry.of({ key: 'ada' }), registry.of({ key: 'ada' })];
    const url = 'mem://vault/ada/in';
    const used = first.for(url);
    await used.stat(url, signal);
    await second.for(url).stat(url, signal);
    await first.close();
    expect([...vault.open]).toEqual([2]);
    expect(() => used.stat(url, signal)).toThrow('after its end');
    await second.for(url).stat(url, signal);
  });

  it('say nothing when one of them cannot be closed', async () => {
    const storage = registry.of({ key: 'ada' });
    Object.assign(storage.for('mem://x') as object, { close: () => Promise.reject(new Error('reset')) });
    await expect(storage.close()).resolves.toBeUndefined();
  });

  it('are the same for all where they carry nothing', async () => {
    const plain = new MemoryStorage();
    plain.close = () => {
      throw new Error('it belongs to all');
    };
    const storage = new StorageRegistry([plain]).of({ key: 'ada' });
    expect(storage.for('mem://x')).toBe(plain);
    await storage.close();
  });
});

import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { adapters } from '../../src/adapters';
import type { SettingsPage } from '../../src/ports/adapter';
import { StorageRegistry } from '../../src/ports/registries';

/** Lists are empty: directories would have to be real ones. */
const defaultsOf = (page: SettingsPage): object =>
  Object.fromEntries(Object.entries(page).map(([key, { default: value }]) => [key, Array.isArray(value) ? [] : value]));
const source = join(__dirname, '../../src');
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(ts|sh)$/.test(name));

describe('the list of adapters', () => {
  it.each(['pulsar'])('is the only file of src outside its folder that names %s', (name) => {
    const naming = files.filter(
      (file) => !file.startsWith(`backends/${name}/`) && new RegExp(name, 'i').test(readFileSync(join(source, file), 'utf8')),
    );
    expect(naming).toEqual([relative(source, join(source, 'adapters.ts'))]);
  });

  it('gives no type twice, and no key of a store two meanings', () => {
    for (const list of [adapters.backends, adapters.stores, adapters.storages, adapters.authenticators]) {
      const types = list.map(({ type }) => type);
      expect(new Set(types).size).toBe(types.length);
    }
    const keys = adapters.stores.flatMap(({ settings }) => Object.keys(settings));
    expect([new Set(keys).size, keys.includes('type')]).toEqual([keys.length, false]);
  });

  it('names the schemes that each storage serves', async () => {
    const clients = await Promise.all(
      adapters.storages.map((storage) =>
        storage.create(storage.here(defaultsOf(storage.settings), { instance: 'me', servesThisMachineOnly: true })),
      ),
    );
    expect(new StorageRegistry(clients).schemes).toEqual(adapters.storages.flatMap(({ schemes }) => schemes));
  });
});

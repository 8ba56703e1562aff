import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { FileStorage } from '../../../src/storage/file/file.storage';
import { PartsStorage } from '../../support/parts-storage';
import { localFilesSuite } from './local.suite';
import { partsSuite } from './parts.suite';
import { storageClientSuite, type StorageUnderTest } from './storage-client.suite';

async function open(baseOf: (directory: string) => string, Storage = FileStorage): Promise<StorageUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'file-storage-'));
  return {
    client: new Storage({ allowed: [directory] }),
    base: baseOf(directory),
    forbidden: { url: baseOf(`${directory}-next-door/x`), setting: 'storage.file.allowed' },
    age: (name, modifiedMs) => utimes(join(directory, name), new Date(), modifiedMs / 1000),
    names: async () =>
      (await readdir(directory, { recursive: true, withFileTypes: true }))
        .filter((entry) => !entry.isDirectory())
        .map((entry) => relative(directory, join(entry.parentPath, entry.name))),
    close: () => rm(directory, { recursive: true }),
  };
}

storageClientSuite('file, bare paths', () => open((directory) => directory), { directories: true });
storageClientSuite('file, file: URLs', () => open((directory) => `file://${directory}`), { directories: true });
localFilesSuite('file', () => open((directory) => directory));
partsSuite('files in parts', () => open((directory) => directory, PartsStorage));

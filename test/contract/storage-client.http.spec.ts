import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { HttpStorage } from '../../src/storage/http/http.storage';
import { startFileServer } from './http-file-server';
import { storageClientSuite } from './storage-client.suite';
import type { StorageUnderTest } from './storage-client.suite';

async function open(): Promise<StorageUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'http-storage-'));
  const server = await startFileServer(directory);
  const client = new HttpStorage({
    enabled: true,
    maxRedirects: 5,
    connectTimeoutMs: 10_000,
    idleTimeoutMs: 10_000,
    allowPrivateAddresses: true,
  });
  // The one place that these settings forbid; the client under test allows private addresses, or it would not reach the server.
  const strict = new HttpStorage({
    enabled: true,
    maxRedirects: 5,
    connectTimeoutMs: 10_000,
    idleTimeoutMs: 10_000,
    allowPrivateAddresses: false,
  });
  return {
    client,
    base: `${server.url}/base`,
    refusing: strict,
    forbidden: { url: `${server.url}/base/x`, setting: 'storage.http.allow_private_addresses' },
    names: async () =>
      (await readdir(directory, { recursive: true, withFileTypes: true }))
        .filter((entry) => !entry.isDirectory())
        .map((entry) => relative(join(directory, 'base'), join(entry.parentPath, entry.name))),
    storeHalf: () => {
      server.fault = (request, response) => {
        if (request.method !== 'PUT') return false;
        void (async () => {
          const bytes = await buffer(request);
          await writeFile(join(directory, decodeURIComponent(request.url ?? '')), bytes.subarray(0, bytes.length / 2));
          response.writeHead(200).end();
        })();
        return true;
      };
    },
    stopServer: () => server.close(),
    close: async () => {
      client.close();
      strict.close();
      await server.close();
      await rm(directory, { recursive: true });
    },
  };
}

storageClientSuite('http', open, { directories: false });

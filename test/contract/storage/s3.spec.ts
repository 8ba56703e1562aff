import { S3 } from '@aws-sdk/client-s3';
import { randomUUID } from 'node:crypto';
import { readdir, truncate, utimes } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { S3Settings } from '../../../src/storage/s3/s3-connections';
import { S3Storage } from '../../../src/storage/s3/s3.storage';
import { describeS3, type OwnS3, S3_KEYS } from '../../system/versitygw/versitygw';
import { partsSuite } from './parts.suite';
import { startS3Proxy } from './s3-proxy';
import { storageClientSuite, type StorageUnderTest } from './storage-client.suite';

const SETTINGS: S3Settings = {
  enabled: true,
  endpoints: [],
  allowPrivateAddresses: true,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 10_000,
  memoryBytes: 64 * 1024 * 1024,
};

/** A bucket of its own on the server, reached through a proxy that hands everything on. */
async function open(s3: OwnS3): Promise<StorageUnderTest> {
  const bucket = `b-${randomUUID()}`;
  const direct = new S3({
    endpoint: s3.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: S3_KEYS.access_key_id, secretAccessKey: S3_KEYS.secret_access_key },
  });
  await direct.createBucket({ Bucket: bucket });
  const proxy = await startS3Proxy(() => s3.url);
  const client = new S3Storage({ ...SETTINGS, endpoints: [s3.endpoint(proxy.url)] });
  // The one place that these settings forbid; the client under test allows private addresses, or it would not reach the server.
  const refusing = new S3Storage({ ...SETTINGS, endpoints: [s3.endpoint(proxy.url)], allowPrivateAddresses: false });
  const directory = s3.bucketDirectory(bucket);
  return {
    client,
    base: `s3://${bucket}/base`,
    refusing,
    forbidden: { url: `s3://${bucket}/base/x`, setting: 'storage.s3.allow_private_addresses' },
    age: (name, modifiedMs) => utimes(join(directory, 'base', name), new Date(), modifiedMs / 1000),
    names: async () => {
      const files = await readdir(directory, { recursive: true, withFileTypes: true });
      const { Uploads = [] } = await direct.listMultipartUploads({ Bucket: bucket });
      return [
        ...files
          .filter((entry) => !entry.isDirectory())
          .map((entry) => relative(join(directory, 'base'), join(entry.parentPath, entry.name))),
        ...Uploads.map(({ Key }) => `an upload of ${Key}`),
      ];
    },
    storeHalf: () => {
      // The server stores it as it ought to, half of it is lost behind its back, and it says that all is well.
      proxy.answered = (request, answer, response) => {
        if (request.method !== 'PUT') return false;
        void (async () => {
          const path = join(s3.directory, 'data', decodeURIComponent((request.url ?? '').replace(/\?.*$/, '')));
          await truncate(path, 5);
          response.writeHead(answer.statusCode ?? 200, { ...answer.headers, etag: '"an-etag-of-its-own"' });
          answer.pipe(response);
        })();
        return true;
      };
    },
    stopServer: () => proxy.close(),
    close: async () => {
      client.close();
      refusing.close();
      direct.destroy();
      await proxy.close();
    },
  };
}

describeS3('the contract of storages', (s3) => {
  storageClientSuite('S3', () => open(s3()), { directories: true, as: 'prefixes' });
  partsSuite('S3', () => open(s3()), 20 * 1024 * 1024);
});

import { readdir, truncate, utimes } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describeS3, type OwnS3 } from '../../system/versitygw/versitygw';
import { partsSuite } from './parts.suite';
import { openBucket } from './s3-bucket';
import { storageClientSuite, type StorageUnderTest } from './storage-client.suite';

async function open(s3: OwnS3): Promise<StorageUnderTest> {
  const { name: bucket, directory, client, proxy, direct, other, close } = await openBucket(s3);
  return {
    client,
    base: `s3://${bucket}/base`,
    // What the operator names may be anywhere but there.
    refusing: other({ endpoints: [{ prefix: 's3://', url: 'http://169.254.169.254/' }] }),
    forbidden: { url: `s3://${bucket}/base/x`, setting: 'no setting allows' },
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
        const path = join(directory, '..', decodeURIComponent((request.url ?? '').replace(/\?.*$/, '')));
        void truncate(path, 5).then(() => {
          response.writeHead(answer.statusCode ?? 200, { ...answer.headers, etag: '"an-etag-of-its-own"' });
          answer.pipe(response);
        });
        return true;
      };
    },
    stopServer: () => proxy.close(),
    close,
  };
}

describeS3('the contract of storages', (s3) => {
  storageClientSuite('S3', () => open(s3()), { directories: true, as: 'prefixes' });
  it('of one version of an object read that one, whatever is there now, and write none', async () => {
    const { name: Bucket, client, direct, proxy, other, close } = await openBucket(s3());
    const { signal } = new AbortController();
    const read = async (url: string, from = client): Promise<string> => text(await from.read(url, {}, signal));
    try {
      await direct.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
      const versions: string[] = [];
      for (const Body of ['first', 'second one']) versions.push((await direct.putObject({ Bucket, Key: 'v', Body })).VersionId ?? '');
      await direct.deleteObject({ Bucket, Key: 'v' });
      const [first, second] = versions.map((version) => `s3://${Bucket}/v?versionId=${version}`) as [string, string];
      expect([await read(first), await read(second)]).toEqual(['first', 'second one']);
      expect(await client.stat(first, signal)).toMatchObject({ kind: 'file', sizeBytes: 5 });
      await expect(client.stat(`s3://${Bucket}/v`, signal)).rejects.toMatchObject({ notFound: true });
      await expect(client.stat(`${first.slice(0, -3)}aaa`, signal)).rejects.toMatchObject({ retryable: false });
      expect(client.refusal(first, 'write')).toContain('names a version of an object, which cannot be written');
      expect(client.refusal(first, 'read')).toBeUndefined();
      expect(client.identity(first)).not.toBe(client.identity(second));
      // The same server as Google's would be, by an entry of the settings.
      const google = other({ endpoints: [{ ...s3().endpoint(proxy.url), prefix: 'gs://' }] });
      expect(await read(first.replace('s3:', 'gs:'), google)).toBe('first');
      await google.write(`gs://${Bucket}/g`, Readable.from([Buffer.from('x')]), {}, signal);
      expect(await read(`s3://${Bucket}/g`)).toBe('x');
    } finally {
      await close();
    }
  });

  partsSuite('S3', () => open(s3()), 20 * 1024 * 1024);
});

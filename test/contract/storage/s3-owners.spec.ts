import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { S3 } from '@aws-sdk/client-s3';
import type { Secret, StorageSecrets } from '../../../src/ports/credentials';
import { CredentialError, TransferError } from '../../../src/ports/errors';
import type { StorageClient } from '../../../src/ports/storage-client';
import { OwnersS3Storage } from '../../../src/storage/s3/owners-s3.storage';
import { describeS3 } from '../../system/versitygw/versitygw';
import { S3_SETTINGS } from './s3-bucket';

const { signal } = new AbortController();

describeS3("the owner's own credentials", (s3) => {
  const [annsBucket, bobsBucket] = [`ann-${randomUUID()}`, `bob-${randomUUID()}`];
  const secrets = new Map<string, Secret>();
  let isKeyGone = false;
  let storage: OwnersS3Storage;
  const clients: S3[] = [];

  beforeAll(async () => {
    for (const [name, bucket] of [
      ['ann', annsBucket],
      ['bob', bobsBucket],
    ] as const) {
      const keys = { accessKeyId: name, secretAccessKey: `${name}-secret` };
      await s3().addUser(keys.accessKeyId, keys.secretAccessKey);
      secrets.set(name, { type: 'basic', username: keys.accessKeyId, password: keys.secretAccessKey });
      const client = new S3({ endpoint: s3().url, region: 'us-east-1', forcePathStyle: true, credentials: keys });
      clients.push(client);
      await client.createBucket({ Bucket: bucket });
      await client.putObject({ Bucket: bucket, Key: 'in', Body: `of ${name}` });
    }
    const secretsOf = (owner: string): StorageSecrets => ({
      forUrl: (url) => {
        if (isKeyGone) return Promise.reject(new CredentialError('the key is not to be had'));
        return Promise.resolve(url.startsWith(`s3://${owner}-`) || url.startsWith('s3://bob-') ? secrets.get(owner) : undefined);
      },
    });
    // The gateway itself is nobody there.
    const endpoints = [{ prefix: 's3://', url: s3().url, anonymous: true }];
    storage = new OwnersS3Storage({ ...S3_SETTINGS, endpoints }, ({ key }) => secretsOf(key));
  });
  afterAll(() => {
    storage.close();
    for (const client of clients) client.destroy();
  });
  const as = async <T>(owner: string, work: (session: StorageClient) => Promise<T>): Promise<T> => {
    const session = storage.session({ key: owner });
    try {
      return await work(session);
    } finally {
      await session.close?.();
    }
  };
  const reading = (url: string) => async (session: StorageClient) => text(await session.read(url, {}, signal));

  it('read, list and write what is theirs', async () => {
    expect(await as('ann', reading(`s3://${annsBucket}/in`))).toBe('of ann');
    const names = await as('bob', async (session) => {
      await session.write(`s3://${bobsBucket}/out/x`, Readable.from([Buffer.from('x')]), { sizeBytes: 1 }, signal);
      const found: string[] = [];
      for await (const { path } of session.list?.(`s3://${bobsBucket}`, signal) ?? []) found.push(path);
      return found;
    });
    expect(names).toEqual(['in', 'out', 'out/x']);
  });

  it("are not the gateway's, nor another owner's, also after that one's task", async () => {
    const denied = { constructor: TransferError, retryable: false };
    await expect(as('cat', reading(`s3://${annsBucket}/in`))).rejects.toMatchObject(denied);
    await expect(text(await as('ann', async (session) => session.read(`s3://${annsBucket}/in`, {}, signal)))).resolves.toBe('of ann');
    await expect(as('ann', reading(`s3://${bobsBucket}/in`))).rejects.toMatchObject(denied);
    await expect(reading(`s3://${annsBucket}/in`)(storage)).rejects.toMatchObject(denied);
  });

  it('that were changed count for the next task', async () => {
    const before = secrets.get('bob') as Secret;
    secrets.set('bob', { type: 'basic', username: 'bob', password: 'wrong' });
    try {
      await expect(as('bob', reading(`s3://${bobsBucket}/in`))).rejects.toMatchObject({
        publicMessage: expect.stringContaining('SignatureDoesNotMatch') as string,
        retryable: false,
      });
    } finally {
      secrets.set('bob', before);
    }
    expect(await as('bob', reading(`s3://${bobsBucket}/in`))).toBe('of bob');
  });

  it('that cannot be opened are waited for, and nothing else is sent in their place', async () => {
    isKeyGone = true;
    try {
      await expect(as('ann', reading(`s3://${annsBucket}/in`))).rejects.toBeInstanceOf(CredentialError);
    } finally {
      isKeyGone = false;
    }
  });
});

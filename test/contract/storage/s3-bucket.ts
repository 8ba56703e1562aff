import { S3 } from '@aws-sdk/client-s3';
import { randomUUID } from 'node:crypto';
import type { S3Settings } from '../../../src/storage/s3/s3-connections';
import { S3Storage } from '../../../src/storage/s3/s3.storage';
import { type OwnS3, S3_KEYS } from '../../system/versitygw/versitygw';
import { type S3Proxy, startS3Proxy } from './s3-proxy';
import { ANYWHERE } from '../../support/connections';

export const S3_SETTINGS: S3Settings = {
  enabled: true,
  endpoints: [],
  reach: ANYWHERE,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 10_000,
  memoryBytes: 64 * 1024 * 1024,
};

/** A bucket of its own on a real server. */
export interface Bucket {
  readonly name: string;
  /** Where its objects are files. */
  readonly directory: string;
  /** Reaches the server through the proxy, which hands everything on unless a test has it do something else. */
  readonly client: S3Storage;
  readonly proxy: S3Proxy;
  /** Straight to the server. */
  readonly direct: S3;
  /** Another client that reaches the bucket by the proxy. */
  other(settings: Partial<S3Settings>): S3Storage;
  close(): Promise<void>;
}

export async function openBucket(s3: OwnS3, settings: Partial<S3Settings> = {}): Promise<Bucket> {
  const name = `b-${randomUUID()}`;
  const credentials = { accessKeyId: S3_KEYS.access_key_id, secretAccessKey: S3_KEYS.secret_access_key };
  const direct = new S3({ endpoint: s3.url, region: 'us-east-1', forcePathStyle: true, credentials });
  await direct.createBucket({ Bucket: name });
  const proxy = await startS3Proxy(() => s3.url);
  const clients: S3Storage[] = [];
  const other = (changes: Partial<S3Settings>): S3Storage => {
    const client = new S3Storage({ ...S3_SETTINGS, endpoints: [s3.endpoint(proxy.url)], ...changes });
    clients.push(client);
    return client;
  };
  return {
    name,
    directory: s3.bucketDirectory(name),
    client: other(settings),
    proxy,
    direct,
    other,
    async close() {
      for (const client of clients) client.close();
      direct.destroy();
      await proxy.close();
    },
  };
}

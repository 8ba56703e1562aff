import type { StorageEntry } from '../../../../src/ports/storage-client';
import { failureOf } from '../../../support/transfer-failure';
import { type FakeS3, listing, startFakeS3 } from './fake-s3';

const signal = new AbortController().signal;
let fake: FakeS3;
beforeEach(async () => {
  fake = await startFakeS3();
});
afterEach(() => fake.close());

async function list(url: string): Promise<StorageEntry[]> {
  const entries: StorageEntry[] = [];
  for await (const entry of fake.storage.list(url, signal)) entries.push(entry);
  return entries;
}
const shown = (entries: readonly StorageEntry[]): string[] => entries.map(({ path, kind }) => `${path} ${kind}`);

describe('a list of keys', () => {
  it('has directories before what they hold, once, also those that are only markers', async () => {
    fake.answer = listing(['d/', 'd/a', 'd/b/c/1', 'd/b/c/2', 'd/b/d', 'd/b-', 'd/e/'], 0);
    expect(shown(await list('s3://bucket/d'))).toEqual([
      ...['a file', 'b directory', 'b/c directory', 'b/c/1 file', 'b/c/2 file', 'b/d file', 'b- file', 'e directory'],
    ]);
  });

  it('leaves to be told of what no file can be', async () => {
    fake.answer = listing(['d//x', 'd/../y', 'd/./z', 'd/a\0b', 'd/full/', 'd/ok']);
    expect(shown(await list('s3://bucket/d'))).toEqual(['/x other', '../y other', './z other', 'a\0b other', 'full/ other', 'ok file']);
  });

  it('has keys with spaces, plus and percent signs as they are', async () => {
    fake.answer = listing(['d/a b', 'd/a+b', 'd/a%20b', 'd/ü']);
    expect((await list('s3://bucket/d')).map(({ path }) => path)).toEqual(['a b', 'a+b', 'a%20b', 'ü']);
  });

  it('fails where a key is a file and a directory, and names it', async () => {
    fake.answer = listing(['d/a', 'd/a!', 'd/a/b']);
    const error = await failureOf(list('s3://bucket/d'));
    expect(error).toMatchObject({
      retryable: false,
      publicMessage: expect.stringContaining('s3://bucket/d cannot be listed: a is an object') as string,
    });
  });

  it('is of hundred thousand keys in bounded memory', async () => {
    fake.answer = listing(Array.from({ length: 100_000 }, (_value, at) => `d/${String(at).padStart(6, '0')}`));
    let files = 0;
    let most = 0;
    for await (const { kind } of fake.storage.list('s3://bucket/d', signal)) {
      if (kind === 'file') files += 1;
      most = Math.max(most, fake.requests.length * 1000 - files);
    }
    expect(files).toBe(100_000);
    // A page is asked for when the one before it has been taken.
    expect(most).toBeLessThanOrEqual(1000);
  });

  it('fails where the server lists what was not asked for, or does not go on', async () => {
    fake.answer = (_request, response) =>
      void response.end('<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>elsewhere</Key></Contents></ListBucketResult>');
    expect(await failureOf(list('s3://bucket/d'))).toMatchObject({ retryable: true });
    fake.answer = (_request, response) =>
      void response.end(
        '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>',
      );
    expect(await failureOf(list('s3://bucket/d'))).toMatchObject({ retryable: true });
  });
});

describe('what is under a URL', () => {
  it('is the object where there is also a directory of that name, which a slash names', async () => {
    const below = listing(['a/b']);
    fake.answer = (request, response) => {
      if (request.method === 'HEAD') response.writeHead(200, { 'Content-Length': 3, ETag: '"x"' }).end();
      else below(request, response);
    };
    expect(await fake.storage.stat('s3://bucket/a', signal)).toMatchObject({ kind: 'file', sizeBytes: 3 });
    expect(await fake.storage.stat('s3://bucket/a/', signal)).toEqual({ kind: 'directory' });
  });

  it.each(['/a', 'a//b', 'a/../b', 'a/./b', ' ', '%2e%2e/x', 'a?b=c#d'])('is asked for as it is written: %s', async (key) => {
    fake.answer = (_request, response) => void response.writeHead(200, { 'Content-Length': 3, ETag: '"x"' }).end();
    await fake.storage.stat(`s3://bucket/${key}`, signal);
    const path = (fake.requests[0]?.url ?? '').replace(/\?.*$/, '');
    expect(path.split('/').map(decodeURIComponent).join('/')).toBe(`/bucket/${key}`);
  });

  it('of a bucket that is empty is a directory', async () => {
    fake.answer = listing([]);
    expect(await fake.storage.stat('s3://bucket', signal)).toEqual({ kind: 'directory' });
    expect(await list('s3://bucket/')).toEqual([]);
  });
});

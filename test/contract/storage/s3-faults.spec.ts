import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request as ask, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { StorageEntry } from '../../../src/ports/storage-client';
import { failureOf } from '../../support/transfer-failure';
import { describeS3, S3_KEYS } from '../../system/versitygw/versitygw';
import { type Bucket, openBucket } from './s3-bucket';

const signal = new AbortController().signal;
const MIB = 1024 * 1024;
/** Of three ranges to read, or three parts to write. */
const LARGE = randomBytes(20 * MIB);
const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** What a real server does not do, or seldom: played by a proxy before one. */
describeS3('faults on the way', (s3) => {
  let bucket: Bucket;
  const url = (key: string): string => `s3://${bucket.name}/${key}`;
  const put = (key: string, bytes: Buffer | string, client = bucket.client): Promise<unknown> =>
    client.write(url(key), Readable.from([Buffer.from(bytes)], { objectMode: false }), { sizeBytes: Buffer.byteLength(bytes) }, signal);
  const get = async (key: string, client = bucket.client, version?: string): Promise<Buffer> =>
    buffer(await client.read(url(key), version === undefined ? {} : { version }, signal));
  const list = async (key: string): Promise<StorageEntry[]> => {
    const entries: StorageEntry[] = [];
    for await (const entry of bucket.client.list(url(key), signal)) entries.push(entry);
    return entries;
  };
  const uploads = async (): Promise<number> => (await bucket.direct.listMultipartUploads({ Bucket: bucket.name })).Uploads?.length ?? 0;
  const is = (request: IncomingMessage, method: string, word = ''): boolean =>
    request.method === method && (request.url ?? '').includes(word);
  const say = (response: ServerResponse, status: number, code: string, more = ''): true => {
    response.writeHead(status, { 'Content-Type': 'application/xml' });
    response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message>${more}</Error>`);
    return true;
  };

  beforeEach(async () => {
    bucket = await openBucket(s3());
  });
  afterEach(() => bucket.close());

  it('waits for one that is busy, and names the URL', async () => {
    await put('there', 'text');
    bucket.proxy.fault = (_request, response) => say(response, 503, 'SlowDown');
    for (const work of [() => get('there'), () => put('new', 'text'), () => bucket.client.stat(url('there'), signal)]) {
      const error = await failureOf(work());
      expect(error).toMatchObject({ retryable: true, notFound: false, away: { answered: true } });
      expect(error.publicMessage).toMatch(/^s3:\/\/b-[^ ]*\/(there|new) cannot be (read|written): the server answered 503/);
    }
  });

  it.each([
    ['InternalError', 500, { retryable: true, away: { brief: true } }],
    ['RequestTimeout', 400, { retryable: true, away: undefined }],
    ['ExpiredToken', 400, { retryable: true }],
    ['AccessDenied', 403, { retryable: false, notFound: false }],
    ['InvalidObjectState', 403, { retryable: false }],
    ['NoSuchBucket', 404, { retryable: false, notFound: true }],
  ])('knows what %s means', async (code, status, what) => {
    await put('there', 'text');
    bucket.proxy.fault = (_request, response) => say(response, status, code);
    const error = await failureOf(get('there'));
    expect(error).toMatchObject(what);
    expect(error.publicMessage).toContain(code);
  });

  it('says of wrong keys that they are wrong, and does not name them', async () => {
    await put('there', 'text');
    const endpoint = { ...s3().endpoint(bucket.proxy.url), secret_access_key: 'hunter2hunter2' };
    const wrong = bucket.other({ endpoints: [endpoint] });
    const error = await failureOf(wrong.stat(url('there'), signal));
    expect(error).toMatchObject({ retryable: false, notFound: false });
    expect(error.publicMessage).toContain('SignatureDoesNotMatch: the secret key is wrong');
    expect(`${error.message} ${error.publicMessage}`).not.toContain('hunter2');
    expect(await failureOf(put('x', 'y', wrong))).toMatchObject({ retryable: false });
  });

  it('signs nothing where it is to be nobody', async () => {
    const nobody = bucket.other({ endpoints: [{ prefix: 's3://', url: bucket.proxy.url, anonymous: true }] });
    await put('there', 'text');
    expect(await failureOf(get('there', nobody))).toMatchObject({ retryable: false });
    expect(bucket.proxy.requests.at(-1)?.headers.authorization).toBeUndefined();
    const policy = { Effect: 'Allow', Principal: '*', Action: ['s3:GetObject', 's3:ListBucket'] };
    await bucket.direct.putBucketPolicy({
      Bucket: bucket.name,
      Policy: JSON.stringify({ Statement: [{ ...policy, Resource: [`arn:aws:s3:::${bucket.name}`, `arn:aws:s3:::${bucket.name}/*`] }] }),
    });
    expect((await get('there', nobody)).toString()).toBe('text');
  });

  describe('a server that hangs', () => {
    it.each(['before it answers', 'in the middle'])('%s is given up', async (when) => {
      await put('large', LARGE);
      const impatient = bucket.other({ idleTimeoutMs: 300 });
      bucket.proxy.answered = (_request, answer, response) => {
        if (when === 'in the middle') {
          response.writeHead(answer.statusCode ?? 0, answer.headers);
          answer.once('data', (chunk: Buffer) => response.write(chunk));
        }
        return true;
      };
      expect(await failureOf(get('large', impatient))).toMatchObject({
        away: {},
        publicMessage: `${url('large')} cannot be read: nothing moved for 0.3 s`,
      });
    });

    it('while it takes an object is given up', async () => {
      const impatient = bucket.other({ idleTimeoutMs: 300 });
      bucket.proxy.fault = (request) => {
        request.once('data', () => request.pause());
        return true;
      };
      expect(await failureOf(put('new', LARGE.subarray(0, 4 * MIB), impatient))).toMatchObject({
        away: {},
        publicMessage: `${url('new')} cannot be written: nothing moved for 0.3 s`,
      });
    });
  });

  it('finds a connection that is cut, and one that ends early', async () => {
    await put('large', LARGE);
    for (const end of ['destroy', 'end'] as const) {
      bucket.proxy.answered = (_request, answer, response) => {
        const { 'content-length': _length, ...headers } = answer.headers;
        response.writeHead(answer.statusCode ?? 0, end === 'end' ? headers : answer.headers);
        answer.once('data', (chunk: Buffer) => response.write(chunk, () => response[end]()));
        return true;
      };
      const error = await failureOf(get('large'));
      expect(error).toMatchObject({ retryable: true, changed: false });
      expect(error.publicMessage).toContain(`${url('large')} cannot be read`);
    }
  });

  it.each([
    ['another part', { 'content-range': `bytes 17-${8 * MIB + 16}/${LARGE.length}` }],
    ['another version', { etag: '"another"' }],
    ['a page without a version', { etag: undefined, 'content-range': undefined }],
  ])('does not take %s for what it asked for', async (_, changes) => {
    await put('large', LARGE);
    const { version = '' } = await bucket.client.stat(url('large'), signal);
    bucket.proxy.answered = (_request, answer, response) => {
      const headers = Object.entries({ ...answer.headers, ...changes }).filter(([, value]) => value !== undefined);
      response.writeHead('etag' in changes && changes.etag === undefined ? 200 : 206, Object.fromEntries(headers));
      answer.pipe(response);
      return true;
    };
    expect(await failureOf(get('large', bucket.client, version))).toMatchObject({ retryable: true });
  });

  it('fails when the object is another one before all of it is read', async () => {
    await put('large', LARGE);
    const tight = bucket.other({ memoryBytes: 1 });
    const stream = await tight.read(url('large'), {}, signal);
    await put('large', randomBytes(LARGE.length));
    const error = await failureOf(buffer(stream));
    // The server is not asked for bytes that nobody wants.
    expect(bucket.proxy.requests.at(-1)?.headers['if-match']).toBeDefined();
    expect(error).toMatchObject({
      changed: true,
      retryable: true,
      publicMessage: `${url('large')} cannot be read: it has changed while it was being read`,
    });
  });

  it('reads one object after the other on the connection that it has', async () => {
    await put('one', LARGE.subarray(0, 3 * MIB));
    const ports: (number | undefined)[] = [];
    bucket.proxy.fault = ({ socket }) => {
      ports.push(socket.remotePort);
      return false;
    };
    for (let count = 0; count < 5; count += 1) await get('one');
    expect(ports).toHaveLength(5);
    expect(new Set(ports).size).toBe(1);
  });

  it('asks again for one part of a download or an upload that breaks, and for no other', async () => {
    const broken = { PUT: 1, GET: 1 };
    bucket.proxy.fault = (request, response) => {
      const isOne = is(request, 'PUT', 'partNumber=2')
        ? 'PUT'
        : request.headers.range?.startsWith(`bytes=${8 * MIB}-`) === true
          ? 'GET'
          : undefined;
      if (!isOne || broken[isOne]-- <= 0) return false;
      response.destroy();
      return true;
    };
    await put('large', LARGE);
    expect(bucket.proxy.requests.filter((request) => is(request, 'PUT', 'partNumber='))).toHaveLength(4);
    expect(sum(await get('large'))).toBe(sum(LARGE));
    expect(bucket.proxy.requests.filter((request) => is(request, 'GET', 'large'))).toHaveLength(4);
  });

  it('aborts an upload of which a part is refused', async () => {
    await put('large', 'old');
    bucket.proxy.fault = (request, response) => is(request, 'PUT', 'partNumber=2') && say(response, 403, 'AccessDenied');
    expect(await failureOf(put('large', LARGE))).toMatchObject({ retryable: false });
    expect(await uploads()).toBe(0);
    expect((await get('large')).toString()).toBe('old');
  });

  it('does not take an error in a successful answer for success', async () => {
    bucket.proxy.fault = (request, response) => is(request, 'POST', 'uploadId=') && say(response, 200, 'InternalError');
    expect(await failureOf(put('large', LARGE))).toMatchObject({ retryable: true });
    expect(await uploads()).toBe(0);
  });

  it('has the server refuse what is not what was sent', async () => {
    bucket.proxy.fault = (request, response) => {
      if (request.method !== 'PUT') return false;
      // A bit turns over on the way.
      void buffer(request).then((bytes) => {
        bytes[3] = (bytes[3] ?? 0) ^ 1;
        const { method, url: path, headers } = request;
        const { hostname, port } = new URL(s3().url);
        const onward = ask({ hostname, port, method, path, headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 0, answer.headers);
          answer.pipe(response);
        });
        onward.end(bytes);
      });
      return true;
    };
    expect(await failureOf(put('bits', '0123456789'))).toMatchObject({ retryable: true });
    bucket.proxy.fault = () => false;
    expect(await failureOf(bucket.client.stat(url('bits'), signal))).toMatchObject({ notFound: true });
  });

  it('lists more than a page, in order and with odd names, and asks again for a page that breaks', async () => {
    await mkdir(join(bucket.directory, 'many', 'deep'), { recursive: true });
    const names = Array.from({ length: 2100 }, (_value, at) => `deep/file-${String(at).padStart(5, '0')}`);
    const odd = ['a b', 'a+b', 'a%20b', 'ünï', 'new\nline', 'quo"te', '&amp;'];
    for (const name of [...names, ...odd]) await writeFile(join(bucket.directory, 'many', name), name);
    let broken = 1;
    bucket.proxy.fault = (request, response) => is(request, 'GET', 'continuation-token=') && broken-- > 0 && say(response, 503, 'SlowDown');
    const entries = await list('many/');
    expect(entries.map(({ path }) => path).sort()).toEqual(['deep', ...names, ...odd].sort());
    expect(await list('many')).toEqual(entries);
    expect((await get('many/new\nline')).toString()).toBe('new\nline');
  });

  it('finds the region of a bucket by asking', async () => {
    await put('there', 'text');
    const elsewhere = bucket.other({ endpoints: [{ prefix: 's3://', url: bucket.proxy.url, region: 'eu-nowhere-1', ...S3_KEYS }] });
    expect((await get('there', elsewhere)).toString()).toBe('text');
    expect(await elsewhere.stat(url('there'), signal)).toMatchObject({ kind: 'file' });
    const another = bucket.other({ endpoints: [{ prefix: 's3://', url: bucket.proxy.url, region: 'eu-nowhere-1', ...S3_KEYS }] });
    expect(await another.stat(url('there'), signal)).toMatchObject({ kind: 'file' });
    await put('new', 'text', another);
  });
});

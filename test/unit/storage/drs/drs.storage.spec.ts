import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Secret } from '../../../../src/ports/credentials';
import { TransferError } from '../../../../src/ports/errors';
import { StorageRegistry, type StorageSessions } from '../../../../src/ports/registries';
import type { StorageEntry } from '../../../../src/ports/storage-client';
import { type DrsSettings } from '../../../../src/storage/drs/drs.storage';
import { OwnersDrsStorage } from '../../../../src/storage/drs/owners-drs.storage';
import { FileStorage } from '../../../../src/storage/file/file.storage';
import { type DrsServerOfTests, startDrsServer } from '../../../support/drs-server';
import { endServed, serveTen, type Served } from '../http/served';

const signal = new AbortController().signal;
const TEN = '0123456789';
const sha256 = createHash('sha256').update(TEN).digest('hex');
const md5 = createHash('md5').update(TEN).digest('hex');

let drs: DrsServerOfTests;
let web: Served;
let settings: DrsSettings;
let secret: Secret | undefined;
let registry: StorageRegistry;
let sessions: StorageSessions;

/** A registry with these settings; what it was before is closed. */
async function set(changed: Partial<DrsSettings>): Promise<void> {
  settings = { ...settings, ...changed };
  await sessions?.close();
  registry = new StorageRegistry([
    web.storage,
    new FileStorage({ allowed: [web.directory], instance: 'x' }),
    new OwnersDrsStorage(settings, () => ({ forUrl: async () => secret })),
  ]);
  sessions = registry.of({ key: 'ann' });
}

beforeEach(async () => {
  drs = await startDrsServer();
  web = await serveTen();
  secret = undefined;
  settings = { enabled: true, servers: [{ host: 'd', url: drs.url }], compactIds: {} };
  await set({});
});
afterEach(async () => {
  await sessions.close();
  await endServed(web);
  await drs.close();
});

const at = (name = 'ten'): string => `${web.server.url}/${name}`;
const byUrl = (url: string, headers?: readonly string[]): object => ({ type: 'https', access_url: { url, ...(headers && { headers }) } });
const object = (members: object = {}): object => ({ id: 'a', size: 10, checksums: [], access_methods: [byUrl(at())], ...members });
const client = (): ReturnType<StorageSessions['for']> => sessions.for('drs://d/a');
const textOf = async (stream: Readable): Promise<string> => (await buffer(stream)).toString();
const get = async (url = 'drs://d/a', options = {}): Promise<string> => textOf(await client().read(url, options, signal));
const stat = (url = 'drs://d/a'): ReturnType<ReturnType<typeof client>['stat']> => client().stat(url, signal);
const failure = async (work: Promise<unknown>): Promise<TransferError> => {
  const thrown: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(TransferError);
  return thrown as TransferError;
};
const listed = async (url = 'drs://d/a'): Promise<StorageEntry[]> => {
  const entries: StorageEntry[] = [];
  for await (const entry of client().list?.(url, signal) ?? []) entries.push(entry);
  return entries;
};

describe('an object', () => {
  it('is read where its server says, with its size, sums and time', async () => {
    drs.objects.set(
      'a',
      object({
        updated_time: '2020-01-02T03:04:05Z',
        checksums: [
          { type: 'sha-256', checksum: sha256.toUpperCase() },
          { type: 'md5', checksum: md5 },
          { type: 'crc32c', checksum: 'aabbccdd' },
          { type: 'sha512', checksum: 'nonsense' },
        ],
      }),
    );
    const found = await stat();
    expect(found).toMatchObject({ kind: 'file', sizeBytes: 10, modifiedMs: Date.UTC(2020, 0, 2, 3, 4, 5) });
    expect(found.sums).toEqual({ sha256, md5 });
    expect(await get('drs://d/a', { offset: 4, length: 3, ...(found.version !== undefined && { version: found.version }) })).toBe('456');
  });

  it('with an access id is asked for where to read it', async () => {
    drs.objects.set('a', object({ access_methods: [{ type: 'https', access_id: 'x/1' }] }));
    drs.accesses.set('a x/1', { url: at() });
    expect(await get()).toBe(TEN);
    expect(drs.seen.map(({ path }) => path)).toEqual(['/ga4gh/drs/v1/objects/a', '/ga4gh/drs/v1/objects/a/access/x%2F1']);
  });

  it('is read by the first way that works, the cheapest first', async () => {
    await writeFile(join(web.directory, 'copy'), TEN);
    drs.objects.set(
      'a',
      object({
        access_methods: [
          { type: 'globus', access_url: { url: 'globus://x/y' } },
          { type: 'htsget', access_id: '7' },
          byUrl(at()),
          { type: 's3', access_url: { url: 's3://not/here' } },
          { type: 'file', access_url: { url: `file://${web.directory}/copy` } },
        ],
      }),
    );
    let asked = 0;
    web.server.fault = () => {
      asked += 1;
      return false;
    };
    expect(await get()).toBe(TEN);
    expect(asked).toBe(0);
  });

  it('that no storage here reaches says which ways it offers', async () => {
    drs.objects.set('a', object({ access_methods: [{ type: 'globus', access_url: { url: 'globus://x/y' } }] }));
    expect((await failure(stat())).publicMessage).toBe(
      'drs://d/a cannot be read: it is offered by globus, which this server does not read',
    );
    drs.objects.set('a', object({ access_methods: [], contents: null }));
    expect((await failure(stat())).publicMessage).toContain('its server offers no way to its bytes');
  });

  it('in a file that the settings do not allow is refused', async () => {
    drs.objects.set('a', object({ access_methods: [{ type: 'file', access_url: { url: 'file:///etc/hostname' } }] }));
    const refused = await failure(stat());
    expect(refused.retryable).toBe(false);
    expect(refused.publicMessage).toContain('storage.file.allowed');
  });

  it('is not read from another object in its place', async () => {
    drs.objects.set('a', object({ access_methods: [{ type: 'https', access_url: { url: 'drs://d/a' } }] }));
    expect((await failure(stat())).retryable).toBe(false);
  });

  it('whose place has another size is not that object', async () => {
    drs.objects.set('a', object({ size: 11 }));
    expect((await failure(stat())).publicMessage).toContain('has 10 bytes, but the object has 11');
  });

  it('gets the headers that its place needs, and no other host does', async () => {
    const authorizations: (string | undefined)[] = [];
    const other = await serveTen();
    other.server.fault = (request) => {
      authorizations.push(`other ${request.headers.authorization}`);
      return false;
    };
    web.server.fault = (request, response) => {
      authorizations.push(request.headers.authorization);
      response.writeHead(307, { Location: `${other.server.url}/ten` }).end();
      return true;
    };
    drs.objects.set('a', object({ access_methods: [byUrl(at(), ['Authorization: Bearer of-place', 'Host: evil', 'Bad\r\nX: y'])] }));
    expect(await get()).toBe(TEN);
    expect(new Set(authorizations)).toEqual(new Set(['Bearer of-place', 'other undefined']));
    await endServed(other);
  });

  it('is waited for while its server is away, or makes it ready', async () => {
    drs.fault = (_request, response) => {
      response.writeHead(202, { 'Retry-After': '7' }).end();
      return true;
    };
    expect((await failure(stat())).away).toMatchObject({ retryAfterMs: 7000 });
    drs.fault = (_request, response) => {
      response.writeHead(503).end();
      return true;
    };
    expect((await failure(stat())).away).toBeDefined();
  });

  it('is waited for where one way is away and another refuses', async () => {
    drs.objects.set('a', object({ access_methods: [byUrl(at('nothing')), byUrl(at('busy'))] }));
    web.server.fault = (request, response) => {
      if (request.url !== '/busy') return false;
      response.writeHead(503).end();
      return true;
    };
    expect((await failure(stat())).away).toBeDefined();
  });

  it('that is not there is not found', async () => {
    expect(await failure(stat())).toMatchObject({ notFound: true, retryable: false });
  });

  it.each([
    ['[]', 'the object is no JSON object'],
    ['{"size": -1}', 'size is no number of bytes'],
    ['{"access_methods": {}}', 'access_methods is no list'],
    ['<html>', 'it is no JSON'],
  ])('answered as %s fails', async (body, words) => {
    drs.fault = (_request, response) => {
      response.writeHead(200, { 'Content-Length': Buffer.byteLength(body) }).end(body);
      return true;
    };
    expect((await failure(stat())).publicMessage).toContain(words);
  });

  it('is found anew when what was signed is over', async () => {
    drs.objects.set('a', object({ access_methods: [{ type: 'https', access_id: '1' }] }));
    drs.accesses.set('a 1', { url: `${at()}?X-Amz-Signature=old` });
    const { version } = await stat();
    web.server.fault = (request, response) => {
      if (request.url?.includes('old') !== true) return false;
      response.writeHead(403).end();
      return true;
    };
    drs.accesses.set('a 1', { url: `${at()}?X-Amz-Signature=new` });
    expect(await get('drs://d/a', version === undefined ? {} : { version })).toBe(TEN);
    drs.accesses.set('a 1', { url: `${at()}?X-Amz-Signature=old` });
    await set({});
    expect((await failure(get())).publicMessage).not.toContain('old');
  });

  it('cannot be written', async () => {
    expect(registry.find('drs://d/a')?.refusal('drs://d/a', 'write')).toContain('read only');
    await expect(client().write('drs://d/a', undefined as never, {}, signal)).rejects.toThrow('read only');
  });
});

describe('credentials', () => {
  const authorizations = (): unknown[] => drs.seen.map(({ authorization }) => authorization);

  it('of the settings go to their host', async () => {
    drs.objects.set('a', object());
    await set({ servers: [{ host: 'd', url: drs.url, token: 'of-settings' }] });
    await get();
    expect(new Set(authorizations())).toEqual(new Set(['Bearer of-settings']));
  });

  it("of the task's owner come first", async () => {
    drs.objects.set('a', object());
    secret = { type: 'basic', username: 'ann', password: 'pw' };
    await set({ servers: [{ host: 'd', url: drs.url, token: 'of-settings' }] });
    await get();
    expect(new Set(authorizations())).toEqual(new Set([`Basic ${Buffer.from('ann:pw').toString('base64')}`]));
  });

  it('go to no host that the settings do not name', async () => {
    drs.objects.set('a', object());
    secret = { type: 'bearer', token: 'of-ann' };
    await set({ servers: [], compactIds: { x: `${drs.url}/objects/{$id}` } });
    expect(await get('drs://x:a')).toBe(TEN);
    expect(new Set(authorizations())).toEqual(new Set([undefined]));
  });
});

describe('a bundle', () => {
  it('is a directory with what it holds, in bundles and beside them', async () => {
    await mkdir(join(web.directory, 'sub'));
    await writeFile(join(web.directory, 'sub', 'b'), 'bb');
    drs.objects.set('a', {
      id: 'a',
      contents: [
        { name: 'one', id: 'o/1' },
        { name: 'in', contents: [{ name: 'two', drs_uri: ['drs://d/t2'] }] },
        { name: 'apart', id: 'bundle2' },
      ],
    });
    drs.objects.set('o/1', object({ checksums: [{ type: 'md5', checksum: md5 }] }));
    drs.objects.set('t2', object({ size: 2, access_methods: [byUrl(at('sub/b'))] }));
    drs.objects.set('bundle2', { id: 'bundle2', contents: [{ name: 'three', id: 't2' }] });
    expect((await stat()).kind).toBe('directory');
    const entries = await listed();
    expect(entries.map(({ path, kind, url, sizeBytes }) => [path, kind, url, sizeBytes])).toEqual([
      ['one', 'file', 'drs://d/o%2F1', 10],
      ['in', 'directory', undefined, undefined],
      ['in/two', 'file', 'drs://d/t2', 2],
      ['apart', 'directory', undefined, undefined],
      ['apart/three', 'file', 'drs://d/t2', 2],
    ]);
    expect(entries[0]?.sums?.md5).toBe(md5);
    expect(await get('drs://d/t2')).toBe('bb');
  });

  it.each([
    [[{ name: '../x', id: 'o' }], '"../x" is no name of a file'],
    [[{ name: '', id: 'o' }], '"" is no name of a file'],
    [
      [
        { name: 'x', id: 'o' },
        { name: 'x', id: 'o' },
      ],
      'x is there twice',
    ],
    [[{ name: 'x' }], 'x has neither an id nor a URL'],
    [[{ name: 'again', id: 'a' }], 'again is a bundle that holds itself'],
  ])('with %j cannot be listed', async (contents, words) => {
    drs.objects.set('a', { id: 'a', contents });
    drs.objects.set('o', object());
    expect((await failure(listed())).publicMessage).toContain(words);
  });
});

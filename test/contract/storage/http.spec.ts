import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { HttpStorage } from '../../../src/storage/http/http.storage';
import { failureOf } from '../../support/transfer-failure';
import { type FileServer, startFileServer } from './http-file-server';
import { storageClientSuite, type StorageUnderTest } from './storage-client.suite';
import { ANYWHERE } from '../../support/connections';

const SETTINGS = { enabled: true, maxRedirects: 5, connectTimeoutMs: 10_000, idleTimeoutMs: 10_000, reach: ANYWHERE };

async function open(): Promise<StorageUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'http-storage-'));
  const server = await startFileServer(directory);
  const client = new HttpStorage(SETTINGS);
  // The one place that these settings forbid; the client under test allows private addresses, or it would not reach the server.
  const strict = new HttpStorage({ ...SETTINGS, reach: { ...ANYWHERE, networks: [] } });
  return {
    client,
    base: `${server.url}/base`,
    refusing: strict,
    forbidden: { url: `${server.url}/base/x`, setting: 'storage.http.allowed_networks' },
    age: (name, modifiedMs) => utimes(join(directory, 'base', name), new Date(), modifiedMs / 1000),
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

/** Grid storage sends an upload on to a pool, as often before as after it has come. */
describe('StorageClient: http, an upload that is sent to another server', () => {
  const signal = new AbortController().signal;
  const SMALL = Buffer.from('0123456789');
  const LARGE = Buffer.alloc(3 * 1024 * 1024 + 17, 'abcdefg');
  let directory: string;
  let door: FileServer;
  let pool: FileServer;
  let client: HttpStorage;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'http-storage-'));
    door = await startFileServer(join(directory, 'door'));
    pool = await startFileServer(join(directory, 'pool'));
    client = new HttpStorage(SETTINGS);
  });
  afterEach(async () => {
    client.close();
    await door.close();
    await pool.close();
    await rm(directory, { recursive: true });
  });

  interface Content {
    /** How often it was opened, and how much of it was taken. */
    opened: number;
    bytes: number;
    open(): Readable;
  }
  const contentOf = (whole: Buffer): Content => {
    function* pieces(): Generator<Buffer> {
      for (let at = 0; at < whole.length; at += 65_536) {
        const piece = whole.subarray(at, at + 65_536);
        content.bytes += piece.length;
        yield piece;
      }
    }
    const content: Content = {
      opened: 0,
      bytes: 0,
      open: () => {
        content.opened += 1;
        return Readable.from(pieces(), { objectMode: false, highWaterMark: 1 });
      },
    };
    return content;
  };
  const put = (url: string, content: Content, sizeBytes?: number): Promise<{ sizeBytes: number }> => {
    const reopen = (): Promise<Readable> => Promise.resolve(content.open());
    return client.write(url, content.open(), { reopen, ...(sizeBytes !== undefined && { sizeBytes }) }, signal);
  };
  const stored = async (server: 'door' | 'pool'): Promise<string[]> =>
    (await readdir(join(directory, server), { recursive: true, withFileTypes: true }).catch(() => []))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  const uploadsTo = (server: FileServer): number => server.requests.filter(({ method }) => method === 'PUT').length;
  const redirect = (response: ServerResponse, location: string, status = 307): void => {
    response.writeHead(status, { Location: location }).end('a page that says "moved"');
  };
  const toPool = (status?: number): void => {
    door.fault = (request, response) => {
      redirect(response, `${pool.url}/pool${request.url ?? ''}`, status);
      return true;
    };
  };

  it.each([301, 302, 307, 308])('goes there whole after %i, and no credentials with it', async (status) => {
    toPool(status);
    expect(await put(`${door.url.replace('//', '//me:secret@')}/a?key=1`, contentOf(SMALL), SMALL.length)).toMatchObject({ sizeBytes: 10 });
    expect(await readFile(join(directory, 'pool/pool/a'), 'utf8')).toBe('0123456789');
    expect(await stored('door')).toEqual([]);
    expect(door.requests[0]?.headers.authorization).toMatch(/^Basic /);
    expect(pool.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
    expect(pool.requests[0]?.url).toBe('/pool/a?key=1');
  });

  it.each([
    ['announced', LARGE.length],
    ['unknown', undefined],
  ])('costs not a byte of a large file whose size is %s where the first server says so at once', async (_, sizeBytes) => {
    toPool();
    const content = contentOf(LARGE);
    expect(await put(`${door.url}/a`, content, sizeBytes)).toMatchObject({ sizeBytes: LARGE.length });
    expect(content).toMatchObject({ opened: 1, bytes: LARGE.length });
    expect((await readFile(join(directory, 'pool/pool/a'))).equals(LARGE)).toBe(true);
  });

  it.each([
    ['all', SMALL],
    ['all', LARGE],
    ['the half', LARGE],
  ])('is sent again from its start where the first server took %s of it before', async (taken, whole) => {
    let doorBytes = 0;
    const content = contentOf(whole);
    door.fault = (request, response) => {
      if (request.method !== 'PUT') return false;
      if (request.headers.expect !== undefined) response.writeContinue();
      let isSent = false;
      const send = (): void => {
        if (!isSent) redirect(response, `${pool.url}/a`);
        isSent = true;
      };
      request.on('data', (bytes: Buffer) => {
        doorBytes += bytes.length;
        if (taken !== 'all' && doorBytes > whole.length / 2) send();
      });
      request.on('end', send);
      return true;
    };
    expect(await put(`${door.url}/a`, content, whole.length)).toMatchObject({ sizeBytes: whole.length });
    expect((await readFile(join(directory, 'pool/a'))).equals(whole)).toBe(true);
    expect(doorBytes).toBeGreaterThan(whole.length / 2);
    expect(content.opened).toBe(2);
  });

  it('comes also where the server does not answer whether it may, or does not know the question', async () => {
    door.fault = (request, response) => {
      if (request.method !== 'PUT') return false;
      if (request.url === '/417' && request.headers.expect !== undefined) {
        response.writeHead(417, { Connection: 'close' }).end();
        return true;
      }
      void buffer(request).then(async (bytes) => {
        await mkdir(join(directory, 'door'), { recursive: true });
        await writeFile(join(directory, 'door', request.url ?? ''), bytes);
        response.writeHead(bytes.equals(LARGE) ? 201 : 500).end();
      });
      return true;
    };
    expect(await put(`${door.url}/silent`, contentOf(LARGE), LARGE.length)).toMatchObject({ sizeBytes: LARGE.length });
    expect(await put(`${door.url}/417`, contentOf(LARGE), LARGE.length)).toMatchObject({ sizeBytes: LARGE.length });
  });

  it('fails by name where it goes in a loop, to what is to be read, or to nowhere', async () => {
    door.fault = (request, response) => {
      if (request.url === '/loop') redirect(response, '/loop', 308);
      else if (request.url === '/see') redirect(response, `${pool.url}/other`, 303);
      else response.writeHead(307).end();
      return true;
    };
    for (const [path, words, uploads] of [
      ['/loop', 'more than 5 redirects', 6],
      ['/see', 'the server answered 303, which names no other place to upload to', 1],
      ['/nowhere', 'the server answered 307, which names no other place to upload to', 1],
    ] as const) {
      const before = uploadsTo(door);
      const error = await failureOf(put(`${door.url}${path}`, contentOf(SMALL), SMALL.length));
      expect(error).toMatchObject({ retryable: false, publicMessage: expect.stringContaining(words) });
      expect(uploadsTo(door) - before).toBe(uploads);
    }
    expect(pool.requests).toEqual([]);
    expect([await stored('door'), await stored('pool')]).toEqual([[], []]);
  });

  it('fails where it would have to be opened again and cannot be', async () => {
    door.fault = (request, response) => {
      request.resume().on('end', () => redirect(response, `${pool.url}/a`));
      return true;
    };
    const error = await failureOf(client.write(`${door.url}/a`, contentOf(SMALL).open(), { sizeBytes: SMALL.length }, signal));
    expect(error).toMatchObject({ retryable: false, publicMessage: expect.stringContaining('wants again what was sent already') });
    expect(pool.requests).toEqual([]);
  });

  it('is not stored where the last server says that all is well before all has come', async () => {
    toPool();
    pool.fault = (request, response) => {
      if (request.method !== 'PUT') return false;
      response.writeContinue();
      // Without an end it reads no more, and no socket holds so much.
      request.once('data', () => request.pause() && response.writeHead(201, { 'Content-Length': 0 }).flushHeaders());
      return true;
    };
    const whole = Buffer.alloc(32 * 1024 * 1024);
    for (const sizeBytes of [whole.length, undefined]) {
      const error = await failureOf(put(`${door.url}/a`, contentOf(whole), sizeBytes));
      expect(error).toMatchObject({ retryable: true, publicMessage: expect.stringMatching(/answered after \d+ of (33554432|more) bytes/) });
    }
  });

  it('is not sent to an address that the settings forbid, however it is led there', async () => {
    toPool();
    const settings = { ...SETTINGS, reach: { ...ANYWHERE, networks: ['127.0.0.1'] } };
    for (const location of [
      pool.url.replace('127.0.0.1', '127.0.0.2'),
      'http://10.0.0.1/a',
      'http://[::1]/a',
      'http://169.254.169.254/latest',
      'file:///tmp/a',
    ]) {
      door.requests.length = 0;
      door.fault = (_, response) => {
        redirect(response, location);
        return true;
      };
      const strict = new HttpStorage(settings);
      const content = contentOf(SMALL);
      const error = await failureOf(strict.write(`${door.url}/a`, content.open(), { sizeBytes: SMALL.length }, signal));
      expect(error.retryable).toBe(false);
      expect(error.publicMessage).toMatch(/storage\.http\.allowed_networks|no setting allows|is not an http or https URL/);
      strict.close();
    }
    expect(pool.requests).toEqual([]);
  });
});

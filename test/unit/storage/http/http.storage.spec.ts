import { writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { type FileServer, startFileServer } from '../../../contract/storage/http-file-server';
import { failureOf } from '../../../support/transfer-failure';
import { endServed, serveTen, SETTINGS } from './served';
import { ANYWHERE } from '../../../support/connections';

const signal = new AbortController().signal;

let directory: string;
let server: FileServer;
let storage: HttpStorage;

beforeEach(async () => {
  ({ directory, server, storage } = await serveTen());
});
afterEach(() => endServed({ directory, server, storage }));

const get = async (url: string, offset?: number, from = storage): Promise<string> =>
  (await buffer(await from.read(url, offset === undefined ? {} : { offset }, signal))).toString();
const put = (url: string, text: string): Promise<{ sizeBytes: number }> =>
  storage.write(url, Readable.from([Buffer.from(text)], { objectMode: false }), { sizeBytes: Buffer.byteLength(text) }, signal);
const redirect = (response: ServerResponse, location: string, status = 302): true => {
  response.writeHead(status, { Location: location }).end('a page that says "moved"');
  return true;
};

describe('redirects', () => {
  it.each([301, 302, 303, 307, 308])('follows %i to the file and never stores the page', async (status) => {
    server.fault = (request, response) => request.url === '/moved' && redirect(response, '/ten', status);
    expect(await get(`${server.url}/moved`)).toBe('0123456789');
    expect(await storage.stat(`${server.url}/moved`, signal)).toMatchObject({ kind: 'file', sizeBytes: 10 });
  });

  it('gives up on a loop', async () => {
    server.fault = (_, response) => redirect(response, '/round');
    const error = await failureOf(get(`${server.url}/round`));
    expect(error).toMatchObject({ retryable: false });
    expect(error.publicMessage).toContain('more than 3 redirects');
    expect(server.requests).toHaveLength(4);
  });

  it.each(['file:///etc/passwd', 'ftp://127.0.0.1/x', 'http://['])('does not go to %s', async (location) => {
    server.fault = (_, response) => redirect(response, location);
    expect((await failureOf(get(`${server.url}/ten`))).retryable).toBe(false);
    expect(server.requests).toHaveLength(1);
  });

  it('checks the address of every target, not only of the first', async () => {
    server.fault = (request, response) => request.url === '/moved' && redirect(response, `http://127.0.0.2:${server.port}/ten`);
    const settings = { ...SETTINGS, reach: { ...ANYWHERE, networks: ['127.0.0.1'] } };
    const error = await failureOf(get(`${server.url}/moved`, undefined, new HttpStorage(settings)));
    expect(error.publicMessage).toContain('storage.http.allowed_networks');
    expect(server.requests.map((request) => request.url)).toEqual(['/moved']);
  });

  it('keeps credentials on their host and drops them on another one', async () => {
    const other = await startFileServer(`${directory}-other`);
    try {
      server.fault = (request, response) =>
        request.url === '/a' ? redirect(response, '/b') : request.url === '/b' && redirect(response, `${other.url}/c`);
      await failureOf(get(server.url.replace('//', '//me:secret@') + '/a'));
      const sent = [...server.requests, ...other.requests].map((request) => request.headers.authorization);
      expect(sent).toEqual([basic('me:secret'), basic('me:secret'), undefined]);
    } finally {
      await other.close();
    }
  });
});

describe('answers', () => {
  it.each([
    [400, false, false, undefined],
    [401, false, false, undefined],
    [403, false, false, undefined],
    [404, false, true, undefined],
    [408, true, false, {}],
    [410, false, true, undefined],
    [425, true, false, {}],
    [429, true, false, {}],
    [500, true, false, { brief: true }],
    [501, true, false, undefined],
    [502, true, false, {}],
    [503, true, false, {}],
    [504, true, false, {}],
    [507, true, false, {}],
    [522, true, false, { brief: true }],
  ])('reads %i as retryable %s, not found %s, away %j', async (status, retryable, notFound, away) => {
    server.fault = (request, response) => {
      request.resume();
      response.writeHead(status).end('no');
      return true;
    };
    const url = `${server.url}/x`;
    // All at once: a rejection must not be without somebody who waits for it while another is looked at.
    for (const error of await Promise.all([get(url), put(url, 'x'), storage.stat(url, signal)].map(failureOf))) {
      expect(error).toMatchObject({ retryable, notFound, away, unavailable: away !== undefined });
    }
  });

  it('never takes an answer without a file for the file', async () => {
    server.fault = (_, response) => {
      response.writeHead(204).end();
      return true;
    };
    await failureOf(get(`${server.url}/ten`));
  });

  it.each([
    [
      'cut short',
      (response: ServerResponse) => void response.writeHead(200, { 'Content-Length': 100 }).write('only this', () => response.destroy()),
    ],
    ['reset before it begins', (response: ServerResponse) => void response.socket?.resetAndDestroy()],
    [
      'broken inside chunks',
      (response: ServerResponse) => void response.writeHead(200).write('some', () => response.socket?.resetAndDestroy()),
    ],
  ])('is not fooled by a body that is %s', async (_, play) => {
    server.fault = (_request, response) => {
      play(response);
      return true;
    };
    expect(await failureOf(get(`${server.url}/ten`))).toMatchObject({ retryable: true, notFound: false });
  });

  it('reads what is compressed on its server as it is there', async () => {
    server.fault = (request, response) => {
      expect(request.headers['accept-encoding']).toBe('identity');
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('not really gzip');
      return true;
    };
    expect(await get(`${server.url}/file.gz`)).toBe('not really gzip');
  });

  it('gives up on a server that falls silent, before and inside the body', async () => {
    const impatient = new HttpStorage({ ...SETTINGS, idleTimeoutMs: 50 });
    server.fault = (request, response) => {
      if (request.url === '/inside') response.writeHead(200, { 'Content-Length': 100 }).write('some');
      return true;
    };
    for (const path of ['/before', '/inside']) {
      const error = await failureOf(get(`${server.url}${path}`, undefined, impatient));
      expect(error.retryable).toBe(true);
      expect(error.publicMessage).toContain('nothing moved');
    }
    await failureOf(impatient.write(`${server.url}/up`, Readable.from([Buffer.from('x')]), { sizeBytes: 1 }, signal));
    impatient.close();
  });

  it('does not take a slow reader for a silent server', async () => {
    const impatient = new HttpStorage({ ...SETTINGS, idleTimeoutMs: 1000 });
    await writeFile(join(directory, 'big'), Buffer.alloc(4_000_000));
    const stream = await impatient.read(`${server.url}/big`, {}, signal);
    let bytes = 0;
    for await (const chunk of stream) {
      if (bytes === 0) await pause(1500);
      bytes += (chunk as Buffer).length;
    }
    expect(bytes).toBe(4_000_000);
    impatient.close();
  });
});

describe('connections', () => {
  it('gives up when none is made in time', async () => {
    const sockets: Socket[] = [];
    const silent: Server = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const impatient = new HttpStorage({ ...SETTINGS, connectTimeoutMs: 50 });
    const error = await failureOf(get(`https://127.0.0.1:${port}/x`, undefined, impatient));
    expect(error).toMatchObject({ retryable: true });
    expect(error.publicMessage).toContain('no connection in time');
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('tries again later when the connection is refused', async () => {
    await server.close();
    expect(await failureOf(get(`${server.url}/ten`))).toMatchObject({ retryable: true });
    server = await startFileServer(directory);
  });

  it('does not try again where the host does not exist', async () => {
    expect(await failureOf(get('http://no-such-host.invalid/x'))).toMatchObject({ notFound: false });
  });

  it.each(['localhost', 'www.localhost', '127.0.0.1', '[::1]', '[::ffff:10.0.0.1]', '0x7f.1', '2130706433'])(
    'refuses %s by its name where private addresses are forbidden',
    async (host) => {
      const strict = new HttpStorage({ ...SETTINGS, reach: { ...ANYWHERE, networks: [] } });
      const error = await failureOf(get(`http://${host}:${server.port}/ten`, undefined, strict));
      expect(error).toMatchObject({ retryable: false });
      expect(error.publicMessage).toContain('storage.http.allowed_networks');
      expect(server.requests).toHaveLength(0);
    },
  );
});

describe('URLs', () => {
  it('sends userinfo as basic authentication and shows it nowhere', async () => {
    server.fault = (_, response) => {
      response.writeHead(403).end();
      return true;
    };
    const url = `${server.url.replace('//', '//m%40e:s%3Aecret@')}/ten?signature=hidden`;
    for (const error of [await failureOf(get(url)), await failureOf(put(url, 'x')), await failureOf(storage.stat(url, signal))]) {
      expect(error.publicMessage).not.toMatch(/ecret|m%40e|hidden/);
      expect(error.publicMessage).toContain('/ten');
    }
    expect(new Set(server.requests.map((request) => request.headers.authorization))).toEqual(new Set([basic('m@e:s:ecret')]));
  });

  it('leaves the query as it is', async () => {
    const path = '/ten?X-Amz-Signature=a%2Fb%3D&x=%20+&x=y;z&empty=&flag';
    await get(`${server.url}${path}`);
    expect(server.requests[0]?.url).toBe(path);
  });

  it('joins in front of the query', () => {
    expect(storage.join('https://h/d/?sig=a/b', 'x y/z')).toBe('https://h/d/x%20y/z?sig=a/b');
  });

  it('refuses everything when it is switched off, and says which setting does it', () => {
    const off = new HttpStorage({ ...SETTINGS, enabled: false });
    expect(off.refusal('https://example.org/x')).toContain('storage.http.enabled');
    expect(off.locations).toEqual([]);
  });

  it.each(['http://', 'http://[', 'https://a b/', 'http:'])('refuses %s, which is no URL', (url) => {
    expect(storage.refusal(url)).toContain('not a valid URL');
  });
});

describe('resuming', () => {
  it('skips what it has where the server knows no ranges', async () => {
    server.fault = (_, response) => {
      response.writeHead(200, { 'Content-Length': 10 }).end('0123456789');
      return true;
    };
    await get(`${server.url}/ten`);
    expect(await get(`${server.url}/ten`, 7)).toBe('789');
  });

  it('never glues two versions together, whoever else reads the URL meanwhile', async () => {
    const url = `${server.url}/ten`;
    const { version = '' } = await storage.stat(url, signal);
    const rest = async (): Promise<string> => (await buffer(await storage.read(url, { offset: 5, version }, signal))).toString();
    expect(await rest()).toBe('56789');
    await writeFile(join(directory, 'ten'), 'abcdefghij');
    // Another task begins with what is there now.
    expect(await get(url)).toBe('abcdefghij');
    const error = await failureOf(rest());
    expect(error).toMatchObject({ retryable: true, changed: true });
    expect(error.publicMessage).toContain('changed');
  });

  it('notices that there is less than it has already', async () => {
    server.fault = (_, response) => {
      response.writeHead(200).end('0123');
      return true;
    };
    expect((await failureOf(get(`${server.url}/never-seen`, 7))).publicMessage).toContain('shorter');
  });

  it('does not take a shorter part for the rest', async () => {
    server.fault = (_, response) => {
      response.writeHead(206, { 'Content-Range': 'bytes 5-7/10' }).end('567');
      return true;
    };
    const error = await failureOf(get(`${server.url}/ten`, 5));
    expect(error).toMatchObject({ retryable: true, publicMessage: expect.stringContaining('only 3 of 5 bytes came') as string });
    const part = await storage.read(`${server.url}/ten`, { offset: 5, length: 3 }, signal);
    expect((await buffer(part)).toString()).toBe('567');
  });

  it('does not take one length for one version', async () => {
    server.fault = (request, response) => {
      response.writeHead(200, { 'Content-Length': 10 }).end(request.method === 'HEAD' ? undefined : '0123456789');
      return true;
    };
    expect(await storage.stat(`${server.url}/ten`, signal)).toEqual({ kind: 'file', sizeBytes: 10 });
  });

  it('does not take another part for the one it asked for', async () => {
    server.fault = (_, response) => {
      response.writeHead(206, { 'Content-Range': 'bytes 2-9/10' }).end('23456789');
      return true;
    };
    await failureOf(get(`${server.url}/ten`, 5));
  });
});

describe('uploads', () => {
  it('say their length when it is known, and nothing odd', async () => {
    await put(`${server.url}/up`, 'text');
    const { headers, method } = server.requests[0] ?? {};
    expect(method).toBe('PUT');
    expect(headers).toMatchObject({ 'content-length': '4', 'content-type': 'application/octet-stream' });
    expect(headers).not.toHaveProperty('expect');
    expect(headers).not.toHaveProperty('transfer-encoding');
    await storage.write(`${server.url}/up2`, Readable.from([Buffer.from('x')]), {}, signal);
    expect(server.requests.find(({ method, url }) => method === 'PUT' && url === '/up2')?.headers['transfer-encoding']).toBe('chunked');
  });

  it('end at once when the server says no in the middle', async () => {
    server.fault = (_, response) => {
      response.writeHead(403, { Connection: 'close' }).end();
      return true;
    };
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) yield await Promise.resolve(Buffer.alloc(65_536));
    }
    const error = await failureOf(storage.write(`${server.url}/up`, Readable.from(endless(), { objectMode: false }), {}, signal));
    expect([/403/.test(error.publicMessage), error.retryable]).toContain(true);
  });

  it('are worth another try when the connection breaks', async () => {
    server.fault = (request) => {
      request.socket.resetAndDestroy();
      return true;
    };
    expect(await failureOf(put(`${server.url}/up`, 'x'.repeat(100_000)))).toMatchObject({ retryable: true });
  });
});

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

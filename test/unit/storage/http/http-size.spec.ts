import { writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { HttpStorage } from '../../../../src/storage/http/http.storage';
import type { FileServer } from '../../../contract/storage/http-file-server';
import { failureOf } from '../../../support/transfer-failure';
import { endServed, serveTen } from './served';

const signal = new AbortController().signal;

let directory: string;
let server: FileServer;
let storage: HttpStorage;

beforeEach(async () => {
  ({ directory, server, storage } = await serveTen());
});
afterEach(() => endServed({ directory, server, storage }));

const put = (url: string, text: string): Promise<{ sizeBytes: number }> =>
  storage.write(url, Readable.from([Buffer.from(text)], { objectMode: false }), { sizeBytes: Buffer.byteLength(text) }, signal);

describe('the size of a file', () => {
  const withoutHead = (answer: (response: ServerResponse) => void): void => {
    server.fault = (request, response) => {
      if (request.method === 'HEAD') answer(response);
      return request.method === 'HEAD';
    };
  };

  it.each([400, 403, 404, 405, 500, 501, 502, 503, 599])('is asked with GET where HEAD is answered %i', async (status) => {
    await writeFile(join(directory, 'empty'), '');
    withoutHead((response) => response.writeHead(status, { 'Retry-After': '1000' }).end());
    expect(await storage.stat(`${server.url}/ten`, signal)).toMatchObject({ kind: 'file', sizeBytes: 10 });
    expect(await storage.stat(`${server.url}/empty`, signal)).toMatchObject({ kind: 'file', sizeBytes: 0 });
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['reset', (response) => (response.socket as Socket).resetAndDestroy()],
    ['closed', (response) => response.socket?.end()],
    ['broken off in the head', (response) => response.socket?.end('HTTP/1.1 200 OK\r\nContent-Le')],
    ['answered by what is no HTTP', (response) => response.socket?.end('hello\r\n\r\n')],
  ])('is asked with GET where the connection of HEAD is %s', async (_, answer) => {
    withoutHead(answer);
    expect(await storage.stat(`${server.url}/ten`, signal)).toMatchObject({ kind: 'file', sizeBytes: 10 });
  });

  it('is asked with GET where HEAD says that nothing is there', async () => {
    await writeFile(join(directory, 'empty'), '');
    withoutHead((response) => response.writeHead(200, { 'Content-Length': 0 }).end());
    const { sizeBytes, version = '' } = await storage.stat(`${server.url}/ten`, signal);
    expect(sizeBytes).toBe(10);
    expect(await text(await storage.read(`${server.url}/ten`, { version }, signal))).toBe('0123456789');
    expect(await storage.stat(`${server.url}/empty`, signal)).toMatchObject({ kind: 'file', sizeBytes: 0 });
  });

  it('is as away as GET says, and asked for once', async () => {
    server.fault = (request, response) => {
      response.writeHead(503, { 'Retry-After': request.method === 'GET' ? '7' : '1000' }).end();
      return true;
    };
    expect(await failureOf(storage.stat(`${server.url}/ten`, signal))).toMatchObject({ retryable: true, away: { retryAfterMs: 7000 } });
    expect(server.requests.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });

  it.each([401, 410, 429])('is not asked again where HEAD is answered %i', async (status) => {
    withoutHead((response) => response.writeHead(status).end());
    await failureOf(storage.stat(`${server.url}/ten`, signal));
    expect(server.requests).toHaveLength(1);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['answered 500', (response) => response.writeHead(500).end()],
    ['answered 405', (response) => response.writeHead(405).end()],
    ['reset', (response) => (response.socket as Socket).resetAndDestroy()],
  ])('is asked with GET after an upload, too, where HEAD is %s', async (_, answer) => {
    withoutHead(answer);
    expect(await put(`${server.url}/new`, 'whole')).toMatchObject({ sizeBytes: 5 });
    server.fault = (request, response) => {
      if (request.method === 'HEAD') answer(response);
      if (request.method === 'PUT') request.resume().on('end', () => response.writeHead(201).end());
      return request.method !== 'GET';
    };
    expect(await failureOf(put(`${server.url}/ten`, 'more than ten'))).toMatchObject({
      retryable: true,
      publicMessage: expect.stringContaining('the server stored 10 of 13 bytes') as string,
    });
  });

  const afterUpload = (answer: (response: ServerResponse, method: string) => void): void => {
    server.fault = (request, response) => {
      if (request.method === 'PUT') request.resume().on('end', () => response.writeHead(201).end());
      else answer(response, request.method ?? '');
      return true;
    };
  };

  it.each([404, 410])('is nothing after an upload where the server has nothing (%i)', async (status) => {
    afterUpload((response) => response.writeHead(status).end());
    expect(await failureOf(put(`${server.url}/new`, 'whole'))).toMatchObject({
      retryable: true,
      notFound: false,
      publicMessage: expect.stringMatching(
        /^http.*\/new cannot be written: the server said that it is stored, but nothing is there$/,
      ) as string,
    });
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['503', (response) => response.writeHead(503, { 'Retry-After': '7' }).end()],
    ['500', (response) => response.writeHead(500).end()],
    ['a reset', (response) => (response.socket as Socket).resetAndDestroy()],
  ])('is not taken for right after an upload where it cannot be asked: %s', async (_, answer) => {
    afterUpload(answer);
    const error = await failureOf(put(`${server.url}/new`, 'whole'));
    expect(error).toMatchObject({ retryable: true, unavailable: true });
    expect(error.publicMessage).toContain('/new cannot be written: what was stored cannot be checked: ');
  });

  it.each<[string, (response: ServerResponse, stored: string) => void]>([
    ['says it of a part', (response, stored) => response.writeHead(206, { 'Content-Range': `bytes 0-0/${stored.length}` }).end('w')],
    ['says it of all', (response, stored) => response.writeHead(200, { 'Content-Length': stored.length }).end(stored)],
    ['does not say it', (response, stored) => response.writeHead(200).write('w') && response.end(stored.slice(1))],
  ])('is asked with GET after an upload where HEAD does not say it and GET %s', async (_, answer) => {
    let stored = 'who';
    afterUpload((response, method) => {
      if (method === 'HEAD') response.writeHead(200).end();
      else answer(response, stored);
    });
    expect((await failureOf(put(`${server.url}/new`, 'whole'))).publicMessage).toContain('the server stored 3 of 5 bytes');
    stored = 'whole of it';
    expect((await failureOf(put(`${server.url}/new`, 'whole'))).publicMessage).toContain('the server stored more than 5 bytes');
    stored = 'whole';
    expect(await put(`${server.url}/new`, 'whole')).toMatchObject({ sizeBytes: 5 });
  });

  it.each([
    [403, true],
    [404, false],
  ])('is asked after an upload where it went to when nothing can be read under its URL: %i there', async (status, isBelieved) => {
    server.fault = (request, response) => {
      if (request.url === '/door' && request.method === 'PUT') response.writeHead(307, { Location: '/pool' }).end();
      else if (request.method === 'PUT') request.resume().on('end', () => response.writeHead(200).end());
      else response.writeHead(request.url === '/door' ? 404 : status).end();
      return true;
    };
    const upload = storage.write(
      `${server.url}/door`,
      Readable.from([]),
      { sizeBytes: 0, reopen: () => Promise.resolve(Readable.from([])) },
      signal,
    );
    if (isBelieved) expect(await upload).toMatchObject({ sizeBytes: 0 });
    else expect((await failureOf(upload)).publicMessage).toContain('nothing is there');
  });

  it('is believed after an upload where nobody may read', async () => {
    server.fault = (request, response) => {
      if (request.method === 'PUT') return false;
      response.writeHead(403).end();
      return true;
    };
    expect(await put(`${server.url}/new`, 'whole')).toMatchObject({ sizeBytes: 5 });
  });
});

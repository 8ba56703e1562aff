import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { networkError } from '../../../../src/storage/shared/http-errors';
import type { HttpStorage } from '../../../../src/storage/http/http.storage';
import type { FileServer } from '../../../contract/storage/http-file-server';
import { failureOf } from '../../../support/transfer-failure';
import { endServed, serveTen } from './served';

const signal = new AbortController().signal;
const dns = (code: string): Error => Object.assign(new Error('getaddrinfo'), { code });

let directory: string;
let server: FileServer;
let storage: HttpStorage;

beforeEach(async () => {
  ({ directory, server, storage } = await serveTen());
});
afterEach(() => endServed({ directory, server, storage }));

const get = async (url: string): Promise<unknown> => buffer(await storage.read(url, {}, signal));
const put = (url: string, text: string): Promise<unknown> =>
  storage.write(url, Readable.from([Buffer.from(text)], { objectMode: false }), { sizeBytes: Buffer.byteLength(text) }, signal);
describe('a storage that is away', () => {
  it.each([
    ['120', 120_000],
    ['Wed, 21 Oct 2015 07:28:00 GMT', undefined],
    ['soon', undefined],
  ])('is not tried again before Retry-After: %s', async (header, retryAfterMs) => {
    server.fault = (_request, response) => {
      response.writeHead(503, { 'Retry-After': header }).end();
      return true;
    };
    for (const error of await Promise.all([get(`${server.url}/x`), put(`${server.url}/x`, 'x')].map(failureOf))) {
      expect(error.away?.retryAfterMs).toBe(retryAfterMs);
    }
  });

  it('waits for a Retry-After that is a date', async () => {
    server.fault = (_request, response) => {
      response.writeHead(429, { 'Retry-After': new Date(Date.now() + 60_000).toUTCString() }).end();
      return true;
    };
    const { away } = await failureOf(get(`${server.url}/x`));
    expect(away?.retryAfterMs).toBeGreaterThan(50_000);
    expect(away?.retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it('is away when it resets the connection before it answers, and not when it breaks off in an answer', async () => {
    server.fault = (_request, response) => {
      response.socket?.resetAndDestroy();
      return true;
    };
    for (const error of await Promise.all([get(`${server.url}/ten`), put(`${server.url}/up`, 'x')].map(failureOf))) {
      expect(error).toMatchObject({ unavailable: true, away: {} });
    }
    server.fault = (_request, response) =>
      response.writeHead(200, { 'Content-Length': 10 }).write('some', () => response.socket?.resetAndDestroy());
    expect(await failureOf(get(`${server.url}/ten`))).toMatchObject({ unavailable: false, retryable: true });
  });

  it('waits with outputs for a host whose name is not known, and not with inputs', async () => {
    const url = 'http://no-such-host.invalid/x';
    const failures = [
      networkError(dns('ENOTFOUND'), { subject: url, during: 'read' }),
      networkError(dns('ENOTFOUND'), { subject: url, during: 'write' }),
    ];
    expect(failures).toMatchObject([{ retryable: false }, { retryable: true, away: { brief: true } }]);
    expect(networkError(dns('EAI_AGAIN'), { subject: url, during: 'read' })).toMatchObject({ away: {} });
  });
});

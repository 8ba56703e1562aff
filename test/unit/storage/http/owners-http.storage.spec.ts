import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Secret } from '../../../../src/ports/credentials';
import { CredentialError } from '../../../../src/ports/errors';
import type { StorageClient } from '../../../../src/ports/storage-client';
import { OwnersHttpStorage } from '../../../../src/storage/http/owners-http.storage';
import type { FileServer } from '../../../contract/storage/http-file-server';
import { endServed, serveTen, SETTINGS } from './served';

const signal = new AbortController().signal;
const BASIC: Secret = { type: 'basic', username: 'ann', password: 'pä:ss' };
const AS_ANN = `Basic ${Buffer.from('ann:pä:ss').toString('base64')}`;

type Served = Awaited<ReturnType<typeof serveTen>>;
let served: Served;
let away: Served;
let other: FileServer;
let storage: OwnersHttpStorage;
let ann: StorageClient;
let bob: StorageClient;
/** Of ann, by beginning of URL. */
let secrets: Map<string, Secret>;
let seen: { readonly at: string; readonly authorization: string | undefined }[];

const note =
  (server: string) =>
  (request: IncomingMessage): false => {
    seen.push({ at: `${server} ${request.method} ${request.url}`, authorization: request.headers.authorization });
    return false;
  };

beforeEach(async () => {
  served = await serveTen();
  away = await serveTen();
  other = away.server;
  secrets = new Map();
  seen = [];
  storage = new OwnersHttpStorage(SETTINGS, ({ key }) => ({
    forUrl: async (url) => [...secrets].find(([prefix]) => key === 'ann' && url.startsWith(prefix))?.[1],
  }));
  ann = storage.session({ key: 'ann' });
  bob = storage.session({ key: 'bob' });
  served.server.fault = note('home');
  other.fault = note('other');
});
afterEach(async () => {
  for (const one of [ann, bob, storage]) await one.close?.();
  await endServed(away);
  await endServed(served);
});

const get = async (url: string, from = ann): Promise<string> => (await buffer(await from.read(url, {}, signal))).toString();
const content = (): Readable => Readable.from([Buffer.from('0123456789')], { objectMode: false });
const put = (url: string, from = ann): Promise<unknown> =>
  from.write(url, content(), { sizeBytes: 10, reopen: () => Promise.resolve(content()) }, signal);
const authorizations = (): unknown[] => seen.map(({ authorization }) => authorization);

describe("an owner's credentials", () => {
  it('go with every request of its own to their URLs, and with nobody else', async () => {
    const { url } = served.server;
    secrets.set(`${url}/`, BASIC);
    expect(await get(`${url}/ten`)).toBe('0123456789');
    await ann.stat(`${url}/ten`, signal);
    await put(`${url}/new`);
    expect(seen.length).toBeGreaterThan(3);
    expect(new Set(authorizations())).toEqual(new Set([AS_ANN]));
    seen = [];
    for (const from of [bob, storage]) await get(`${url}/ten`, from);
    await get(`${other.url}/ten`);
    expect(authorizations()).toEqual([undefined, undefined, undefined]);
  });

  it('may be a token', async () => {
    secrets.set(served.server.url, { type: 'bearer', token: 'tok.en' });
    await get(`${served.server.url}/ten`);
    expect(authorizations()).toEqual(['Bearer tok.en']);
  });

  it('give way to those in the URL', async () => {
    secrets.set('http://', BASIC);
    await get(`${served.server.url.replace('//', '//bob:pw@')}/ten`);
    expect(authorizations()).toEqual([`Basic ${Buffer.from('bob:pw').toString('base64')}`]);
  });

  it.each(['GET', 'PUT'])(
    'are not sent to another server that a %s is redirected to, nor after it, even where it has some',
    async (method) => {
      secrets.set('http://', BASIC);
      served.server.fault = (request, response) => {
        note('home')(request);
        if (request.url !== '/moved') return false;
        response.writeHead(307, { Location: `${other.url}/back` }).end();
        return true;
      };
      other.fault = (request, response) => {
        note('other')(request);
        if (request.url !== '/back') return false;
        response.writeHead(307, { Location: `${served.server.url}/ten` }).end();
        return true;
      };
      await (method === 'GET' ? get(`${served.server.url}/moved`) : put(`${served.server.url}/moved`));
      const [first, second, third] = authorizations();
      expect([first, second, third]).toEqual([AS_ANN, undefined, undefined]);
      expect(seen.filter(({ at, authorization }) => at.startsWith('other') && authorization !== undefined)).toEqual([]);
    },
  );

  it('are not sent where an upload was led to, when what is stored there is looked at', async () => {
    secrets.set('http://', BASIC);
    served.server.fault = (request, response) => {
      note('home')(request);
      response.writeHead(request.method === 'PUT' ? 307 : 404, { Location: `${other.url}/new` }).end();
      return true;
    };
    await put(`${served.server.url}/moved`);
    const elsewhere = seen.filter(({ at }) => at.startsWith('other'));
    expect(elsewhere.map(({ at }) => at)).toEqual(['other PUT /new', 'other HEAD /new']);
    expect(elsewhere.map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
  });

  it('are looked up again after a redirect on their own server', async () => {
    const { url } = served.server;
    secrets.set(`${url}/moved`, BASIC);
    served.server.fault = (request, response) => {
      note('home')(request);
      if (request.url !== '/moved') return false;
      response.writeHead(302, { Location: '/ten' }).end();
      return true;
    };
    expect(await get(`${url}/moved`)).toBe('0123456789');
    expect(authorizations()).toEqual([AS_ANN, undefined]);
  });

  it('go on connections that no other owner uses', async () => {
    const { url } = served.server;
    secrets.set(url, BASIC);
    const ports: (number | undefined)[] = [];
    served.server.fault = (request) => ports.push(request.socket.remotePort) < 0;
    for (const from of [ann, bob, ann, storage]) await get(`${url}/ten`, from);
    const [hers, his, hersAgain, common] = ports;
    expect(hersAgain).toBe(hers);
    expect(his).not.toBe(hers);
    expect(common).toBe(his);
  });

  it('are in no words of a failure', async () => {
    secrets.set('http://', BASIC);
    served.server.fault = (_, response) => {
      response.writeHead(401).end();
      return true;
    };
    const error = await get(`${served.server.url}/ten`).catch((failed: unknown) => failed as Error);
    expect(JSON.stringify([error, (error as Error).message, (error as Error).stack])).not.toMatch(/pä:ss|YW5uOn/);
    expect((error as Error).message).toContain('credentials are missing or wrong');
  });

  it('that cannot be decrypted are a failure, and the request is not sent without them', async () => {
    const broken = new OwnersHttpStorage(SETTINGS, () => ({ forUrl: () => Promise.reject(new CredentialError('no key')) }));
    await expect(get(`${served.server.url}/ten`, broken.session({ key: 'ann' }))).rejects.toBeInstanceOf(CredentialError);
    expect(seen).toEqual([]);
    broken.close();
  });
});

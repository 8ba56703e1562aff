import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { adapters } from '../../../../src/adapters';
import { describeSettings, loadSettings } from '../../../../src/config/settings';
import type { Secret } from '../../../../src/ports/credentials';
import type { StorageClient } from '../../../../src/ports/storage-client';
import { httpStorage } from '../../../../src/storage/http/http.adapter';
import { type HttpServer, HttpServers } from '../../../../src/storage/http/http-servers';
import { HttpStorage } from '../../../../src/storage/http/http.storage';
import { OwnersHttpStorage } from '../../../../src/storage/http/owners-http.storage';
import { endServed, serveTen, SETTINGS } from './served';

const signal = new AbortController().signal;
const basic = (login: string): string => `Basic ${Buffer.from(login).toString('base64')}`;

describe('the entry of a URL', () => {
  const servers = new HttpServers(
    ['https://h/lab/', 'https://h', 'https://h/lab/deep', 'http://h:8080/x'].map((prefix) => ({ prefix, token: prefix })),
  );

  it.each([
    ['https://h/', 'https://h'],
    ['https://h/lab', 'https://h/lab/'],
    ['https://H:443/a/../lab/x?y#z', 'https://h/lab/'],
    ['https://h/lab/deep', 'https://h/lab/deep'],
    ['https://h/lab/deep/x', 'https://h/lab/deep'],
    ['https://h/lab/deeper', 'https://h/lab/'],
    ['https://h/laboratory', 'https://h'],
    ['https://u:p@h/lab/x', 'https://h/lab/'],
    ['http://h:8080/x/y', 'http://h:8080/x'],
    ['http://h:8080/y', undefined],
    ['http://h/lab/x', undefined],
    ['https://h:444/lab/x', undefined],
    ['https://h.evil/lab/x', undefined],
    ['https://h@evil/lab/x', undefined],
    ['https://evil/?https://h/lab/', undefined],
    ['no URL', undefined],
  ])('of %s is that of %s', (url, prefix) => {
    expect(servers.of(url)?.prefix).toBe(prefix);
  });
});

describe('the setting', () => {
  const given = (servers: unknown): ReturnType<typeof loadSettings> =>
    loadSettings({ files: [], env: { TES_GATEWAY__STORAGE__HTTP__SERVERS: JSON.stringify(servers) }, argv: [] }, adapters);
  const entry = { prefix: 'https://h/lab' };

  it.each([
    [{ ...entry, tokn: 'hunter2' }, 'servers[1].tokn: there is no such key; there are prefix, username, password, token, headers'],
    [{ token: 'hunter2' }, 'servers[1].prefix: must be given'],
    [{ ...entry, token: 7 }, 'servers[1].token: must be a text'],
    [{ ...entry, token: 'hunter2\r\nX: y' }, 'servers[1].token: must be of printable ASCII characters'],
    [{ ...entry, password: 'hunter2' }, 'servers[1].password: without username'],
    [{ ...entry, username: 'u' }, 'servers[1].username: without password'],
    [{ ...entry, username: 'u:v', password: 'hunter2' }, 'servers[1].username: must hold no colon'],
    [{ ...entry, username: 'u', password: 'hunter2', token: 'x' }, 'servers[1].token: and username exclude each other'],
    [
      { ...entry, token: 'x', headers: { authorization: 'hunter2' } },
      'servers[1].headers.Authorization: and token or username exclude each other',
    ],
    [{ ...entry, headers: 'hunter2' }, 'servers[1].headers: must be names with texts'],
    [{ ...entry, headers: { Range: 'hunter2' } }, 'servers[1].headers.Range: is for the gateway to set'],
    [{ ...entry, headers: { 'X-Key': 'hunter2\n' } }, 'servers[1].headers.X-Key: must be a text of printable ASCII characters'],
    [{ ...entry, headers: { 'X-Key': 'hunter2', 'x-key': 'b' } }, 'servers[1].headers.x-key: is there twice'],
    [{ ...entry, headers: { 'X Key: hunter2': '' } }, 'servers[1].headers: a name in it is no name of a header'],
    [{ prefix: 'ftp://h' }, 'servers[1].prefix: must be a URL of http, https'],
    [{ prefix: 'https://u:hunter2@h' }, 'servers[1].prefix: must hold no user name and no password'],
    [{ prefix: 'https://h/?hunter2' }, 'servers[1].prefix: must hold no query and no fragment'],
    [{ prefix: 'HTTPS://first:443/' }, 'servers[1].prefix: is that of servers[0], too'],
  ])('%j is a fault that names entry and key, and no secret', (wrong, words) => {
    const fault = (): unknown => given([{ prefix: 'https://first' }, wrong]);
    expect(fault).toThrow(words);
    expect(fault).not.toThrow('hunter2');
  });

  it.each([
    'Host',
    'content-length',
    'Transfer-Encoding',
    'Connection',
    'TE',
    'Expect',
    'If-Range',
    'Proxy-Authorization',
    'Accept-Encoding',
  ])('has no header %s', (name) => {
    expect(() => given([{ ...entry, headers: { [name]: 'x' } }])).toThrow(`servers[0].headers.${name}: is for the gateway to set`);
  });

  it('is shown without what is secret in it, and goes to no worker', () => {
    const servers: readonly HttpServer[] = [
      { prefix: 'https://a', username: 'ann', password: 'hunter1' },
      { prefix: 'https://b', token: 'hunter2' },
      { prefix: 'https://c', headers: { 'X-Key': 'hunter3' } },
    ];
    const settings = given(servers);
    const shown = describeSettings(settings, adapters);
    expect(shown).toContain('prefix: https://a');
    expect(shown).toContain('X-Key: "[masked]"');
    expect(shown).not.toContain('hunter');
    const values = settings.storage['http'] as Parameters<typeof httpStorage.here>[0];
    expect(httpStorage.here(values, { instance: 'x', servesThisMachineOnly: true }).servers).toEqual(servers);
    const elsewhere = httpStorage.elsewhere?.(values, { directories: [], servesThisMachineOnly: true });
    expect(JSON.stringify(elsewhere)).not.toContain('hunter');
  });
});

describe('requests below a prefix', () => {
  type Served = Awaited<ReturnType<typeof serveTen>>;
  let served: Served;
  let away: Served;
  let seen: { readonly at: string; readonly authorization: unknown; readonly key: unknown }[];
  let opened: StorageClient[];

  const note = (server: string, { method, url, headers }: IncomingMessage): void => {
    seen.push({ at: `${server} ${method} ${url}`, authorization: headers.authorization, key: headers['x-key'] });
  };
  const moved = (name: string, from: string, to: () => string) => (request: IncomingMessage, response: ServerResponse) => {
    note(name, request);
    if (request.url !== from) return false;
    response.writeHead(307, { Location: to() }).end();
    return true;
  };
  const storage = (servers: readonly HttpServer[], secret?: Secret): StorageClient => {
    const made = secret
      ? new OwnersHttpStorage({ ...SETTINGS, servers }, () => ({ forUrl: () => Promise.resolve(secret) })).session({ key: 'ann' })
      : new HttpStorage({ ...SETTINGS, servers });
    opened.push(made);
    return made;
  };
  const get = async (from: StorageClient, url: string): Promise<string> => (await buffer(await from.read(url, {}, signal))).toString();
  const put = (from: StorageClient, url: string): Promise<unknown> => {
    const content = (): Readable => Readable.from([Buffer.from('0123456789')], { objectMode: false });
    return from.write(url, content(), { sizeBytes: 10, reopen: () => Promise.resolve(content()) }, signal);
  };

  beforeEach(async () => {
    served = await serveTen();
    away = await serveTen();
    seen = [];
    opened = [];
    served.server.fault = (request) => (note('home', request), false);
    away.server.fault = (request) => (note('away', request), false);
  });
  afterEach(async () => {
    for (const one of opened) await one.close?.();
    await endServed(away);
    await endServed(served);
  });

  it('carry its login and headers, whatever is asked, and others do not', async () => {
    const { url } = served.server;
    const from = storage([{ prefix: url, username: 'lab', password: 'pä:ss', headers: { 'X-Key': 'k' } }]);
    expect(await get(from, `${url}/ten`)).toBe('0123456789');
    await from.stat(`${url}/ten`, signal);
    await put(from, `${url}/new`);
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.every(({ authorization, key }) => authorization === basic('lab:pä:ss') && key === 'k')).toBe(true);
    await get(from, `${away.server.url}/ten`);
    expect(seen.at(-1)).toEqual({ at: 'away GET /ten', authorization: undefined, key: undefined });
  });

  it('carry what the owner has saved before that, and what is in the URL before both', async () => {
    const { url } = served.server;
    const from = storage([{ prefix: url, headers: { Authorization: 'Own scheme', 'X-Key': 'k' } }], { type: 'bearer', token: 'anns' });
    await get(from, `${url}/ten`);
    await get(from, `${url.replace('//', '//bob:pw@')}/ten`);
    expect(seen).toEqual([
      { at: 'home GET /ten', authorization: 'Bearer anns', key: 'k' },
      { at: 'home GET /ten', authorization: basic('bob:pw'), key: 'k' },
    ]);
  });

  it.each(['GET', 'PUT'])('lose it when a %s is led to another server, and for good', async (method) => {
    const servers = [served.server.url, away.server.url].map((prefix) => ({ prefix, token: 'lab', headers: { 'X-Key': 'k' } }));
    served.server.fault = moved('home', '/moved', () => `${away.server.url}/back`);
    away.server.fault = moved('away', '/back', () => `${served.server.url}/ten`);
    const url = `${served.server.url}/moved`;
    await (method === 'GET' ? get(storage(servers), url) : put(storage(servers), url));
    const sent = seen.slice(0, 3).map(({ authorization, key }) => [authorization, key]);
    expect(sent).toEqual([
      ['Bearer lab', 'k'],
      [undefined, undefined],
      [undefined, undefined],
    ]);
    expect(seen.filter(({ at, key }) => at.startsWith('away') && key !== undefined)).toEqual([]);
  });

  it('lose it when they are led out of the prefix', async () => {
    const { url } = served.server;
    served.server.fault = moved('home', '/lab/x', () => '/ten');
    await get(storage([{ prefix: `${url}/lab`, token: 'lab', headers: { 'X-Key': 'k' } }]), `${url}/lab/x`);
    expect(seen.map(({ authorization, key }) => [authorization, key])).toEqual([
      ['Bearer lab', 'k'],
      [undefined, undefined],
    ]);
  });

  it('say nothing of it when they fail', async () => {
    served.server.fault = (_, response) => (response.writeHead(401).end(), true);
    const from = storage([{ prefix: served.server.url, token: 'hunter2', headers: { 'X-Key': 'hunter3' } }]);
    const error = (await get(from, `${served.server.url}/ten`).catch((failed: unknown) => failed)) as Error;
    expect(error.message).toContain('credentials are missing or wrong');
    expect(JSON.stringify([error, error.message, error.stack, error.cause])).not.toContain('hunter');
  });
});

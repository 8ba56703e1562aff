import { Networks } from '../../../../src/ports/networks';
import { sharedApi } from '../http-app';
import { exchange, send } from '../raw-http';

const ID = '01234567890123456789012345';
const TASK = JSON.stringify({ executors: [{ image: 'busybox', command: ['id'] }] });
const behind = { tasks: { create: () => Promise.resolve(ID), list: () => Promise.resolve('{}') } };
const statusOf = async (port: number, host: string, more: Readonly<Record<string, string>> = {}) =>
  (await send(port, 'POST', '/v1/tasks', { host, ...more }, TASK)).status;

const LOOPBACK = [
  '127.0.0.1',
  '127.0.0.1:8080',
  'localhost',
  'LOCALHOST:8080',
  'localhost.',
  'tes.localhost:80',
  '[::1]',
  '[::1]:8080',
  '127.9.9.9',
];
const FOREIGN = [
  'evil.example',
  'evil.example:8080',
  '127.0.0.1.evil.example',
  'localhost.evil.example',
  '10.0.0.1',
  '[fe80::1]',
  '[::1',
  'a b',
  '0.0.0.0',
];

describe('a server on a loopback address', () => {
  const api = sharedApi(behind, { host: '127.0.0.1', allowedHosts: [] });

  it.each(LOOPBACK)('is reached as %s', async (host) => expect(await statusOf(api.port(), host)).toBe(200));

  it.each(FOREIGN)('is not reached as %s, whatever the origin says', async (host) => {
    const answer = await send(api.port(), 'POST', '/v1/tasks', { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }, TASK);
    expect(answer.status).toBe(421);
    expect(JSON.parse(answer.body)).toMatchObject({
      code: 'MISDIRECTED_REQUEST',
      message: expect.stringContaining('server.allowed_hosts'),
    });
  });

  it('names the host that it does not serve', async () => {
    const { body } = await send(api.port(), 'GET', '/v1/tasks', { host: 'Tes.Example.:8080' });
    const message = 'this server does not answer to the host name tes.example (setting server.allowed_hosts)';
    expect(JSON.parse(body)).toMatchObject({ message });
  });

  it.each(['/healthz', '/v1/tasks', '/docs', '/nowhere'])('refuses a page of another name every path: %s', async (path) => {
    expect((await send(api.port(), 'GET', path, { host: 'evil.example' })).status).toBe(421);
  });

  it('believes no X-Forwarded-Host', async () => {
    expect(await statusOf(api.port(), 'evil.example', { 'x-forwarded-host': 'localhost' })).toBe(421);
  });

  it('serves HTTP/1.0 without a Host', async () => {
    expect((await exchange(api.port(), 'GET /v1/tasks HTTP/1.0\r\n\r\n')).status).toBe(200);
  });
});

describe('a server with names of its own', () => {
  const api = sharedApi(behind, { host: '127.0.0.1', allowedHosts: ['Tes.Example', 'other.example:8443'] });

  it.each(['tes.example', 'TES.example.:443', 'other.example', 'localhost:1'])('is reached as %s', async (host) =>
    expect(await statusOf(api.port(), host)).toBe(200),
  );
  it.each(['evil.example', 'x.tes.example'])('is not reached as %s', async (host) => expect(await statusOf(api.port(), host)).toBe(421));
});

describe.each([
  ['any name is allowed', { host: '127.0.0.1', allowedHosts: ['*'] }, 200],
  ['it listens everywhere', { host: '0.0.0.0', allowedHosts: [] }, 200],
  ['it listens everywhere under a name', { host: '0.0.0.0', allowedHosts: ['tes.example'] }, 421],
  ['it listens on a name', { host: 'tes.example', allowedHosts: [] }, 200],
  ['a proxy is trusted', { host: '127.0.0.1', allowedHosts: [], proxies: new Networks(['127.0.0.1']) }, 200],
  ['another proxy is trusted', { host: '127.0.0.1', allowedHosts: [], proxies: new Networks(['10.0.0.0/8']) }, 421],
  [
    'a proxy is trusted and names are given',
    { host: '127.0.0.1', allowedHosts: ['tes.example'], proxies: new Networks(['127.0.0.1']) },
    421,
  ],
  ['it listens on the other loopback', { host: '::1', allowedHosts: [] }, 421],
] as const)('where %s', (_what, settings, status) => {
  const api = sharedApi(behind, settings);

  it(`another name is answered ${status}`, async () => expect(await statusOf(api.port(), 'evil.example')).toBe(status));
  it('the address of the connection is a name', async () => expect(await statusOf(api.port(), `127.0.0.1:${api.port()}`)).toBe(200));
});

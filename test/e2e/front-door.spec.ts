import { gzipSync } from 'node:zlib';
import { Networks } from '../../src/ports/networks';
import { sharedGateway } from './app';
import { Client, TRUE_TASK, V1 } from './client';
import type { OpenApi } from './official';

describe('several slashes in the path of a request', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port, '//v1');

  it('count as one, wherever they are', async () => {
    const id = await client.create();
    for (const target of [`///v1///tasks//${id}`, `//v1/tasks/${id}//`, `/ga4gh//tes/v1/tasks/${id}?view=BASIC`]) {
      expect([target, (await client.send('GET', target)).json]).toMatchObject([target, { id }]);
    }
    expect((await client.send('POST', `//v1//tasks//${id}:cancel`)).status).toBe(200);
    expect((await client.send('GET', '//healthz//x')).status).toBe(404);
  });

  it('do not in a query', async () => {
    await client.create({ name: 'a//b' });
    expect((await client.page('name_prefix=a//b')).ids).toHaveLength(1);
    expect((await client.page('name_prefix=a/b')).ids).toHaveLength(0);
  });

  it('leave 405 what it is', async () => {
    const answer = await client.send('PUT', '//v1//tasks');
    expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, HEAD, POST']);
  });
});

describe('X-Forwarded-Prefix', () => {
  const gateway = sharedGateway({ api: { proxies: new Networks(['127.0.0.0/8']) } });
  const careful = sharedGateway({ api: { proxies: new Networks(['127.0.0.2', '10.0.0.0/8']) } });
  const client = new Client(() => gateway().port, V1);
  const stranger = new Client(() => careful().port, V1);
  const from = (prefix: string, target: string, asked = client) => asked.send('GET', target, { headers: { 'x-forwarded-prefix': prefix } });
  const serversIn = async (prefix: string, asked = client): Promise<readonly (string | undefined)[]> => {
    const document = (await from(prefix, '/docs-json', asked)).json as OpenApi & { paths: Record<string, { servers?: { url: string }[] }> };
    return [document.servers[0]?.url, document.paths['/ext/v1/backends']?.servers?.[0]?.url];
  };

  it.each([
    ['/tes', '/tes'],
    ['/tes/', '/tes'],
    ['/', ''],
    ['', ''],
    ['/outer, /in-ner_1.0~x/', '/outer/in-ner_1.0~x'],
  ])('%j of a trusted proxy is where redirects and the OpenAPI document lead', async (header, prefix) => {
    const root = await from(header, '/');
    expect([root.status, root.headers['location']]).toEqual([302, `${prefix}/docs`]);
    expect(await serversIn(header)).toEqual([`${prefix}/ga4gh/tes/v1`, `${prefix}/`]);
    expect((await from(header, '/docs-yaml')).text).toContain(`url: ${prefix}/ga4gh/tes/v1\n`);
    expect((await from(header, '/docs/swagger-ui-init.js')).text).toContain(`"url": "${prefix}/ga4gh/tes/v1"`);
  });

  it('is of one request only', async () => {
    await serversIn('/tes');
    expect(((await client.send('GET', '/docs-json')).json as OpenApi).servers).toEqual([{ url: '/ga4gh/tes/v1' }]);
  });

  it.each([
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'tes',
    '/a/../b',
    '/.',
    '/a//b',
    '/<script>',
    '/a?b',
    '/%2f',
    '/a b',
    `/${'x'.repeat(1000)}`,
    '/a, evil',
  ])('is refused when it is %j', async (header) => {
    for (const target of ['/', '/docs-json', '/docs-yaml', '/docs/swagger-ui-init.js']) {
      const answer = await from(header, target);
      expect([target, answer.status, answer.headers['location']]).toEqual([target, 400, undefined]);
      expect(answer.json).toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining('X-Forwarded-Prefix') as string });
    }
  });

  it('is not believed of who is not in server.trust_proxy', async () => {
    for (const header of ['/tes', '//evil.example']) {
      expect((await from(header, '/', stranger)).headers['location']).toBe('/docs');
      expect(await serversIn(header, stranger)).toEqual(['/ga4gh/tes/v1', '/']);
    }
  });
});

describe('a body', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port, V1);
  const post = (encoding: string, body: Buffer) => client.send('POST', '/v1/tasks', { headers: { 'content-encoding': encoding }, body });
  const body = Buffer.from(JSON.stringify({ ...TRUE_TASK, name: 'packed' }));

  it('that is gzip is understood', async () => {
    const { status, json } = await post('gzip', gzipSync(body));
    expect([status, (await client.task((json as { id: string }).id)).name]).toEqual([200, 'packed']);
  });

  it('of another encoding is answered 415 with its name', async () => {
    for (const encoding of ['br', 'deflate', 'gzip, gzip']) {
      const message = expect.stringContaining(`Content-Encoding ${encoding} `) as string;
      expect(await post(encoding, body)).toMatchObject({ status: 415, json: { message } });
    }
  });
});

describe('a Host on a loopback address without login', () => {
  const gateway = sharedGateway({ api: { allowedHosts: ['tes.example'] } });
  const closed = sharedGateway({ api: { allowedHosts: [] } });
  const post = (port: number, host: string) =>
    new Client(() => port, V1).post(TRUE_TASK, { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' });

  it('is refused when it is foreign, so that no page reaches the server under its own name', async () => {
    for (const host of ['attacker.example:8080', 'tes.example', '192.0.2.1', 'localhost.evil.example']) {
      expect(await post(closed().port, host)).toMatchObject({ status: 421, json: { code: 'MISDIRECTED_REQUEST' } });
    }
    for (const host of ['127.0.0.1:1', 'localhost', '[::1]:8080']) expect((await post(closed().port, host)).status).toBe(200);
  });

  it('is served when server.allowed_hosts names it', async () => {
    expect((await post(gateway().port, 'tes.example:443')).status).toBe(200);
    expect((await post(gateway().port, 'attacker.example')).status).toBe(421);
  });
});

import { type AddressInfo, connect } from 'node:net';
import Fastify from 'fastify';
import { fastifyAdapterOptions } from '../../../../src/api/http/http-server';
import { type Behind, SETTINGS, sharedApi } from '../http-app';
import { exchange, type RawAnswer, send } from '../raw-http';

const ID = '01234567890123456789012345';
const TASK = JSON.stringify({ executors: [{ image: 'busybox', command: ['true'] }] });
const JSON_TYPE = { 'content-type': 'application/json' };

function expectError(answer: RawAnswer, status: number, code: string): void {
  expect([answer.status, answer.body]).toEqual([status, expect.stringMatching(`"code":"${code}"`)]);
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  expect(typeof (JSON.parse(answer.body) as { message: unknown }).message).toBe('string');
}

describe('what is not a request for a route', () => {
  const api = sharedApi({});

  it.each([
    ['bytes that are not HTTP', 'hello\r\n\r\n', 400, 'INVALID_REQUEST'],
    [
      'a control character in a header',
      `GET /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Basic \u0001\u007f\r\n\r\n`,
      400,
      'INVALID_REQUEST',
    ],
    [
      'a header without end',
      `GET /v1/tasks HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`,
      431,
      'REQUEST_HEADER_FIELDS_TOO_LARGE',
    ],
    ['two lengths', 'POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}', 400, 'INVALID_REQUEST'],
    [
      'a length and chunks',
      'POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'INVALID_REQUEST',
    ],
  ])('answers %s in the same shape', async (_what, bytes, status, code) => {
    expectError(await exchange(api.port(), bytes), status, code);
  });

  it.each(['/v1/tasks/%', '/v1/tasks/%zz', '/v1/tasks/%ff', '/v1/tasks/%c0%af', '/%', '/v1/tasks/%e0%80:cancel'])(
    'answers 400 or 404 to %s',
    async (target) => {
      const answer = await send(api.port(), 'GET', target);
      expectError(answer, answer.status === 404 ? 404 : 400, answer.status === 404 ? '\\w+' : 'INVALID_REQUEST');
    },
  );

  it.each(['/', '/v1', '/v1/', '/nope', '/v1/tasks/a/b', '/V1/tasks', '//v1//nope', '/v1/../tasks', '*', 'v1/tasks'])(
    'answers JSON to GET %s',
    async (target) => {
      const answer = await send(api.port(), 'GET', target);
      if (answer.status === 302) expect(answer.headers['location']).toBe('/docs');
      else expectError(answer, answer.status === 400 ? 400 : 404, answer.status === 400 ? 'INVALID_REQUEST' : 'NOT_FOUND');
    },
  );

  it.each([
    ['PUT', '/v1/tasks', 'GET, HEAD, POST'],
    ['DELETE', '/ga4gh/tes/v1/tasks', 'GET, HEAD, POST'],
    ['POST', '/v1/service-info', 'GET, HEAD'],
    ['PATCH', `/v1/tasks/${ID}`, 'GET, HEAD'],
    ['POST', `/v1/tasks/${ID}`, 'GET'],
    ['GET', `/v1/tasks/${ID}:cancel`, 'POST'],
    ['PUT', `/v1/tasks/${ID}%3Acancel`, 'DELETE, POST'],
  ])('answers 405 to %s %s and names the methods', async (method, target, allow) => {
    const answer = await send(api.port(), method, target);
    expectError(answer, 405, 'METHOD_NOT_ALLOWED');
    expect(answer.headers['allow']).toBe(allow);
  });

  it('answers 404 to an id of any length', async () => {
    expectError(await send(api.port(), 'GET', `/v1/tasks/${'a'.repeat(10_000)}`), 404, 'TASK_NOT_FOUND');
  });
});

describe('bodies', () => {
  const created: Behind = { tasks: { create: () => Promise.resolve(ID) } };
  const api = sharedApi(created);
  const small = sharedApi(created, { bodyLimitBytes: 2000 });

  it.each([
    ['application/json', {}],
    ['application/json; charset=utf-8', {}],
    ['text/plain', {}],
    ['application/x-www-form-urlencoded', {}],
    ['multipart/form-data; boundary=x', {}],
  ])('reads a task that says it is %s', async (type) => {
    const answer = await send(api.port(), 'POST', '/v1/tasks', { 'content-type': type }, TASK);
    expect([answer.status, answer.body]).toEqual([200, JSON.stringify({ id: ID })]);
  });

  it('reads a task that does not say what it is', async () => {
    expect((await send(api.port(), 'POST', '/v1/tasks', {}, TASK)).status).toBe(200);
  });

  it('reads a task that comes in chunks', async () => {
    const body = `${TASK.length.toString(16)}\r\n${TASK}\r\n0\r\n\r\n`;
    const head = 'POST /v1/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect((await exchange(api.port(), head + body)).status).toBe(200);
  });

  it('answers 413 to a body over the limit, and names limit and setting', async () => {
    const answer = await send(small.port(), 'POST', '/v1/tasks', JSON_TYPE, Buffer.alloc(2001, 0x20));
    expectError(answer, 413, 'PAYLOAD_TOO_LARGE');
    expect(answer.body).toContain('2000 bytes (setting server.body_limit_bytes)');
    expect((await send(small.port(), 'POST', '/v1/tasks', JSON_TYPE, TASK.padEnd(2000))).status).toBe(200);
  });

  it('answers 413 as soon as chunks without a length pass the limit', async () => {
    const head = 'POST /v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    expectError(await exchange(small.port(), `${head}fa0\r\n${' '.repeat(4000)}\r\n`), 413, 'PAYLOAD_TOO_LARGE');
  });

  it('lets a client that is still sending read the 413', async () => {
    const answer = await fetch(`http://127.0.0.1:${api.port()}/v1/tasks`, { method: 'POST', body: Buffer.alloc(17 * 1024 * 1024, 0x20) });
    expect(answer.status).toBe(413);
  });

  it('answers 400 to a body that ends too early', async () => {
    const bytes = 'POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{}';
    const answer = await exchange(api.port(), bytes);
    expect([0, 400]).toContain(answer.status);
  });

  it('answers 415 to a content type that is not one', async () => {
    expectError(await send(api.port(), 'POST', '/v1/tasks', { 'content-type': 'json' }, TASK), 415, 'UNSUPPORTED_MEDIA_TYPE');
  });
});

describe('errors behind a route', () => {
  const api = sharedApi({ tasks: { get: () => Promise.reject(new Error('SELECT secret')) } });

  it('answers 500 and says nothing of a fault of ours', async () => {
    const answer = await send(api.port(), 'GET', `/v1/tasks/${ID}`);
    expect([answer.status, answer.body]).toEqual([500, '{"code":"INTERNAL","message":"internal error"}']);
  });
});

describe('pages of other origins', () => {
  const create = jest.fn(() => Promise.resolve(ID));
  const behind: Behind = { tasks: { create, cancel: () => Promise.resolve(), list: () => Promise.resolve('{}') } };
  const closed = sharedApi(behind);
  const listed = sharedApi(behind, { corsOrigins: ['https://app.example'] });
  const open = sharedApi(behind, { corsOrigins: ['*'] });
  const app = { origin: 'https://app.example' };
  const preflight = { ...app, 'access-control-request-method': 'DELETE', 'access-control-request-headers': 'authorization,content-type' };

  it.each([
    ['listed', listed, 'https://app.example'],
    ['any', open, '*'],
  ])('lets pages in when their origin is %s: preflight, JSON POST, DELETE, errors', async (_what, api, allowed) => {
    const answer = await send(api.port(), 'OPTIONS', `/v1/tasks/${ID}:cancel`, preflight);
    expect(answer.status).toBe(204);
    for (const method of ['PUT', 'DELETE']) expect(answer.headers['access-control-allow-methods']).toContain(method);
    expect(answer.headers['access-control-allow-headers']).toContain('authorization');
    expect(answer.headers['access-control-allow-origin']).toBe(allowed);
    const posted = await send(api.port(), 'POST', '/v1/tasks', { ...JSON_TYPE, ...app, 'sec-fetch-site': 'cross-site' }, TASK);
    expect([posted.status, posted.headers['access-control-allow-origin']]).toEqual([200, allowed]);
    const cancelled = await send(api.port(), 'DELETE', `/v1/tasks/${ID}:cancel`, app);
    expect([cancelled.status, cancelled.body]).toEqual([200, '{}']);
    const missing = await send(api.port(), 'GET', '/v1/tasks/nope', app);
    expect([missing.status, missing.headers['access-control-allow-origin']]).toEqual([404, allowed]);
  });

  it('gives pages of an origin that is not listed no leave to read', async () => {
    for (const api of [closed, listed]) {
      const answer = await send(api.port(), 'GET', '/v1/tasks', { origin: 'https://evil.example' });
      expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([200, undefined]);
    }
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded'])(
    'refuses a task that a foreign page posts as %s, which needs no preflight',
    async (type) => {
      create.mockClear();
      const page = { 'content-type': type, origin: 'https://evil.example' };
      expectError(await send(closed.port(), 'POST', '/v1/tasks', page, TASK), 403, 'FORBIDDEN');
      expectError(await send(listed.port(), 'POST', '/v1/tasks', page, TASK), 403, 'FORBIDDEN');
      expectError(
        await send(closed.port(), 'POST', '/v1/tasks', { 'content-type': type, 'sec-fetch-site': 'cross-site' }, TASK),
        403,
        'FORBIDDEN',
      );
      expect(create).not.toHaveBeenCalled();
      expect((await send(closed.port(), 'POST', '/v1/tasks', { origin: 'http://127.0.0.1' }, TASK)).status).toBe(200);
    },
  );
});

describe('a request that does not arrive', () => {
  it('is answered 408 when its time is over, and its connection ended', async () => {
    const options = fastifyAdapterOptions(SETTINGS);
    expect(options.requestTimeout).toBe(300_000);
    const server = Fastify({ ...options, requestTimeout: 20, http: { headersTimeout: 20, connectionsCheckingInterval: 5 } });
    server.post('/', (_request, reply) => reply.send('{}'));
    await server.listen({ host: '127.0.0.1', port: 0 });
    try {
      for (const begun of [
        'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
        'POST / HTTP/1.1\r\nhost:',
      ]) {
        const socket = connect((server.server.address() as AddressInfo).port, '127.0.0.1');
        socket.write(begun);
        const chunks: Buffer[] = [];
        for await (const chunk of socket) chunks.push(chunk as Buffer);
        expect(Buffer.concat(chunks).toString()).toMatch(
          /^HTTP\/1\.1 408 [^]*\{"code":"REQUEST_TIMEOUT","message":"the request took too long to arrive"\}$/,
        );
      }
    } finally {
      await server.close();
    }
  });
});

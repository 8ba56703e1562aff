import { brotliCompressSync, gzipSync } from 'node:zlib';
import { sharedApi } from '../http-app';

const ID = '01234567890123456789012345';
const LIMIT = 100_000;
const TASK = JSON.stringify({ executors: [{ image: 'busybox', command: ['true'] }] });

describe('a body with Content-Encoding', () => {
  let created: unknown[] = [];
  beforeEach(() => (created = []));
  const api = sharedApi(
    {
      tasks: {
        create: (_principal, task) => {
          created.push(task);
          return Promise.resolve(ID);
        },
        cancel: () => Promise.resolve(),
      },
    },
    { bodyLimitBytes: LIMIT },
  );
  const post = async (encoding: string, body: NonSharedBuffer) => {
    const headers = { 'content-encoding': encoding };
    const answer = await fetch(`http://127.0.0.1:${api.port()}/v1/tasks`, { method: 'POST', headers, body });
    return { status: answer.status, body: await answer.text() };
  };

  it.each(['gzip', 'x-gzip', 'GZIP'])('%s is inflated', async (encoding) => {
    expect((await post(encoding, gzipSync(TASK))).status).toBe(200);
    expect(created).toEqual([JSON.parse(TASK)]);
  });

  it('none has nothing to inflate, whatever a client says of all its requests', async () => {
    const headers = { 'content-encoding': 'gzip', 'content-type': 'application/json' };
    const answer = await fetch(`http://127.0.0.1:${api.port()}/v1/tasks/${ID}:cancel`, { method: 'POST', headers });
    expect([answer.status, await answer.text()]).toEqual([200, '{}']);
  });

  it('identity is taken as it is', async () => expect((await post('identity', Buffer.from(TASK))).status).toBe(200));

  it.each([
    ['br', brotliCompressSync(TASK)],
    ['gzip, gzip', gzipSync(gzipSync(TASK))],
  ])('%s is answered 415, with its name', async (encoding, body) => {
    const answer = await post(encoding, body);
    expect(answer.status).toBe(415);
    expect(JSON.parse(answer.body)).toEqual({
      code: 'UNSUPPORTED_MEDIA_TYPE',
      message: `Content-Encoding ${encoding} is not understood, only gzip`,
    });
  });

  it.each([
    ['is no gzip', Buffer.from(TASK)],
    ['ends too early', gzipSync(TASK).subarray(0, 30)],
  ])('that %s is answered 400', async (_what, body) => {
    const answer = await post('gzip', body);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('not valid gzip');
  });

  it('may be as long as the limit when it is inflated, and no longer', async () => {
    expect((await post('gzip', gzipSync(TASK.padEnd(LIMIT)))).status).toBe(200);
    const answer = await post('gzip', gzipSync(TASK.padEnd(LIMIT + 1)));
    expect(answer.status).toBe(413);
    expect(answer.body).toContain('server.body_limit_bytes');
  });

  it('that is a bomb is inflated to the limit only, by however many at once', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20, 0x20));
    expect(bomb.length).toBeLessThan(LIMIT);
    const from = process.memoryUsage().arrayBuffers;
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers - from)), 1);
    const answers = await Promise.all(Array.from({ length: 30 }, () => post('gzip', bomb)));
    clearInterval(watch);
    expect(new Set(answers.map(({ status }) => status === 503 || status === 413))).toEqual(new Set([true]));
    expect(most).toBeLessThan(32 * 2 ** 20);
    expect(created).toEqual([]);
  });
});

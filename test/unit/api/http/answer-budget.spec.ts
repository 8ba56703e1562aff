import { connect, type Socket } from 'node:net';
import { fastify } from 'fastify';
import { boundAnswers } from '../../../../src/api/http/answer-budget';
import { answerFor } from '../../../../src/api/http/error-answer';
import { send } from '../raw-http';

const MIB = 2 ** 20;
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

/** A server with pages that are made when the test says so, and one answer of 8 MiB. */
async function start(heldBytes: number) {
  const clock = { ms: 0 };
  const making: (() => void)[] = [];
  const app = fastify();
  app.setErrorHandler((error, _request, reply) => reply.code(answerFor(error, 0).status).send({}));
  boundAnswers(app, { pages: { atOnce: 2, waiting: 1 }, heldBytes, patienceMs: 1000 }, () => clock.ms);
  app.get('/v1/tasks', () => new Promise((resolve) => making.push(() => resolve('page'))));
  let large = 0;
  app.get('/large', () => {
    large += 1;
    return 'x'.repeat(8 * MIB);
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as { port: number };
  return { app, clock, making, port, large: () => large };
}

describe('pages of the list', () => {
  it('are made a few at once, wait in order behind those, and are refused beyond that', async () => {
    const { app, making, port } = await start(MIB);
    const ask = (view: string) => fetch(`http://127.0.0.1:${port}/v1/tasks?view=${view}`);
    const [first, second] = [ask('FULL'), ask('BASIC')];
    await until(() => making.length === 2);
    // One of these two waits, the other is one too many, whichever comes first.
    const others = [ask('FULL'), ask('FULL')];
    const refused = await Promise.race(others);
    expect(refused.status).toBe(503);
    expect(making).toHaveLength(2);
    const minimal = ask('MINIMAL');
    await until(() => making.length === 3);
    making.splice(2).forEach((make) => make());
    expect(await (await minimal).text()).toBe('page');
    making.splice(0, 1).forEach((make) => make());
    await until(() => making.length === 2);
    making.forEach((make) => make());
    for (const page of [first, second]) expect(await (await page).text()).toBe('page');
    expect((await Promise.all(others)).map(({ status }) => status).sort()).toEqual([200, 503]);
    await app.close();
  });

  it('whose reader went away while they waited give up their places', async () => {
    const { app, making, port } = await start(MIB);
    for (let round = 0; round < 3; round += 1) {
      const sockets = [0, 1].map(() => connect(port, '127.0.0.1'));
      for (const socket of sockets) socket.write('GET /v1/tasks?view=FULL HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(() => making.length === 2);
      for (const socket of sockets) socket.destroy();
      making.length = 0;
    }
    const page = fetch(`http://127.0.0.1:${port}/v1/tasks?view=FULL`);
    await until(() => making.length === 1);
    making[0]?.();
    expect(await (await page).text()).toBe('page');
    await app.close();
  });
});

describe('large answers', () => {
  /** Asks and reads nothing. */
  async function slowReader(port: number, large: () => number): Promise<Socket> {
    const before = large();
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.pause();
    socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => large() > before);
    await turn();
    return socket;
  }

  it('are held for slow readers up to a bound: then others are refused, and those who read for too long are cut off', async () => {
    const { app, clock, port, large } = await start(20 * MIB);
    const readers = [await slowReader(port, large), await slowReader(port, large)];
    const refused = await send(port, 'GET', '/large');
    expect(refused.status).toBe(503);
    expect(refused.headers['retry-after']).toBe('1');
    clock.ms += 1001;
    expect((await send(port, 'GET', '/large')).body).toHaveLength(8 * MIB);
    const cut = new Promise((resolve) => readers[0]?.on('close', resolve));
    readers[0]?.resume();
    await cut;
    expect(readers[0]?.bytesRead).toBeLessThan(8 * MIB);
    for (const reader of readers) reader.destroy();
    await app.close();
  });

  it('count for as long as they are being read, and no longer', async () => {
    const { app, port } = await start(9 * MIB);
    for (let round = 0; round < 5; round += 1) expect((await send(port, 'GET', '/large')).status).toBe(200);
    await app.close();
  });
});

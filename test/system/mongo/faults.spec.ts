import type { TesState } from '../../../src/task/tes';
import { requireEngine, type Engine } from '../engines';
import { prepareServer, type RunningServer, startServer } from '../server';
import { eventually, Refused } from '../tes-client';
import { describeMongo, OwnMongo } from './mongo';
import { TcpProxy } from './tcp-proxy';

const task = (command = 'true') => ({ executors: [{ image: 'localhost/busybox:latest', command: ['sh', '-c', command] }] });

describeMongo('faults of the database under a gateway', () => {
  let engine: Engine;
  let mongod: OwnMongo;
  let server: RunningServer | undefined;
  beforeAll(async () => {
    engine = await requireEngine('bubblewrap');
    mongod = await OwnMongo.start();
  }, 300_000);
  afterAll(() => mongod.remove());
  afterEach(async () => {
    await server?.remove();
    server = undefined;
  });

  const settings = (database: string) => ({ store: { type: 'mongodb', url: mongod.url, database } });
  const answers = async (running: RunningServer, path: string): Promise<number> =>
    (await fetch(`${running.url}${path}`, { signal: AbortSignal.timeout(10_000) })).status;
  const ready = (running: RunningServer): Promise<true> =>
    eventually('the gateway to be ready', async () => ((await answers(running, '/readyz')) === 200 ? true : undefined), 120_000);
  /** Every id of the gateway, page by page. */
  const listed = async (running: RunningServer): Promise<string[]> => {
    const ids: string[] = [];
    for (let token = ''; ;) {
      const page = await running.client.list(`page_size=100${token === '' ? '' : `&page_token=${token}`}`);
      ids.push(...page.tasks.map(({ id }) => id ?? ''));
      if (!page.next_page_token) return ids;
      token = page.next_page_token;
    }
  };

  /** Four clients that create without a pause until they are told to stop. */
  const startLoad = (running: RunningServer) => {
    const acknowledged: string[] = [];
    const refusals: unknown[] = [];
    let loading = true;
    const client = async (): Promise<void> => {
      while (loading) {
        await running.client.create(task()).then(
          (id) => acknowledged.push(id),
          (error: unknown) => refusals.push(error),
        );
      }
    };
    const clients = Array.from({ length: 4 }, client);
    const stop = async (): Promise<void> => {
      loading = false;
      await Promise.all(clients);
    };
    return { acknowledged, refusals, stop };
  };
  const expectAllThereOnce = async (running: RunningServer, acknowledged: readonly string[], refusals: readonly unknown[]) => {
    for (const error of refusals) {
      expect(error).toBeInstanceOf(Refused);
      expect(error).toMatchObject({ status: 503 });
    }
    const states = new Map<string, TesState | undefined>();
    for (const id of acknowledged) states.set(id, (await running.client.ended(id, 120_000)).state);
    expect([...states].filter(([, state]) => state !== 'COMPLETE')).toEqual([]);
    const ids = await listed(running);
    expect(new Set(ids).size).toBe(ids.length);
    expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
    // A create that was refused may be there all the same.
    expect(ids.length).toBeLessThanOrEqual(acknowledged.length + refusals.length);
  };

  it('away at start: it says so, is alive and not ready, answers 503 with Retry-After, and begins when the database comes', async () => {
    await mongod.stop();
    const running = (server = await prepareServer({ engine, settings: settings('away') }));
    await running.start({ ready: false });
    await eventually('the gateway to listen', async () => ((await answers(running, '/healthz')) === 200 ? true : undefined));
    expect(await answers(running, '/readyz')).toBe(503);
    expect(await answers(running, '/ga4gh/tes/v1/service-info')).toBe(200);
    expect(await answers(running, '/ga4gh/tes/v1/tasks')).toBe(503);
    const create = await fetch(`${running.client.url}/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(task()),
    });
    expect([create.status, Number(create.headers.get('retry-after'))]).toEqual([503, expect.any(Number)]);
    await eventually('two tries', () => (running.log().match(/MongoDB is not reached.*tried again in/g)?.length ?? 0) >= 2 || undefined);
    await mongod.startAgain();
    await ready(running);
    await running.client.until(await running.client.create(task()), ['COMPLETE']);
  }, 240_000);

  it('killed under load and started again: no acknowledged task is lost, running jobs run on, and the gateway recovers by itself', async () => {
    const running = (server = await startServer({ engine, settings: settings('killed') }));
    const lasting = await running.client.create(task('sleep 12; echo lasted'));
    await running.client.until(lasting, ['RUNNING']);
    const { acknowledged, refusals, stop } = startLoad(running);
    await eventually('some load', () => acknowledged.length > 20 || undefined);
    await mongod.kill9();
    await eventually('a refusal', () => refusals.length > 0 || undefined);
    await expect(running.client.get(lasting)).rejects.toMatchObject({ status: 503 });
    expect(await answers(running, '/healthz')).toBe(200);
    expect(await answers(running, '/readyz')).toBe(503);
    const before = acknowledged.length;
    await mongod.startAgain();
    await eventually('creates to be taken again', () => acknowledged.length > before + 5 || undefined, 120_000);
    await stop();
    await ready(running);
    await expectAllThereOnce(running, [lasting, ...acknowledged], refusals);
    const [log] = (await running.client.get(lasting)).logs ?? [];
    expect(log?.logs?.[0]?.stdout).toBe('lasted\n');
  }, 400_000);

  it('slow, two seconds a query: everything is answered, later', async () => {
    const running = (server = await startServer({ engine, settings: settings('slow') }));
    await mongod.hinder('alwaysOn', { failCommands: ['find', 'insert', 'update'], blockConnection: true, blockTimeMS: 2000 });
    try {
      const id = await running.client.create(task());
      expect((await running.client.get(id, 'MINIMAL')).id).toBe(id);
      expect((await running.client.list('page_size=5')).tasks).toHaveLength(1);
    } finally {
      await mongod.hinder('off');
    }
    for (const { id } of (await running.client.list()).tasks) await running.client.until(id ?? '', ['COMPLETE']);
  }, 240_000);

  it('reset connections, more often than the driver tries again: what is acknowledged is there once, what is refused is 503', async () => {
    const running = (server = await startServer({ engine, settings: settings('reset') }));
    const acknowledged: string[] = [];
    const refusals: unknown[] = [];
    for (let round = 0; round < 6; round += 1) {
      await mongod.hinder({ times: 3 + round }, { failCommands: ['insert', 'update', 'find'], closeConnection: true });
      const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => running.client.create(task())));
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') acknowledged.push(outcome.value);
        else refusals.push(outcome.reason);
      }
    }
    await mongod.hinder('off');
    await expectAllThereOnce(running, acknowledged, refusals);
  }, 240_000);

  it('every query has a limit on the server: when that is over the answer is 503, and nothing hangs', async () => {
    const running = (server = await startServer({ engine, settings: settings('limit') }));
    const id = await running.client.create(task('sleep 5; echo lasted'));
    await running.client.until(id, ['RUNNING']);
    const limit = (mode: 'alwaysOn' | 'off') =>
      mongod.admin((admin) => admin.command({ configureFailPoint: 'maxTimeAlwaysTimeOut', mode }));
    await limit('alwaysOn');
    try {
      await expect(running.client.create(task())).rejects.toMatchObject({ status: 503 });
      await expect(running.client.get(id)).rejects.toMatchObject({ status: 503 });
      await expect(running.client.list('view=FULL')).rejects.toMatchObject({ status: 503 });
      await expect(running.client.cancel(id)).rejects.toMatchObject({ status: 503 });
      await eventually('it to say so', async () => ((await answers(running, '/readyz')) === 503 ? true : undefined));
    } finally {
      await limit('off');
    }
    await ready(running);
    const { state, logs } = await running.client.ended(id, 120_000);
    expect([state, logs?.[0]?.logs?.[0]?.stdout]).toEqual(['COMPLETE', 'lasted\n']);
  }, 240_000);

  it('away again in the middle of the start: the gateway goes on and begins when the database is back', async () => {
    const running = (server = await prepareServer({ engine, settings: settings('vanishing') }));
    // The seven that open a new store are answered (five of the migration); whatever comes then is cut off.
    await mongod.hinder({ skip: 7 }, { failCommands: ['find', 'count', 'aggregate'], namespace: 'vanishing.tasks', closeConnection: true });
    try {
      await running.start({ ready: false });
      await eventually('the failure', () => (/cannot list the tasks|met an error/.test(running.log()) ? true : undefined), 120_000);
      await eventually('the gateway to listen', async () => ((await answers(running, '/healthz')) === 200 ? true : undefined), 120_000);
    } finally {
      await mongod.hinder('off');
    }
    await ready(running);
    await running.client.until(await running.client.create(task()), ['COMPLETE'], 120_000);
  }, 240_000);

  describe('on the way to it', () => {
    let proxy: TcpProxy;
    beforeEach(async () => {
      proxy = await new TcpProxy(mongod.port).start();
    });
    afterEach(() => proxy.stop());

    it('a reset of every connection, again and again: what is acknowledged is there once, nothing is answered 500', async () => {
      const url = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`;
      const running = (server = await startServer({ engine, settings: { store: { type: 'mongodb', url, database: 'resets' } } }));
      const { acknowledged, refusals, stop } = startLoad(running);
      for (let reset = 0; reset < 10; reset += 1) {
        const before = acknowledged.length;
        await eventually('creates to be taken', () => acknowledged.length > before + 3 || undefined, 60_000);
        proxy.reset();
      }
      await stop();
      expect(proxy.ended).toBeGreaterThan(20);
      await expectAllThereOnce(running, acknowledged, refusals);
    }, 400_000);
  });

  it("tasks near the limit of a document come back whole, one beyond what it can hold is refused as the client's fault", async () => {
    const running = (server = await startServer({
      engine,
      settings: { ...settings('large'), api: { content_limit_bytes: 16 * 2 ** 20 } },
    }));
    const content = 'ä'.repeat(7_900_000);
    const id = await running.client.create({ ...task('wc -c < /in/large'), inputs: [{ path: '/in/large', type: 'FILE', content }] });
    const ended = await running.client.ended(id, 120_000);
    expect([ended.state, ended.logs?.[0]?.logs?.[0]?.stdout?.trim()]).toEqual(['COMPLETE', String(2 * content.length)]);
    expect(ended.inputs?.[0]?.content === content).toBe(true);
    const tags = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`t${index}`, '']));
    await expect(running.client.create({ ...task(), tags })).rejects.toMatchObject({ status: 400 });
    expect(await listed(running)).toEqual([id]);
  }, 240_000);
});

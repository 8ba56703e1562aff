import type { TesState } from '../../../src/task/tes';
import { requireEngine, type Engine } from '../engines';
import type { RunningServer } from '../server';
import { prepareServer, startServer } from '../server';
import { eventually, Refused } from '../tes-client';
import { describeMongo, OwnMongo } from './mongo';

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
    expect((await running.client.ended(await running.client.create(task()))).state).toBe('COMPLETE');
  }, 240_000);

  it('killed under load and started again: no acknowledged task is lost, running jobs run on, and the gateway recovers by itself', async () => {
    const running = (server = await startServer({ engine, settings: settings('killed') }));
    const lasting = await running.client.create(task('sleep 12; echo lasted'));
    await running.client.until(lasting, ['RUNNING']);
    const acknowledged: string[] = [lasting];
    const refusals: unknown[] = [];
    let loading = true;
    const client = async (): Promise<void> => {
      while (loading) {
        try {
          acknowledged.push(await running.client.create(task()));
        } catch (error) {
          refusals.push(error);
        }
      }
    };
    const clients = Array.from({ length: 4 }, client);
    await eventually('some load', () => acknowledged.length > 20 || undefined);
    mongod.kill9();
    await eventually('a refusal', () => refusals.length > 0 || undefined);
    await expect(running.client.get(lasting)).rejects.toMatchObject({ status: 503 });
    expect(await answers(running, '/healthz')).toBe(200);
    expect(await answers(running, '/readyz')).toBe(503);
    const before = acknowledged.length;
    await mongod.startAgain();
    await eventually('creates to be taken again', () => acknowledged.length > before + 5 || undefined, 120_000);
    loading = false;
    await Promise.all(clients);

    for (const error of refusals) expect(error).toMatchObject({ status: 503 });
    expect(refusals.every((error) => error instanceof Refused)).toBe(true);
    await ready(running);
    const states = new Map<string, TesState | undefined>();
    for (const id of acknowledged) states.set(id, (await running.client.ended(id, 120_000)).state);
    expect([...states.values()].filter((state) => state !== 'COMPLETE')).toEqual([]);
    const [log] = (await running.client.get(lasting)).logs ?? [];
    expect(log?.logs?.[0]?.stdout).toBe('lasted\n');
    const ids = await listed(running);
    expect(new Set(ids).size).toBe(ids.length);
    expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
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
    for (const { id } of (await running.client.list()).tasks) expect((await running.client.ended(id ?? '')).state).toBe('COMPLETE');
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
    for (const error of refusals) expect(error).toMatchObject({ status: 503 });
    for (const id of acknowledged) expect((await running.client.ended(id, 120_000)).state).toBe('COMPLETE');
    const ids = await listed(running);
    expect(new Set(ids).size).toBe(ids.length);
    expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
    expect(ids.length).toBeLessThanOrEqual(acknowledged.length + refusals.length);
  }, 240_000);
});

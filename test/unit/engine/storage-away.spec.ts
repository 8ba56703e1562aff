import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import type { Script } from '../../support/scripted-backend';
import { ENGINE } from '../../support/settings';
import type { EngineSettings } from '../../../src/engine/engine-settings';
import { type StorageAway, TransferError } from '../../../src/ports/errors';
import { type Amounts, NOTHING } from '../../../src/task/amounts';
import { jobName, type TaskRecord } from '../../../src/task/task-record';
import type { TesTaskRequest } from '../../../src/task/tes';

const INPUT: TesTaskRequest = { ...REQUEST, inputs: [{ url: 'mem://in', path: '/in', type: 'FILE' }] };
const OUTPUT: TesTaskRequest = { ...REQUEST, outputs: [{ url: 'mem://out', path: '/out', type: 'FILE' }] };
/** Jobs that end at the first look. */
const QUICK: Script = { life: () => ({ looks: 0, ending: { phase: 'succeeded' } }) };

let bench: EngineBench;
let away: StorageAway | undefined;
/** `mem:` is away as `away` says. */
const cut = (on: EngineBench, verbs: readonly string[]): void => {
  on.storage.onCall = (verb, url) => {
    if (away && verbs.includes(verb)) throw new TransferError(`${url}: the connection was refused`, { retryable: true, away });
  };
};
const retry = (changes: Partial<EngineSettings['retry']>): Partial<EngineSettings> => ({ retry: { ...ENGINE.retry, ...changes } });
const waits = (count: number) => (task: TaskRecord) => (task.storageWait?.count ?? 0) >= count;
const lines = async (id: string): Promise<string> => (await bench.full(id)).logs?.flatMap((log) => log.system_logs ?? []).join('\n') ?? '';
const used = async (): Promise<Amounts> => (await bench.store.used(['scripted'])).get('scripted') ?? NOTHING;

/** A task that has ended, with something to store. */
async function ended(settings: Partial<EngineSettings> = {}): Promise<string> {
  bench = await EngineBench.start({}, settings);
  cut(bench, ['write']);
  const id = await bench.create(OUTPUT);
  await bench.state(id, 'RUNNING');
  bench.world.jobs.get(jobName(id, 1))?.files.set('/out', 'output');
  bench.backend.finish(id, 1);
  return id;
}

beforeEach(() => {
  away = {};
});
afterEach(() => bench.stop());

describe('a task whose outputs find their storage away', () => {
  it('waits without room of its backend, whatever the attempts, and is COMPLETE when the storage is back', async () => {
    const id = await ended(retry({ attempts: 1, longestDelayMs: 100 }));
    const waiting = await bench.until(id, waits(5));
    expect(waiting).toMatchObject({ state: 'RUNNING', step: 'await-storage', attempt: 1, storageWait: { of: 'outputs' } });
    expect(await used()).toEqual(NOTHING);
    away = undefined;
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE', attempt: 1 });
    expect(bench.storage.objects.get('mem://out')).toBe('output');
    expect(await lines(id)).toMatch(/the outputs waited \d+ s for a storage that was away \(.*connection was refused/);
    expect(await used()).toEqual(NOTHING);
  });

  it('sends nothing again that is stored', async () => {
    bench = await EngineBench.start({}, retry({ longestDelayMs: 100 }));
    const sent: string[] = [];
    bench.storage.onCall = (verb, url) => {
      if (verb === 'write') sent.push(url);
      if (verb === 'write' && url === 'mem://two' && away) throw new TransferError('503', { retryable: true, away });
    };
    const outputs = ['one', 'two'].map((name) => ({ url: `mem://${name}`, path: `/${name}`, type: 'FILE' as const }));
    const id = await bench.create({ ...REQUEST, outputs });
    await bench.state(id, 'RUNNING');
    for (const name of ['one', 'two']) bench.world.jobs.get(jobName(id, 1))?.files.set(`/${name}`, name);
    bench.backend.finish(id, 1);
    await bench.until(id, waits(3));
    away = undefined;
    expect((await bench.done(id)).attempts[0]?.outputs.map(({ path }) => path)).toEqual(['/one', '/two']);
    expect(sent.filter((url) => url === 'mem://one')).toHaveLength(1);
    expect(sent.filter((url) => url === 'mem://two').length).toBeGreaterThan(2);
  });

  it('lets others have its place meanwhile', async () => {
    bench = await EngineBench.start({ capacity: { cpuCores: 1, ramGb: 1, slots: 1 } }, retry({ longestDelayMs: 100 }));
    cut(bench, ['write']);
    const id = await bench.create(OUTPUT);
    await bench.state(id, 'RUNNING');
    bench.world.jobs.get(jobName(id, 1))?.files.set('/out', 'output');
    bench.backend.finish(id, 1);
    await bench.until(id, waits(1));
    const other = await bench.create();
    await bench.state(other, 'RUNNING');
    bench.backend.finish(other, 1);
    expect(await bench.done(other)).toMatchObject({ state: 'COMPLETE' });
    expect(await bench.task(id)).toMatchObject({ step: 'await-storage' });
  });

  it('is tried by one task at a time, so that those that come after it hold no place while they try', async () => {
    const onStart = (name: string): void => void bench.world.jobs.get(name)?.files.set('/out', 'output');
    bench = await EngineBench.start({ ...QUICK, onStart }, retry({ longestDelayMs: 200 }));
    cut(bench, ['write']);
    const trying = { now: 0, most: 0 };
    let isKnown = false;
    const write = bench.storage.write.bind(bench.storage);
    jest.spyOn(bench.storage, 'write').mockImplementation(async (...args) => {
      trying.now += 1;
      if (isKnown) trying.most = Math.max(trying.most, trying.now);
      await new Promise((resolve) => setTimeout(resolve, 20));
      try {
        return await write(...args);
      } finally {
        trying.now -= 1;
      }
    });
    const first = await bench.create(OUTPUT);
    await bench.until(first, waits(1));
    isKnown = true;
    const ids = await Promise.all(Array.from({ length: 20 }, () => bench.create(OUTPUT)));
    for (const id of ids) await bench.until(id, waits(1));
    // The next check, by whichever.
    await bench.until(first, () => trying.most > 0);
    expect(trying.most).toBe(1);
    away = undefined;
    for (const id of [first, ...ids]) expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
  });

  it('says why, since when and when it is tried next', async () => {
    const id = await ended(retry({ firstDelayMs: 60_000, longestDelayMs: 60_000 }));
    const { storageWait, dueAt = 0 } = await bench.until(id, (task) => waits(1)(task) && !task.lease);
    const told = await bench.service.explain(AnonymousPrincipal, id);
    expect(told.storage_wait).toEqual({
      of: 'outputs',
      since: new Date(storageWait?.since ?? 0).toISOString(),
      tries: 1,
      reason: storageWait?.reason,
      next_try_at: new Date(dueAt).toISOString(),
    });
    expect(told.waiting?.join()).toMatch(/the storage of the outputs has been away since .*, next try at .*connection was refused/);
  });

  it('is not tried before the storage wants to be', async () => {
    away = { retryAfterMs: 50_000 };
    const id = await ended();
    expect((await bench.until(id, waits(1))).storageWait?.pauseMs).toBe(50_000);
  });

  it('is SYSTEM_ERROR when patience is over, naming the setting', async () => {
    const id = await ended(retry({ outputPatienceMs: 300 }));
    expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR', attempt: 1 });
    expect((await lines(id)).split('\n').at(-1)).toMatch(/connection was refused.*retry\.output_patience_seconds/);
  });

  it('waits by the clock of the store: one of the machine that is set forward ends no patience', async () => {
    const id = await ended(retry({ longestDelayMs: 100 }));
    await bench.until(id, waits(2));
    bench.aheadMs = 7 * 86_400_000;
    expect(await bench.until(id, (task) => waits(4)(task) || task.endedAt !== undefined)).toMatchObject({ step: 'await-storage' });
    away = undefined;
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
    expect(await lines(id)).toMatch(/the outputs waited \d s for/);
  });

  it('waits the shorter time for a storage that answers with a fault of its own', async () => {
    away = { brief: true };
    const id = await ended(retry({ storagePatienceMs: 300 }));
    expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR' });
    expect(await lines(id)).toContain('retry.storage_patience_seconds');
  });

  it('can be cancelled', async () => {
    const id = await ended();
    await bench.until(id, waits(1));
    await bench.service.cancel(AnonymousPrincipal, id);
    expect(await bench.done(id)).toMatchObject({ state: 'CANCELED' });
    expect(bench.storage.objects.has('mem://out')).toBe(false);
    expect(await used()).toEqual(NOTHING);
  });

  it('goes on waiting after the gateway was killed, by the same clock', async () => {
    const id = await ended(retry({ longestDelayMs: 100 }));
    const { storageWait } = await bench.until(id, waits(2));
    await bench.engine.stop(0);
    const { store, world } = bench;
    bench = await EngineBench.on(store, {}, retry({ longestDelayMs: 100 }), {}, world, {}, () => undefined);
    away = undefined;
    const over = bench.until(id, ({ state }) => state === 'COMPLETE');
    expect((await bench.task(id)).storageWait?.since ?? storageWait?.since).toBe(storageWait?.since);
    await over;
    expect(bench.storage.objects.get('mem://out')).toBe('output');
  });
});

describe('a task whose input finds its storage away', () => {
  it('goes back to the queue, uses no room there and no attempt, and is COMPLETE when the storage is back', async () => {
    bench = await EngineBench.start(QUICK, retry({ attempts: 2, longestDelayMs: 100 }));
    cut(bench, ['stat', 'read']);
    const id = await bench.create(INPUT);
    await bench.until(id, waits(4));
    const waiting = await bench.until(id, ({ state }) => state === 'QUEUED');
    expect(waiting).toMatchObject({ storageWait: { of: 'inputs' } });
    expect(await used()).toEqual(NOTHING);
    expect(bench.world.jobs.size).toBe(0);
    away = undefined;
    const done = await bench.done(id);
    expect(done).toMatchObject({ state: 'COMPLETE' });
    expect(done.attempts).toHaveLength(1);
    expect(done.storageWait).toBeUndefined();
    expect(bench.world.started).toHaveLength(1);
    expect(await lines(id)).toMatch(/the inputs waited \d+ s for a storage that was away/);
  });

  it('has all its attempts left after it waited', async () => {
    bench = await EngineBench.start({ life: () => ({ looks: 0, ending: { phase: 'lost' } }) }, retry({ attempts: 2, longestDelayMs: 100 }));
    cut(bench, ['stat']);
    const id = await bench.create(INPUT);
    await bench.until(id, waits(3));
    away = undefined;
    const done = await bench.done(id);
    expect(done).toMatchObject({ state: 'SYSTEM_ERROR', waitedAttempts: expect.any(Number) as number });
    expect(bench.world.started).toHaveLength(2);
  });

  it('says in the queue what it waits for', async () => {
    bench = await EngineBench.start(QUICK, retry({ firstDelayMs: 60_000, longestDelayMs: 60_000 }));
    cut(bench, ['stat']);
    const id = await bench.create(INPUT);
    await bench.until(id, ({ state, notBefore }) => state === 'QUEUED' && notBefore !== undefined);
    const told = await bench.service.explain(AnonymousPrincipal, id);
    expect(told).toMatchObject({ state: 'QUEUED', storage_wait: { of: 'inputs', tries: 1 } });
    expect(told.storage_wait?.next_try_at).toBeDefined();
    expect(told.waiting?.join()).toContain('the storage of the inputs has been away since');
    expect(await lines(id)).toContain('the connection was refused');
  });

  it('is SYSTEM_ERROR when patience is over, naming the setting', async () => {
    bench = await EngineBench.start(QUICK, retry({ storagePatienceMs: 500, longestDelayMs: 100 }));
    cut(bench, ['stat']);
    const id = await bench.create(INPUT);
    expect(await bench.done(id)).toMatchObject({ state: 'SYSTEM_ERROR' });
    expect((await lines(id)).split('\n').at(-1)).toMatch(/connection was refused.*retry\.storage_patience_seconds/);
    expect(bench.world.started).toEqual([]);
  });

  it('begins no attempt while others find the storage away: of many one in each second does', async () => {
    bench = await EngineBench.start(QUICK, retry({ longestDelayMs: 100 }));
    cut(bench, ['stat']);
    const begun = jest.spyOn(bench.backend, 'submit');
    const ids = await Promise.all(Array.from({ length: 20 }, () => bench.create(INPUT)));
    for (const id of ids) await bench.until(id, waits(1));
    const first = begun.mock.calls.length;
    for (const id of ids) await bench.until(id, waits(8));
    expect(begun.mock.calls.length - first).toBeLessThan(20);
    expect(await bench.task(ids[0] ?? '')).toMatchObject({
      storageWait: { of: 'inputs', reason: expect.stringContaining('refused') as string },
    });
    // The one try that each second allows may be under way.
    while (((await used()).slots ?? 0) > 0);
    away = undefined;
    for (const id of ids) expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
  });

  it('is not given to a backend at all where others have found it away, and reaches those that need another one', async () => {
    away = { retryAfterMs: 50_000 };
    // One task at a time has room, and no tick comes to help.
    const narrow = { ...QUICK, capacity: { cpuCores: 1, ramGb: 1, slots: 1 } };
    bench = await EngineBench.start(narrow, { ...retry({ longestDelayMs: 100 }), tickMs: 3_600_000 });
    bench.storage.onCall = (_verb, url) => {
      if (url.startsWith('mem://dead'))
        throw new TransferError(`${url}: the connection was refused`, { retryable: true, ...(away && { away }) });
    };
    const from = (host: string, out = host): TesTaskRequest => ({
      ...REQUEST,
      inputs: [{ url: `mem://${host}/in`, path: '/in', type: 'FILE' }],
      outputs: [{ url: `mem://${out}/out`, path: '/out', type: 'FILE' }],
    });
    bench.storage.objects.set('mem://well/in', 'input');
    const first = await bench.create(from('dead'));
    await bench.until(first, waits(1));
    const begun = jest.spyOn(bench.backend, 'submit');
    const ids = await Promise.all(Array.from({ length: 20 }, () => bench.create(from('dead'))));
    for (const id of ids) expect(await bench.until(id, waits(1))).toMatchObject({ attempt: 0, storageWait: { of: 'inputs' } });
    expect(begun.mock.calls.filter(([{ taskId }]) => ids.includes(taskId))).toEqual([]);
    expect((await bench.service.explain(AnonymousPrincipal, ids[0] ?? '')).storage_wait?.reason).toContain('dead is away');
    // Only what a task reads counts: what it stores is computed first.
    const mixed = await bench.until(await bench.create(from('well', 'dead')), ({ attempt, storageWait }) => attempt === 1 || !!storageWait);
    expect(mixed).toMatchObject({ attempt: 1 });
    expect(await bench.done(await bench.create(from('well')))).toMatchObject({ state: 'COMPLETE' });
  });

  it('has nothing made for it where that was found out after it was given to a backend', async () => {
    away = { retryAfterMs: 50_000 };
    const roomy = { ...QUICK, capacity: { cpuCores: 100, ramGb: 100, slots: 100 } };
    bench = await EngineBench.start(roomy, { ...retry({ longestDelayMs: 100 }), places: { transfers: 1, calls: 1 } });
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const stat = bench.storage.stat.bind(bench.storage);
    jest.spyOn(bench.storage, 'stat').mockImplementation(async (...args) => {
      asked.resolve();
      await answer.promise;
      return stat(...args);
    });
    cut(bench, ['stat']);
    const first = await bench.create(INPUT);
    await asked.promise;
    const begun = jest.spyOn(bench.backend, 'submit');
    const ids = await Promise.all(Array.from({ length: 10 }, () => bench.create(INPUT)));
    for (const id of ids) await bench.until(id, ({ attempt }) => attempt === 1);
    answer.resolve();
    for (const id of [first, ...ids]) await bench.until(id, waits(1));
    expect(begun).not.toHaveBeenCalled();
  });

  it('gives up only after a try of its own, and not because others find the storage away', async () => {
    bench = await EngineBench.start(QUICK, retry({ storagePatienceMs: 500, longestDelayMs: 100 }));
    cut(bench, ['stat']);
    away = { answered: true };
    const id = await bench.create(INPUT);
    await bench.until(id, waits(1));
    // It is asked by one task, once a second.
    away = undefined;
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
  });

  it('can be cancelled while it waits', async () => {
    bench = await EngineBench.start(QUICK, retry({ firstDelayMs: 60_000, longestDelayMs: 60_000 }));
    cut(bench, ['stat']);
    const id = await bench.create(INPUT);
    await bench.until(id, ({ state, storageWait }) => state === 'QUEUED' && storageWait !== undefined);
    await bench.service.cancel(AnonymousPrincipal, id);
    expect(await bench.done(id)).toMatchObject({ state: 'CANCELED' });
  });

  it('that its job brings itself is waited for in the same way', async () => {
    bench = await EngineBench.start({ ...QUICK, capabilities: { staging: 'worker' } }, retry({ attempts: 1, longestDelayMs: 100 }));
    const observe = bench.backend.observe.bind(bench.backend);
    bench.backend.observe = async (jobs) => {
      const seen = await observe(jobs);
      if (!away) return seen.map((observation) => ({ ...observation, outputs: [] }));
      const systemError = { message: 'input /in: the connection was refused', retryable: true, storage: away };
      return seen.map(({ jobName: name }) => ({ jobName: name, phase: 'failed' as const, executors: [], systemLogs: [], systemError }));
    };
    const id = await bench.create(INPUT);
    await bench.until(id, waits(3));
    away = undefined;
    expect(await bench.done(id)).toMatchObject({ state: 'COMPLETE' });
  });
});

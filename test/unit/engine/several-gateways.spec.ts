import { declareGone } from '../../../src/operator/declare-gone';
import { Conflict, StoreError } from '../../../src/ports/errors';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import { jobName } from '../../../src/task/task-record';
import type { TesTaskRequest } from '../../../src/task/tes';
import { NOTHING } from '../../../src/task/amounts';
import { EngineBench, REQUEST } from '../../support/engine-bench';
import { AnonymousPrincipal } from '../../support/principals';
import { type Script, ScriptedWorld } from '../../support/scripted-backend';

/** Longer than any test: what waits for a tick or a lease never comes. */
const NEVER_MS = 3_600_000;
const LOCAL: Script = { capabilities: { boundToInstance: true, pollMs: { first: NEVER_MS, longest: NEVER_MS } } };
const WITH_INPUT: TesTaskRequest = { ...REQUEST, inputs: [{ url: 'mem://in', path: '/in', type: 'FILE' }] };

describe('several gateways on one store', () => {
  let store: TaskStore;
  let seen: Map<string, number>;
  let fails: boolean;
  let beforeAssign: (instance: string) => Promise<void>;
  let running: EngineBench[];
  /** Of the store's clock while a task is being stored. */
  let insertMs: number;
  let aheadMs: number;
  /** Creates that came with a key. */
  let keyed: number;
  beforeEach(async () => {
    const alone = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: NEVER_MS });
    seen = new Map();
    fails = false;
    beforeAssign = () => Promise.resolve();
    running = [];
    insertMs = aheadMs = keyed = 0;
    // The embedded store as if others had it open too.
    store = new Proxy<TaskStore>(alone, {
      get: (object, key) => {
        if (key === 'isShared') return true;
        if (key === 'seenGateways') return () => (fails ? Promise.reject(away()) : Promise.resolve(seen));
        if (key === 'published') return () => Promise.resolve(new Map([...seen.keys()].map((name) => [name, []])));
        if (fails && (key === 'getTask' || key === 'liveBackends' || key === 'used')) return () => Promise.reject(away());
        if (key === 'now') return () => object.now() + aheadMs;
        if (key === 'insert') {
          return (...given: Parameters<TaskStore['insert']>) => {
            aheadMs += insertMs;
            keyed += given[2] === undefined ? 0 : 1;
            return object.insert(...given);
          };
        }
        if (key === 'assign') {
          return async (...given: Parameters<TaskStore['assign']>) => {
            await beforeAssign(given[0].boundTo ?? '');
            return object.assign(...given);
          };
        }
        const member: unknown = Reflect.get(object, key, object);
        return typeof member === 'function' ? (member.bind(object) as unknown) : member;
      },
    });
  });
  afterEach(async () => {
    fails = false;
    await Promise.all(running.map((bench) => bench.engine.stop(0)));
    await store.close();
  });
  const away = (): StoreError => new StoreError('away', { retryable: true, unavailable: true });

  async function gateway(instance: string, script: Script = {}, world = new ScriptedWorld()): Promise<EngineBench> {
    seen.set(instance, store.now());
    const settings = { instance, tickMs: NEVER_MS, leaseMs: NEVER_MS, peekMs: 10 };
    const bench = await EngineBench.on(store, { ...LOCAL, ...script }, settings, {}, world);
    running.push(bench);
    return bench;
  }
  async function leave(bench: EngineBench): Promise<void> {
    running = running.filter((one) => one !== bench);
    await bench.engine.stop(0);
  }
  const full = { capacity: { cpuCores: 0, ramGb: 0 } };
  const declare = (bench: EngineBench, instance: string, force = false) => declareGone(store, bench.engine.writer, instance, force);

  it('end a task that another one was asked to cancel, without waiting for a tick', async () => {
    const [asked, owner] = [await gateway('asked', full), await gateway('owner')];
    const id = await owner.create();
    await owner.until(id, ({ step }) => step === 'run');
    await asked.service.cancel(AnonymousPrincipal, id);
    expect((await asked.done(id)).state).toBe('CANCELED');
    expect(owner.world.fenced).toContain(jobName(id, 1));
  });

  it('take one body on two base paths for one task where the store was slow, and for two where nobody had to send it again', async () => {
    const [one, other] = [await gateway('one', full), await gateway('other', full)];
    other.skipIds(100);
    await one.engine.known.refresh();
    const send = (bench: EngineBench, basePath: string, request = REQUEST): Promise<string> =>
      bench.service.create(AnonymousPrincipal, request, { basePath });
    const first = await send(one, '/v1');
    insertMs = 5000;
    expect(await send(other, '/ga4gh/tes/v1')).toBe(first);
    const ids = new Set([first, await send(other, '/v1'), await send(other, '/v1', { ...REQUEST, name: 'another' })]);
    insertMs = 0;
    ids.add(await send(other, '/ga4gh/tes/v1'));
    expect(ids.size).toBe(4);
    expect(await store.counts()).toEqual({ QUEUED: 4 });
    // Each gateway once for each body: a key that is taken costs three questions.
    expect(keyed).toBe(3);
  });

  it('ask for no key of a body while one is alone', async () => {
    const one = await gateway('one', full);
    await one.service.create(AnonymousPrincipal, REQUEST, { basePath: '/v1' });
    expect(keyed).toBe(0);
  });

  it('stop a transfer of a task that another one was asked to cancel, without waiting for the lease', async () => {
    const [asked, owner] = [await gateway('asked', full), await gateway('owner')];
    let begun = (): void => undefined;
    const reading = new Promise<void>((resolve) => (begun = resolve));
    owner.storage.read = (_url: string, _options?: unknown, signal?: AbortSignal) => {
      begun();
      return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
    };
    const id = await owner.create(WITH_INPUT);
    await reading;
    await asked.service.cancel(AnonymousPrincipal, id);
    expect((await asked.done(id)).state).toBe('CANCELED');
    expect(owner.world.started).toEqual([]);
  });

  it('begin a task that was created at one that has no room for it', async () => {
    const [asked, other] = [await gateway('asked', full), await gateway('other')];
    const first = await asked.create();
    await asked.until(first, ({ step }) => step === 'run');
    // The pass that every gateway makes at its start is over.
    const id = await asked.create();
    expect(await asked.until(id, ({ step }) => step === 'run')).toMatchObject({ boundTo: 'other' });
    expect(other.world.started).toEqual([jobName(first, 1), jobName(id, 1)]);
  });

  it('use no room for a task that another one was faster to take', async () => {
    const [late, quick] = [await gateway('late'), await gateway('quick')];
    let created = Promise.resolve('');
    beforeAssign = async (instance) => {
      if (instance === 'late') await quick.until(await created, ({ state }) => state !== 'QUEUED');
    };
    created = late.create();
    expect(await quick.until(await created, ({ step }) => step === 'run')).toMatchObject({ boundTo: 'quick' });
    expect((await late.engine.scheduler.jobs()).get('scripted')).toBe(0);
  });

  it('say whom a task waits for whose gateway is away', async () => {
    const [asked, owner] = [await gateway('asked', full), await gateway('owner')];
    const id = await owner.create();
    await owner.until(id, ({ step }) => step === 'run');
    expect((await asked.full(id)).logs?.[0]?.system_logs).toBeUndefined();
    await leave(owner);
    seen.set('owner', store.now() - 60_000);
    expect((await asked.full(id)).logs?.[0]?.system_logs).toEqual([
      expect.stringMatching(/^waiting: gateway owner, which has the job, has been away since \d{4}-.*: start it again, or, .* gone owner$/),
    ]);
    seen.delete('owner');
    expect((await asked.service.explain(AnonymousPrincipal, id)).waiting).toEqual([
      'waiting: gateway owner, which has the job, has been away: start it again, or, if it is gone for good, npm run store -- gone owner',
    ]);
  });

  describe('when an operator declares one gone', () => {
    it('refuse while it is alive, unless forced', async () => {
      const [asked, owner] = [await gateway('asked', full), await gateway('owner')];
      const id = await owner.create();
      await owner.until(id, ({ step }) => step === 'run');
      await expect(declare(asked, 'owner')).rejects.toBeInstanceOf(Conflict);
      expect((await asked.task(id)).boundTo).toBe('owner');
      expect(await declare(asked, 'owner', true)).toHaveLength(1);
    });

    it('carry its tasks out anew, end those being cancelled, forget its remains, and do so once', async () => {
      const owner = await gateway('owner');
      const [runs, cancels, ended] = [await owner.create(), await owner.create(), await owner.create()];
      for (const id of [runs, cancels, ended]) await owner.until(id, ({ step }) => step === 'run');
      await leave(owner);
      seen.delete('owner');
      const other = await gateway('other');
      await other.service.cancel(AnonymousPrincipal, cancels);
      const observation = { jobName: jobName(ended, 1), phase: 'succeeded' as const, executors: [{ exitCode: 0 }], systemLogs: [] };
      await other.engine.writer.apply(ended, { type: 'observed', attempt: 1, observation });
      expect(await declare(other, 'owner')).toHaveLength(3);
      expect(await declare(other, 'owner')).toEqual([]);
      expect(await other.until(runs, ({ step }) => step === 'run')).toMatchObject({ attempt: 2, boundTo: 'other' });
      expect((await other.full(runs)).logs?.[0]?.system_logs).toEqual([
        'gateway owner, which had the job, was declared gone by an operator',
      ]);
      expect(await other.task(cancels)).toMatchObject({ state: 'CANCELED', step: 'done' });
      expect(await other.task(ended)).toMatchObject({ state: 'COMPLETE', step: 'done' });
      expect((await store.used(['scripted@owner'])).get('scripted@owner')).toEqual(NOTHING);
    });

    it('leave the rest alone; it ends its own stale attempts first when it comes back, and only those', async () => {
      const owner = await gateway('owner');
      const [stale, kept] = [await owner.create(), await owner.create()];
      for (const id of [stale, kept]) await owner.until(id, ({ step }) => step === 'run');
      await leave(owner);
      const other = await gateway('other');
      await other.engine.writer.apply(stale, { type: 'abandoned', instance: 'owner' });
      await other.until(stale, ({ boundTo }) => boundTo === 'other');
      const back = await gateway('owner', {}, owner.world);
      expect([...back.world.fenced]).toEqual([jobName(stale, 1)]);
      expect([...back.world.jobs.keys()]).toEqual([jobName(kept, 1)]);
      expect(back.world.started).toHaveLength(2);
    });
  });

  it('start although the store goes away in the middle of it, and go on when it comes back', async () => {
    fails = true;
    const bench = await gateway('one');
    fails = false;
    const id = await bench.create();
    await bench.until(id, ({ step }) => step === 'run');
  });
});

import { SqliteTaskStore } from '../../src/stores/sqlite/sqlite-task-store';
import type { InsertResult } from '../../src/ports/store/task-records';
import type { TaskStore } from '../../src/ports/store/task-store';
import { ScriptedBackend } from '../support/scripted-backend';
import { sharedGateway, TestGateway } from './app';
import { Client, TES_BASE, TRUE_TASK, V1 } from './client';

/** Holds every insert until it is let go, as a slow disk does. */
class HeldStore {
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly store: TaskStore) {}

  asStore(): TaskStore {
    return new Proxy(this.store, {
      get: (store, key) => {
        if (key === 'insert') {
          return async (...args: Parameters<TaskStore['insert']>): Promise<InsertResult> => {
            await new Promise<void>((resolve) => this.waiting.push(resolve));
            return store.insert(...args);
          };
        }
        const member: unknown = Reflect.get(store, key, store);
        return typeof member === 'function' ? (member.bind(store) as unknown) : member;
      },
    });
  }

  get held(): number {
    return this.waiting.length;
  }

  letGo(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

/** Turns of the event loop until something holds. */
async function eventually(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(holds()).toBe(true);
}

/** Lines 29 to 34 of what clients rely on. */
describe('behaviour', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port, V1);

  it('contract 30: reads are answered while every backend is away', async () => {
    const away = new ScriptedBackend(undefined, { onCall: () => 'before' }, 'away');
    away.healthy = { ok: false, detail: 'connection refused' };
    const alone = await TestGateway.start({ backends: [away] });
    try {
      const there = new Client(() => alone.port);
      const id = await there.create();
      for (const view of ['MINIMAL', 'BASIC', 'FULL'] as const) expect((await there.task(id, view)).state).toMatch(/QUEUED|INITIALIZING/);
      expect((await there.page('')).ids).toEqual([id]);
      expect((await there.send('GET', `/ext/v1/tasks/${id}`)).status).toBe(200);
    } finally {
      await alone.stop();
    }
  });

  it.each(['COMPLETE', 'EXECUTOR_ERROR', 'CANCELED'] as const)(
    'contract 31: cancel of a task that is %s answers 200 {} and changes nothing',
    async (state) => {
      const life = { COMPLETE: 'done', EXECUTOR_ERROR: 'fail', CANCELED: 'run' }[state];
      const id = await client.create({ tags: { life } });
      if (state === 'CANCELED') await client.cancel(id);
      const before = await client.until(id, state);
      expect(await client.cancel(id)).toMatchObject({ status: 200, text: '{}' });
      expect(await client.task(id)).toEqual(before);
    },
  );

  it('contract 32: outputs are stored after an executor error, and missing ones are passed over', async () => {
    gateway().storage.objects.set('mem://in', 'the log');
    const id = await client.create({
      tags: { life: 'fail' },
      inputs: [{ path: '/work/.command.err', url: 'mem://in' }],
      outputs: [
        { path: '/work/.command.err', url: 'mem://err' },
        { path: '/work/never', url: 'mem://never' },
      ],
    });
    const task = await client.until(id, 'EXECUTOR_ERROR');
    expect(task.logs?.[0]?.outputs).toEqual([{ url: 'mem://err', path: '/work/.command.err', size_bytes: '7' }]);
    expect(gateway().storage.objects.get('mem://err')).toBe('the log');
    expect(task.logs?.[0]?.system_logs?.join('\n')).toContain('/work/never');
  });

  it.each(['Basic Tm9uZTpOb25l', 'Basic Og==', 'Basic !', 'Bearer x.y.z', 'Digest x', ''])(
    'contract 33: with authentication off, Authorization: %j is ignored',
    async (authorization) => {
      const id = await client.create({}, { authorization });
      const answer = await client.send('GET', `${V1}/tasks/${id}?key=${authorization.length}`, { headers: { authorization } });
      expect(answer.status).toBe(200);
    },
  );
});

describe('the same body again while the first is being stored', () => {
  let held: HeldStore;
  let gateway: TestGateway;
  const tes = new Client(() => gateway.port, TES_BASE);
  const v1 = new Client(() => gateway.port, V1);
  beforeEach(async () => {
    held = new HeldStore(await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 }));
    gateway = await TestGateway.start({ store: held.asStore() });
  });
  afterEach(() => gateway.stop());

  async function ids(...answers: ReturnType<Client['post']>[]): Promise<unknown[]> {
    held.letGo();
    return (await Promise.all(answers)).map(({ json }) => (json as { id: string }).id);
  }

  it('contract 29: on another base path it is one task', async () => {
    const first = tes.post(TRUE_TASK);
    await eventually(() => held.held === 1);
    const second = v1.post(TRUE_TASK);
    const other = v1.post({ ...TRUE_TASK, name: 'other' });
    await eventually(() => held.held === 2);
    const [one, again, another] = await ids(first, second, other);
    expect(again).toBe(one);
    expect(another).not.toBe(one);
    expect((await v1.page('')).ids).toHaveLength(2);
  });

  it('contract 29: on the same base path it is another task', async () => {
    const first = tes.post(TRUE_TASK);
    const second = tes.post(TRUE_TASK);
    await eventually(() => held.held === 2);
    const [one, other] = await ids(first, second);
    expect(other).not.toBe(one);
  });

  it('contract 29: once the first is stored it is another task', async () => {
    const first = tes.post(TRUE_TASK);
    await eventually(() => held.held === 1);
    const [one] = await ids(first);
    const second = v1.post(TRUE_TASK);
    await eventually(() => held.held === 1);
    expect((await ids(second))[0]).not.toBe(one);
  });
});

describe('browsers', () => {
  const gateway = sharedGateway({ api: { corsOrigins: ['https://elixir.example'] } });
  const client = new Client(() => gateway().port, TES_BASE);
  const origin = 'https://elixir.example';

  it('contract 34: a page may ask, post and cancel with DELETE, after its preflight', async () => {
    for (const [method, path] of [
      ['POST', '/tasks'],
      ['DELETE', '/tasks/x:cancel'],
    ]) {
      const headers = {
        origin,
        'access-control-request-method': method ?? '',
        'access-control-request-headers': 'authorization,content-type',
      };
      const preflight = await client.send('OPTIONS', `${TES_BASE}${path ?? ''}`, { headers });
      expect(preflight.status).toBe(204);
      expect(preflight.headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': expect.stringContaining(method ?? '') as string,
        'access-control-allow-headers': expect.stringMatching(/authorization.*content-type/i) as string,
      });
    }
    const id = await client.create({ tags: { life: 'run' } }, { origin, 'sec-fetch-site': 'cross-site' });
    const cancelled = await client.send('DELETE', `${TES_BASE}/tasks/${id}:cancel`, { headers: { origin } });
    expect([cancelled.status, cancelled.text, cancelled.headers['access-control-allow-origin']]).toEqual([200, '{}', origin]);
    await client.until(id, 'CANCELED');
  });
});

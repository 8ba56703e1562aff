import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mongoose';
import { taskId } from '../../src/engine/task-id';
import type { TaskStore } from '../../src/ports/store/task-store';
import { MongoTaskStore } from '../../src/stores/mongo/mongo-task-store';
import { SqliteTaskStore } from '../../src/stores/sqlite/sqlite-task-store';
import type { TaskRecord } from '../../src/task/task-record';
import { makeWorkDirectory } from '../contract/backend/execution-backend.fixture';
import { repeated } from '../support/amounts';
import { Random, SEED } from '../support/random';
import { queuedTask } from '../support/records';
import { describeMongo, freshDatabase } from '../system/mongo/mongo';
import { as, GuardedGateway } from './guarded-gateway';

const USERS = ['ann', 'bob'] as const;
type User = (typeof USERS)[number];
/** As many as the stores take at once. */
const GROUP = 500;
const LARGEST_PAGE = 2047;

/** The ids of each, oldest first; every task has an older and a newer one of the other beside it. */
type Filled = Readonly<Record<User, readonly string[]>>;

async function fill(store: TaskStore, each: number): Promise<Filled> {
  const ids: Record<User, string[]> = { ann: [], bob: [] };
  const from = store.now() - 86_400_000;
  let group: Promise<unknown>[] = [];
  for (let at = 0; at < 2 * each; at += 1) {
    const user: User = at % 2 === 0 ? 'ann' : 'bob';
    const id = taskId(from + at, randomBytes(10));
    ids[user].push(id);
    const task = queuedTask({
      id,
      owner: `basic|${user}`,
      name: `sample of ${user} ${at}`,
      tags: { project: 'shared', of: user },
      createdAt: from + at,
      state: at % 20 < 2 ? 'EXECUTOR_ERROR' : 'COMPLETE',
      step: 'done',
      endedAt: from + at + 1000,
      attempts: [attemptOf(user)],
    });
    group.push(store.insert(JSON.stringify({ name: task.name, tags: task.tags, executors: [{ image: 'x', command: [user] }] }), task));
    if (group.length === GROUP) {
      await Promise.all(group);
      group = [];
    }
  }
  await Promise.all(group);
  return ids;
}

function attemptOf(user: User): TaskRecord['attempts'][number] {
  const text = `written by ${user}\n`;
  const tail = { text, totalBytes: text.length };
  const executor = { exitCode: 0, startedAt: 1, endedAt: 2, stdout: tail, stderr: tail };
  return { attempt: 1, backend: 'local', startedAt: 1, endedAt: 2, executors: [executor], outputs: [], systemLogs: [], metadata: {} };
}

interface Place {
  readonly gateways: readonly [GuardedGateway, ...GuardedGateway[]];
  readonly ids: Filled;
  remove(): Promise<void>;
}

function expectApart(each: number, place: () => Place): void {
  const random = new Random(SEED);
  const any = (): GuardedGateway => random.pick(place().gateways);
  const get = (path: string, user: User, gateway = any()) => gateway.send('GET', path, { headers: as(user) });
  const other = (user: User): User => (user === 'ann' ? 'bob' : 'ann');

  interface Page {
    readonly tasks: readonly { readonly id: string }[];
    readonly next_page_token: string;
  }
  /** Every page of a list, each of any of the gateways. Nothing of the other is in one, and none is shorter for what was left out. */
  async function walk(user: User, query: string, pageSize: number): Promise<{ readonly ids: string[]; readonly tokens: string[] }> {
    const ids: string[] = [];
    const tokens: string[] = [];
    for (let token = ''; ;) {
      const { status, json, text } = await get(`/v1/tasks?${query}&page_size=${pageSize}&page_token=${token}`, user);
      if (status !== 200) throw new Error(text);
      expect(text).not.toContain(`of ${other(user)}`);
      expect(text).not.toContain(`by ${other(user)}`);
      const { tasks, next_page_token: next } = json as Page;
      ids.push(...tasks.map(({ id }) => id));
      if (next === '') return { ids, tokens };
      expect(tasks).toHaveLength(pageSize);
      tokens.push((token = next));
    }
  }
  const newestFirst = (user: User): string[] => place().ids[user].toReversed();

  it.each(USERS)('%s lists each of its tasks once and no other, by any filter', async (user) => {
    const mine = newestFirst(user);
    expect((await walk(user, '', LARGEST_PAGE)).ids).toEqual(mine);
    expect((await walk(user, 'name_prefix=sample', LARGEST_PAGE)).ids).toEqual(mine);
    expect((await walk(user, 'tag_key=project&tag_value=shared', LARGEST_PAGE)).ids).toEqual(mine);
    const failed = place().ids[user].filter((_id, at) => at % 10 === 0);
    expect((await walk(user, 'state=EXECUTOR_ERROR&view=FULL', 50)).ids).toEqual(failed.reverse());
    for (const theirs of [`name_prefix=sample%20of%20${other(user)}`, `tag_key=of&tag_value=${other(user)}`]) {
      for (const more of ['', '&state=COMPLETE', '&tag_key=project&tag_value=']) {
        expect((await get(`/v1/tasks?${theirs}${more}`, user)).json).toEqual({ tasks: [], next_page_token: '' });
      }
    }
  });

  it('a page token is of no use to the other, and tells it nothing', async () => {
    const size = Math.ceil(each / 8);
    for (const query of ['', 'name_prefix=sample', 'state=COMPLETE']) {
      const { tokens } = await walk('ann', query, size);
      expect(tokens.length).toBeGreaterThan(5);
      const made = (token: string): Promise<unknown> => answered('GET', `/v1/tasks?${query}&page_size=${size}&page_token=${token}`, 'bob');
      const unknown = await made('x'.repeat(tokens[0]?.length ?? 0));
      expect(unknown).toMatchObject({ status: 400 });
      for (const token of tokens) expect(await made(token)).toEqual(unknown);
    }
  });

  async function answered(method: string, path: string, user: User, id = '', body?: string): Promise<object> {
    const { status, headers, text } = await any().send(method, path, { headers: as(user), ...(body !== undefined && { body }) });
    const { date: _, ...said } = headers;
    return { status, headers: said, text: id === '' ? text : text.replaceAll(id, 'ID') };
  }

  it(`an id of the other is as one that was never there, whatever is asked of it (TES_GATEWAY_SEED=${SEED})`, async () => {
    const ways = [
      ...['', '?view=BASIC', '?view=FULL'].map((view) => ['GET', `/ga4gh/tes/v1/tasks/ID${view}`]),
      ['POST', '/v1/tasks/ID:cancel'],
      ['POST', '/v1/tasks/ID%3Acancel'],
      ['DELETE', '/v1/tasks/ID:cancel'],
      ['GET', '/ext/v1/tasks/ID'],
      ['GET', '/ext/v1/tasks/ID/logs/0/stdout'],
      ['GET', '/ext/v1/tasks/ID/logs/99/stderr?offset=5&follow=true'],
      ['POST', '/ext/v1/tasks/ID:restore-outputs'],
    ] as [string, string][];
    for (let asked = 0; asked < repeated(20, 1000); asked += 1) {
      const theirs = random.pick(place().ids.ann as [string, ...string[]]);
      // As near as a guess gets: made in the same millisecond.
      const absent = theirs.slice(0, 10) + taskId(0, randomBytes(10)).slice(10);
      for (const [method, path] of ways) {
        const ask = (id: string): Promise<object> => answered(method, path.replace('ID', id), 'bob', id);
        const refused = await ask(absent);
        expect([path, refused]).toEqual([path, expect.objectContaining({ status: 404 })]);
        expect([path, await ask(theirs)]).toEqual([path, refused]);
      }
    }
  });

  it('a task that runs is not canceled by the other, and is by its owner, from any gateway', async () => {
    const id = await any().create('ann', { name: 'sample of ann', tags: { life: 'run' } });
    for (const gateway of place().gateways) {
      for (const way of [`/v1/tasks/${id}:cancel`, `/ga4gh/tes/v1/tasks/${id}%3Acancel`]) {
        expect((await gateway.send('POST', way, { headers: as('bob') })).status).toBe(404);
      }
      const { state } = (await get(`/v1/tasks/${id}`, 'ann', gateway)).json as { state: string };
      expect(['QUEUED', 'INITIALIZING', 'RUNNING']).toContain(state);
    }
    expect((await any().send('POST', `/v1/tasks/${id}:cancel`, { headers: as('ann') })).status).toBe(200);
    while (((await get(`/v1/tasks/${id}`, 'ann')).json as { state: string }).state !== 'CANCELED');
  });

  it('an idempotency key of the other is as one that nobody used', async () => {
    const create = async (user: User, key: string, name: string): Promise<unknown> => {
      const body = JSON.stringify({ name, executors: [{ image: 'x', command: ['true'] }] });
      const { status, json, text } = await any().send('POST', '/v1/tasks', { headers: { ...as(user), 'idempotency-key': key }, body });
      if (status !== 200 && status !== 409) throw new Error(`${status}: ${text}`);
      return status === 200 ? (json as { id: string }).id : status;
    };
    for (let at = 0; at < 20; at += 1) {
      const key = `key-${at}`;
      const first = await create('ann', key, 'first');
      // The same request and another one: neither the task of ann nor 409.
      const mine = await create('bob', key, at % 2 === 0 ? 'first' : 'another');
      expect([mine, first]).toEqual([expect.any(String), expect.any(String)]);
      expect(mine).not.toBe(first);
      expect(await create('ann', key, 'first')).toBe(first);
      expect(await create('ann', key, 'third')).toBe(409);
    }
  });

  it('how many tasks one has, and how many more it may have, does not change by what the other does', async () => {
    interface Counted {
      readonly tasks: Record<string, number>;
      readonly limits: readonly { readonly setting: string; readonly used: number }[];
    }
    const counted = async (gateway = any()): Promise<Counted> => {
      const { tasks, limits } = (await get('/ext/v1/me', 'bob', gateway)).json as Counted;
      // How fast it asks is counted by each gateway.
      return { tasks, limits: limits.filter(({ setting }) => setting.startsWith('limits.')) };
    };
    // Its own have ended, and each gateway knows it.
    for (const gateway of place().gateways) while ((await counted(gateway)).limits[0]?.used !== 0);
    const before = await counted();
    expect([before.tasks['EXECUTOR_ERROR'], before.limits.length]).toEqual([each / 10, 1]);
    const ids = [];
    for (let at = 0; at < 10; at += 1) ids.push(await place().gateways[0].create('ann', { tags: { life: 'run' } }));
    for (let at = 0; at < 4; at += 1) expect(await counted()).toEqual(before);
    for (const id of ids) await any().send('POST', `/v1/tasks/${id}:cancel`, { headers: as('ann') });
    expect((await get('/metrics', 'bob')).status).toBe(403);
  });
}

describe('two users with thousands of tasks', () => {
  describe('one gateway on SQLite', () => {
    const EACH = 10_000;
    let place: Place;
    beforeAll(async () => {
      const directory = await makeWorkDirectory('tenancy');
      const store = await SqliteTaskStore.open({ path: join(directory, 'tasks.sqlite'), maxDueMs: 600_000 });
      const ids = await fill(store, EACH);
      await store.close();
      const gateway = await GuardedGateway.start(USERS, `--data_dir=${directory}`);
      place = {
        gateways: [gateway],
        ids,
        async remove() {
          await gateway.stop();
          await fs.rm(directory, { recursive: true, force: true });
        },
      };
    });
    afterAll(() => place.remove());
    expectApart(EACH, () => place);
  });

  describeMongo('two gateways on MongoDB', (url) => {
    const EACH = repeated(1000, 10_000);
    let place: Place;
    beforeAll(async () => {
      const database = freshDatabase();
      const store = await MongoTaskStore.open({ url: url(), database, instance: 'filled', isTool: true, maxDueMs: 600_000 });
      const ids = await fill(store, EACH);
      await store.close();
      const start = (instance: string): Promise<GuardedGateway> =>
        GuardedGateway.start(
          USERS,
          `--instance=${instance}`,
          ...['--store.type=mongodb', `--store.url=${url()}`, `--store.database=${database}`],
        );
      const [first, second] = [await start('first'), await start('second')];
      place = {
        gateways: [first, second],
        ids,
        async remove() {
          await Promise.all([first.stop(), second.stop()]);
          const connection = await createConnection(url(), { dbName: database }).asPromise();
          await connection.dropDatabase();
          await connection.close();
        },
      };
    }, 300_000);
    afterAll(() => place.remove());
    expectApart(EACH, () => place);
  });
});

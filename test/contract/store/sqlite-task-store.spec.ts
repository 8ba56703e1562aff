import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import { assignedTask, insertAll, MAX_DUE_MS, queuedTask, requestOf, type TaskStoreHarness } from './task-store.fixture';
import { taskStoreSuite } from './task-store.suite';

async function openHarness(): Promise<TaskStoreHarness> {
  const directory = await mkdtemp(join(tmpdir(), 'task-store-'));
  let wall = 1_800_000_000_000;
  let monotonic = 50.5;
  const open = () =>
    SqliteTaskStore.open({
      path: join(directory, 'tasks.sqlite'),
      maxDueMs: MAX_DUE_MS,
      wallNow: () => wall,
      monotonicNow: () => monotonic,
    });
  let store = await open();
  return {
    get store() {
      return store;
    },
    advance: async (ms) => {
      wall += ms;
      monotonic += ms;
    },
    changeClock: (ms) => {
      wall += ms;
    },
    reopen: async () => {
      await store.close();
      store = await open();
      return store;
    },
    remove: async () => {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

taskStoreSuite('SqliteTaskStore', openHarness);

describe('SqliteTaskStore, asked for several writes in one turn', () => {
  let harness: TaskStoreHarness;
  beforeEach(async () => {
    harness = await openHarness();
  });
  afterEach(() => harness.remove());

  it('carries them out in the order in which they were asked for', async () => {
    const { store } = harness;
    const task = queuedTask();
    await store.insert(requestOf(task), task);
    const tries = [0, 1, 2].map((index) => store.update({ ...task, revision: 2, systemLogs: [`try ${index}`] }, 1));
    expect(await Promise.all(tries)).toEqual([true, false, false]);
    expect((await store.getTask(task.id))?.systemLogs).toEqual(['try 0']);
  });

  it('lets an update before a claim win, and one after it lose', async () => {
    const { store } = harness;
    const now = store.now();
    const [first, second] = [assignedTask(now - 2), assignedTask(now - 1)];
    await insertAll(store, [first, second]);
    const moved = store.update({ ...first, revision: 2, dueAt: now + 60_000 }, 1);
    const query = { instance: 'gateway-1', holder: 'a', backends: ['local'], boundBackends: [], steps: ['run'] as const };
    const claimed = store.claimDue({ ...query, leaseMs: 30_000, limit: 10 });
    const late = claimed.then(() => store.update({ ...second, revision: 2 }, 1));
    expect([await moved, (await claimed).map(({ id }) => id), await late]).toEqual([true, [second.id], false]);
  });
});

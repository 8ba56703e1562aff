import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteTaskStore } from '../../src/stores/sqlite/sqlite-task-store';
import { MAX_DUE_MS, type TaskStoreHarness } from './task-store.fixture';
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

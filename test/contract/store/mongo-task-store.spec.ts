import { createConnection } from 'mongoose';
import { MongoTaskStore } from '../../../src/stores/mongo/mongo-task-store';
import { describeMongo, freshDatabase } from '../../system/mongo/mongo';
import { MAX_DUE_MS, type TaskStoreHarness } from './task-store.fixture';
import { taskStoreSuite } from './task-store.suite';

describeMongo('the store contract', (url) => {
  const database = freshDatabase();

  /** One database for all tests, emptied in between: making its indexes is what takes long. */
  async function empty(drop = false): Promise<void> {
    const connection = await createConnection(url(), { dbName: database }).asPromise();
    try {
      if (drop) await connection.dropDatabase();
      else
        for (const { collectionName } of await connection.db!.collections())
          if (collectionName !== 'meta') await connection.collection(collectionName).deleteMany({});
    } finally {
      await connection.close();
    }
  }
  afterAll(() => empty(true));

  async function openHarness(): Promise<TaskStoreHarness> {
    await empty();
    let ahead = 0;
    const open = () =>
      MongoTaskStore.open({
        url: url(),
        database,
        // The one whose leases the suite calls a dead process's.
        instance: 'dead',
        maxDueMs: MAX_DUE_MS,
        monotonicNow: () => performance.now() + ahead,
        serverAhead: () => ahead,
      });
    let store = await open();
    return {
      get store() {
        return store;
      },
      advance: async (ms) => {
        ahead += ms;
      },
      // This machine's clock is not looked at.
      changeClock: () => undefined,
      reopen: async () => {
        await store.close();
        store = await open();
        return store;
      },
      remove: () => store.close(),
    };
  }

  taskStoreSuite('MongoTaskStore', openHarness);
});

import { type Connection, createConnection } from 'mongoose';
import { MongoTaskStore, type MongoTaskStoreOptions } from '../../../src/stores/mongo/mongo-task-store';
import { freshDatabase } from '../../system/mongo/mongo';
import { MAX_DUE_MS } from './task-store.fixture';

/** A database for each test, what looks into it from outside, and stores on it; all closed and dropped after the test. */
export interface OwnDatabase {
  readonly name: string;
  readonly connection: Connection;
  options(instance: string): MongoTaskStoreOptions;
  open(instance?: string, more?: Partial<MongoTaskStoreOptions>): Promise<MongoTaskStore>;
  /** Closed before the database is dropped. */
  closeLater(opened: { close(): Promise<void> }): void;
}

/** Call it in a `describe`. */
export function ownDatabase(url: () => string): OwnDatabase {
  let name = '';
  let connection: Connection;
  let opened: { close(): Promise<void> }[] = [];
  beforeEach(async () => {
    name = freshDatabase();
    opened = [];
    connection = await createConnection(url(), { dbName: name }).asPromise();
  });
  afterEach(async () => {
    await Promise.all(opened.map((one) => one.close()));
    await connection.dropDatabase();
    await connection.close();
  });
  const own: OwnDatabase = {
    get name() {
      return name;
    },
    get connection() {
      return connection;
    },
    options: (instance) => ({ url: url(), database: name, instance, maxDueMs: MAX_DUE_MS }),
    open: async (instance = 'one', more = {}) => {
      const store = await MongoTaskStore.open({ ...own.options(instance), ...more });
      opened.push(store);
      return store;
    },
    closeLater: (one) => void opened.push(one),
  };
  return own;
}

import type { StoreAdapter, ValuesOf } from '../../ports/adapter';

const settings = {
  url: {
    doc: 'Connection string of MongoDB (`mongodb://user:password@host/?authSource=admin&tls=true`)',
    format: 'text',
    default: '',
    sensitive: true,
  },
  database: { doc: 'Name of the database in it', format: 'text', default: 'tes_gateway' },
};

/** The shared store: a MongoDB replica set, of any number of gateways. */
export const mongoStore: StoreAdapter<ValuesOf<typeof settings>> = {
  type: 'mongodb',
  doc: 'a MongoDB replica set that any number of gateways share',
  isShared: true,
  settings,
  // The url itself is never shown: it may hold a password.
  faults: ({ url, database }) => [
    ...(/^mongodb(\+srv)?:\/\/./.test(url) ? [] : ['url: must be a connection string such as mongodb://host/ when store.type is mongodb']),
    ...(/^[A-Za-z0-9_-]{1,63}$/.test(database) ? [] : ['database: must be a name of at most 63 letters, digits, _ and -']),
  ],
  async create({ url, database }, { instance, home, maxDueMs, onProgress, onTaken }) {
    const { MongoTaskStore } = await import('./mongo-task-store.js');
    const store = new MongoTaskStore({
      url,
      database,
      instance,
      maxDueMs,
      onProgress,
      ...(home === undefined ? { isTool: true } : { home }),
      ...(onTaken && { onTaken }),
    });
    // A command of an operator's does not wait for a database that is away.
    return { store, opened: store.connect({ patient: home !== undefined }) };
  },
};

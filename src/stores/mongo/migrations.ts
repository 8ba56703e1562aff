import { randomBytes } from 'node:crypto';
import { mongo } from 'mongoose';
import { StoreError } from '../../ports/errors';
import { classesAndSums, unlessGone } from './migration-2';
import type { MongoConnection } from './mongo-connection';

/** One step from version n to n + 1. Never changed once released; a new one is added at the end. Repeatable: it may be cut off anywhere. */
interface Migration {
  readonly about: string;
  readonly apply: (connection: MongoConnection, onProgress: (line: string) => void, signal: AbortSignal) => Promise<void>;
}

const MIGRATIONS: readonly Migration[] = [
  { about: 'collections and indexes', apply: createIndexes },
  {
    about: 'the queue by class, room as sums',
    apply: async (connection, onProgress, signal) => {
      await createIndexes(connection, onProgress, signal);
      await classesAndSums(connection);
    },
  },
  {
    about: 'groups of tasks, disk and GPUs',
    apply: async (connection, onProgress, signal) => {
      await createIndexes(connection, onProgress, signal);
      for (const name of FORMER_INDEXES)
        await connection.callUnlimited(() => connection.collections.tasks.dropIndex(name).catch(unlessGone));
    },
  },
  { about: 'personal API tokens', apply: createIndexes },
  { about: 'credentials of users', apply: createIndexes },
];

const FORMER_INDEXES = ['class_1_readyAt_1_place_1_queuedAt_1_cpu_1_ram_1', 'room_1_cpu_1_ram_1'];

const SCHEMA = 'schema';
/** An index that takes longer says so this often, ms. */
const TELL_MS = 5000;

/**
 * Brings the database to this program's version and answers the store's id. Several gateways may do so at once: every step is repeatable
 * and the server makes one index once. Throws `StoreError` when a newer program has been here, or when it is told to stop.
 */
export async function migrate(connection: MongoConnection, onProgress: (line: string) => void, signal: AbortSignal): Promise<string> {
  const { meta } = connection.collections;
  const newest = MIGRATIONS.length;
  // The id is made by whoever comes first.
  await connection.call(() =>
    meta
      .updateOne(
        { _id: SCHEMA },
        { $setOnInsert: { version: 0, storeId: randomBytes(12).toString('base64url') } },
        { upsert: true, ...connection.limit },
      )
      .catch((error: { code?: number }) => {
        if (error.code !== 11000) throw error;
      }),
  );
  const schema = await connection.call(() => meta.findOne({ _id: SCHEMA }, connection.limit));
  const version = Number(schema?.['version']);
  if (!(version <= newest)) throw tooNew(version, newest);
  for (let at = version; at < newest; at += 1) {
    const step = MIGRATIONS[at];
    if (step === undefined) break;
    onProgress(`task store: making ${step.about}`);
    await step.apply(connection, onProgress, signal);
    await connection.call(() => meta.updateOne({ _id: SCHEMA, version: at }, { $set: { version: at + 1 } }, connection.limit));
  }
  return String(schema?.['storeId']);
}

function tooNew(version: number, newest: number): StoreError {
  return new StoreError('The task store is of a newer version', {
    retryable: false,
    internal: `The database was written by a newer version of this program (schema ${version}, this one knows ${newest}); nothing was changed`,
  });
}

async function createIndexes(connection: MongoConnection, onProgress: (line: string) => void, signal: AbortSignal): Promise<void> {
  for (const model of connection.models) {
    for (const [fields, options] of model.schema.indexes()) {
      const name = `${model.collection.collectionName}(${Object.keys(fields).join(', ')})`;
      const from = performance.now();
      const told = setInterval(() => {
        onProgress(`task store: index ${name} has been in the making for ${Math.round((performance.now() - from) / 1000)} s`);
      }, TELL_MS);
      try {
        // As long as it takes: an index of millions of tasks is not a query.
        const make = () => model.collection.createIndex(fields as Record<string, 1 | -1>, definedOnly(options));
        await untilMade(() => connection.callUnlimited(make), signal);
      } finally {
        clearInterval(told);
      }
    }
  }
}

/** The server goes on with an index although the connection it was asked for on has timed out; asked again, it answers when it is made. */
async function untilMade(make: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await make();
      return;
    } catch (error) {
      const isUnderWay = error instanceof StoreError && error.cause instanceof mongo.MongoNetworkTimeoutError;
      if (!isUnderWay || signal.aborted) throw error;
    }
  }
}

/** What mongoose adds for itself is not for the server. */
function definedOnly({ unique, partialFilterExpression }: Record<string, unknown>): object {
  return {
    ...(unique === true && { unique }),
    ...(partialFilterExpression !== undefined && { partialFilterExpression }),
  };
}

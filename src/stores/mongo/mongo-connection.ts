import { type Connection, createConnection, mongo } from 'mongoose';
import { StoreError } from '../../ports/errors';
import { toStoreError, TooSlow } from './mongo-errors';
import { type Collections, collectionsOf, modelsOf } from './schemas';
import type { ServerTime } from './store-clock';

export interface MongoTaskStoreOptions {
  /** A connection string as MongoDB's drivers read it; credentials, TLS and `authSource` included. Never shown. */
  readonly url: string;
  readonly database: string;
  /** This gateway's name: at start the leases of its former process end. */
  readonly instance: string;
  /** Names the data directory whose lock this process has: a former process of the same name and directory is gone. Absent = it has none. */
  readonly home?: string;
  /** Called when another process has taken the name, after this one was silent for too long: it must not go on. */
  readonly onTaken?: (why: string) => void;
  /** Not a gateway but a command of an operator's beside them: nobody takes it for one. */
  readonly isTool?: boolean;
  /** The longest interval the engine ever puts between now and a `dueAt`, ms. Anything further ahead at start is due at once. */
  readonly maxDueMs: number;
  /** Lines for the operator: migrations, counters made anew. */
  readonly onProgress?: (line: string) => void;
  /** Milliseconds since any fixed moment; never steps back. */
  readonly monotonicNow?: () => number;
  /** Added to the server's clock; for tests. */
  readonly serverAhead?: () => number;
  readonly limits?: Partial<MongoLimits>;
}

/** All ms. */
export interface MongoLimits {
  /** One query or write on the server. */
  readonly query: number;
  /** A call waits so long for a server that takes writes: longer than an election, shorter than a client's patience. */
  readonly selection: number;
  /** How often the server's clock is looked at. */
  readonly clock: number;
}
export const LIMITS: MongoLimits = { query: 10_000, selection: 5000, clock: 10_000 };
/** Beyond the server's own limit, for the way there and back, ms. */
const WAY_MS = 2000;

/** The way to the database: one pool of connections, the collections, a time limit on every call, errors as the port knows them. */
export class MongoConnection {
  readonly collections: Collections;
  readonly limits: MongoLimits;
  readonly models;
  private closed = false;

  /** Throws `StoreError` when no server that takes writes is reached in time. */
  static async open(options: MongoTaskStoreOptions): Promise<MongoConnection> {
    const limits = { ...LIMITS, ...options.limits };
    let connection: Connection | undefined;
    try {
      connection = createConnection(options.url, {
        dbName: options.database,
        appName: 'tes-gateway',
        autoIndex: false,
        autoCreate: false,
        bufferCommands: false,
        maxPoolSize: 32,
        serverSelectionTimeoutMS: limits.selection,
        connectTimeoutMS: limits.selection,
        socketTimeoutMS: limits.query + 2 * WAY_MS,
        readPreference: 'primary',
        readConcern: { level: 'majority' },
        writeConcern: { w: 'majority', journal: true, wtimeoutMS: limits.query },
        retryWrites: true,
        retryReads: true,
      });
      await connection.asPromise();
      return new MongoConnection(connection, limits, options);
    } catch (error) {
      await connection?.close(true).catch(() => undefined);
      throw notReached(error);
    }
  }

  private constructor(
    private readonly connection: Connection,
    limits: MongoLimits,
    private readonly options: MongoTaskStoreOptions,
  ) {
    this.limits = limits;
    this.collections = collectionsOf(this.db);
    this.models = modelsOf(connection);
  }

  get db(): NonNullable<Connection['db']> {
    if (this.connection.db === undefined) throw closedError();
    return this.connection.db;
  }

  /** What every query and write is sent with. */
  get limit(): { readonly maxTimeMS: number } {
    return { maxTimeMS: this.limits.query };
  }

  /** Throws `StoreError`. */
  async call<Result>(operation: () => Promise<Result>): Promise<Result> {
    try {
      return await this.attempt(operation);
    } catch (error) {
      throw toStoreError(error);
    }
  }

  /** As `call`, with the driver's own errors. */
  async attempt<Result>(operation: () => Promise<Result>): Promise<Result> {
    if (this.closed) throw closedError();
    const limitMs = this.limits.query + this.limits.selection + WAY_MS;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new TooSlow(limitMs)), limitMs);
    });
    try {
      return await Promise.race([operation(), late]);
    } catch (error) {
      throw this.closed ? closedError() : error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** For what rightly takes long. */
  async callUnlimited<Result>(operation: () => Promise<Result>): Promise<Result> {
    if (this.closed) throw closedError();
    try {
      return await operation();
    } catch (error) {
      throw this.closed ? closedError() : toStoreError(error);
    }
  }

  async serverTime(): Promise<ServerTime> {
    const monotonicNow = this.options.monotonicNow ?? (() => performance.now());
    const sent = monotonicNow();
    const { localTime } = await this.call(() => this.db.admin().command({ hello: 1, ...this.limit }));
    return { server: (localTime as Date).getTime() + (this.options.serverAhead?.() ?? 0), sent, received: monotonicNow() };
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.connection.close();
  }
}

/** What the first connection met. A connection string that cannot be read is a mistake in the settings; it is never shown. */
function notReached(error: unknown): StoreError {
  const shown = toStoreError(error);
  // The parser's own error is another class of the same name.
  const isUnreadable =
    error instanceof mongo.MongoAPIError ||
    error instanceof mongo.MongoRuntimeError ||
    (error instanceof Error && error.name === 'MongoParseError');
  if (shown instanceof StoreError && !isUnreadable) return shown;
  return new StoreError('The task store cannot be used at the moment', {
    retryable: !isUnreadable,
    unavailable: true,
    internal: isUnreadable ? 'store.url cannot be read as a connection string' : `MongoDB is not reached: ${(error as Error).message}`,
    ...(!isUnreadable && { cause: error }),
  });
}

export function closedError(): StoreError {
  return new StoreError('The task store is closed', { retryable: true, unavailable: true });
}

import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { StoreError } from '../../ports/errors';
import { migrate } from './migrations';
import { closedError, MongoConnection, type MongoTaskStoreOptions } from './mongo-connection';
import { isRefusal } from './mongo-errors';
import { StoreParts } from './store-parts';
import { GatewayHeartbeats } from './gateway-heartbeats';
import { expireOldLeases } from './expire-old-leases';
import { StoreClock } from './store-clock';

/** Pauses between tries, ms. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** The way from a connection string to a store that can be used. */
export class StoreOpener {
  private readonly stopping = new AbortController();
  private readonly owner = randomBytes(9).toString('base64url');
  private underWay: Promise<StoreParts> | undefined;
  private lastFailure = 'not tried yet';

  constructor(private readonly options: MongoTaskStoreOptions) {}

  open(patient: boolean): Promise<StoreParts> {
    this.underWay ??= this.tryUntil(patient);
    return this.underWay;
  }

  /** What is thrown at those who come before the store is open. */
  refusal(): StoreError {
    if (this.stopping.signal.aborted) return closedError();
    return new StoreError('The task store cannot be used yet', {
      retryable: true,
      unavailable: true,
      internal: `The task store is not open: ${this.lastFailure}`,
    });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.underWay?.catch(() => undefined);
  }

  private async tryUntil(patient: boolean): Promise<StoreParts> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await this.once();
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        this.lastFailure = error.message;
        if (this.stopping.signal.aborted) throw closedError();
        if (!patient || !error.retryable || isRefusal(error)) throw error;
        this.tell(`${error.message}; tried again in ${pauseMs / 1000} s`);
        await pause(pauseMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
        if (this.stopping.signal.aborted) throw closedError();
      }
    }
  }

  private async once(): Promise<StoreParts> {
    const connection = await MongoConnection.open(this.options);
    try {
      const storeId = await migrate(connection, (line) => this.tell(line), this.stopping.signal);
      const clock = new StoreClock(await connection.serverTime(), this.options.monotonicNow ?? (() => performance.now()));
      const heartbeats = new GatewayHeartbeats(connection, this.options, () => clock.now(), this.owner);
      await heartbeats.take();
      await expireOldLeases(connection, this.options, clock.now(), (line) => this.tell(line));
      if (this.stopping.signal.aborted) throw closedError();
      return new StoreParts(connection, this.options, clock, storeId, heartbeats);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  private tell(line: string): void {
    this.options.onProgress?.(line);
  }
}

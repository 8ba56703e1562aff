import { randomBytes } from 'node:crypto';
import type { MongoConnection, MongoTaskStoreOptions } from './mongo-connection';

/** How often a gateway says that it is there, and after how long without a word its last counts are given up for lost, ms. */
const SAY_MS = 10_000;
const SILENT_MS = 60_000;

/** Which processes have the store open. It decides whether the counters have to be made good, and tells an operator who is away. */
export class Presence {
  private readonly own = randomBytes(9).toString('base64url');
  private timer: NodeJS.Timeout | undefined;
  private underWay: Promise<void> = Promise.resolve();

  constructor(
    private readonly connection: MongoConnection,
    private readonly options: Pick<MongoTaskStoreOptions, 'instance' | 'isTool'>,
    private readonly now: () => number,
    /** A gateway ended without closing the store. */
    private readonly lost: () => void,
  ) {}

  start(): void {
    const round = (): void => {
      this.underWay = this.round().catch(() => undefined);
    };
    round();
    this.timer = setInterval(round, SAY_MS).unref();
  }

  /** `isWell`: nothing is lost with this process. Otherwise its note stays, and whoever finds it makes the counters good. */
  async stop(isWell: boolean): Promise<void> {
    clearInterval(this.timer);
    await this.underWay;
    if (!isWell) return;
    const { gateways } = this.connection.collections;
    await this.connection.call(() => gateways.deleteOne({ _id: this.own }, this.connection.limit)).catch(() => undefined);
  }

  /** The gateways among them, with when each last said so; the latest of two of one name. */
  async seen(): Promise<ReadonlyMap<string, number>> {
    const { gateways } = this.connection.collections;
    const found = await this.connection.call(() => gateways.find({ isTool: { $ne: true } }, this.connection.limit).toArray());
    return new Map(found.sort((first, second) => first.seen - second.seen).map(({ instance, seen }) => [instance, seen]));
  }

  private async round(): Promise<void> {
    const { gateways } = this.connection.collections;
    const seen = this.now();
    const { limit } = this.connection;
    const { instance, isTool } = this.options;
    await this.connection.call(() =>
      gateways.updateOne({ _id: this.own }, { $set: { instance, seen, ...(isTool === true && { isTool }) } }, { upsert: true, ...limit }),
    );
    // A command may end before it has made the counters good: it leaves that to the gateways.
    if (isTool === true) return;
    // The former process of this instance, or one that has been silent: whoever takes its note away makes the counters good.
    const dead = { $or: [{ instance, _id: { $ne: this.own } }, { seen: { $lt: seen - SILENT_MS } }] };
    for (;;) {
      const found = await this.connection.call(() => gateways.findOneAndDelete(dead, limit));
      if (found === null) return;
      this.lost();
    }
  }
}

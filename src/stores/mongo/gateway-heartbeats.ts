import { hostname } from 'node:os';
import { StoreError } from '../../ports/errors';
import { Rounds } from '../../ports/rounds';
import type { PublishedBackend } from '../../ports/store/upkeep';
import type { MongoConnection, MongoTaskStoreOptions } from './mongo-connection';
import { isDuplicate, toStoreError } from './mongo-errors';
import type { GatewayDocument } from './schemas';

/** How often a gateway says that it is there, and after how long without a word it is taken for dead, ms. */
const SAY_MS = 10_000;
const SILENT_MS = 60_000;
/** Of what is published. */
const VERSION = 1;

/**
 * Which processes have the store open: one note for each name. A name is taken by compare-and-swap, so that two processes never work under
 * one; the note also decides whether the counters have to be made good, and tells an operator who is away.
 */
export class GatewayHeartbeats {
  private readonly rounds = new Rounds(SAY_MS, () => this.round());
  /** A former process ended without closing the store. */
  private hasFoundRemains = false;
  private backends: string | undefined;
  private lost: () => void = () => (this.hasFoundRemains = true);

  constructor(
    private readonly connection: MongoConnection,
    private readonly options: Pick<MongoTaskStoreOptions, 'instance' | 'isTool' | 'home' | 'onTaken'>,
    private readonly now: () => number,
    /** This process, whatever others are called. */
    private readonly owner: string,
  ) {}

  /**
   * Takes the name; before anything is done under it. From a former process that is gone: it was silent for long, or it had the same data
   * directory, which only one process has at a time. Throws `StoreError` that is not retryable while another one is alive.
   */
  async take(): Promise<void> {
    for (;;) {
      const former = await this.note();
      if (former === undefined) {
        if (await this.insert()) return;
      } else if (former.owner === this.owner) return;
      else if (!this.isGone(former)) throw this.refusal(former);
      else if (await this.say({ owner: former.owner, seen: former.seen })) return this.lost();
    }
  }

  /** `lost` is called for each process that ended without closing the store. */
  start(lost: () => void): void {
    this.lost = lost;
    if (this.hasFoundRemains) lost();
    void this.rounds.now();
    this.rounds.start();
  }

  /** `isWell`: nothing is lost with this process. Otherwise its note stays, and whoever finds it makes the counters good. */
  async stop(isWell: boolean): Promise<void> {
    await this.rounds.stop();
    if (!isWell) return;
    const { gateways } = this.connection.collections;
    const own = { _id: this.options.instance, owner: this.owner };
    await this.connection.call(() => gateways.deleteOne(own, this.connection.limit)).catch(() => undefined);
  }

  /** The gateways among them, with when each last said so. */
  async seen(): Promise<ReadonlyMap<string, number>> {
    const { gateways } = this.connection.collections;
    const found = await this.connection.call(() => gateways.find({ isTool: { $ne: true } }, this.connection.limit).toArray());
    return new Map(found.map(({ instance, seen }) => [instance, seen]));
  }

  async publish(backends: readonly PublishedBackend[]): Promise<void> {
    this.backends = JSON.stringify({ version: VERSION, backends });
    await this.say({ owner: this.owner });
  }

  async published(): Promise<ReadonlyMap<string, readonly PublishedBackend[]>> {
    const { gateways } = this.connection.collections;
    const alive = { seen: { $gte: this.now() - SILENT_MS }, backends: { $exists: true } };
    const found = await this.connection.call(() => gateways.find(alive, this.connection.limit).toArray());
    return new Map(found.map(({ instance, backends = '' }) => [instance, parsed(backends)]));
  }

  private async round(): Promise<void> {
    // Silent for so long that its note was removed, it says again that it is there; where another process has its name, it must not go on.
    while (!(await this.say({ owner: this.owner })) && !(await this.insert())) {
      const other = await this.note();
      if (other === undefined || other.owner === this.owner) continue;
      void this.rounds.stop();
      this.options.onTaken?.(`gateway ${this.options.instance} was silent for too long, and ${whoHas(other)} has taken its name`);
      return;
    }
    // A command may end before it has made the counters good: it leaves that to the gateways.
    if (this.options.isTool === true) return;
    const { gateways } = this.connection.collections;
    const dead = { seen: { $lt: this.now() - SILENT_MS } };
    while ((await this.connection.call(() => gateways.findOneAndDelete(dead, this.connection.limit))) !== null) this.lost();
  }

  private async note(): Promise<GatewayDocument | undefined> {
    const { gateways } = this.connection.collections;
    const found = await this.connection.call(() => gateways.findOne({ _id: this.options.instance }, this.connection.limit));
    return found ?? undefined;
  }

  /** Writes the own note over the one that is this; false when it is another one, or none. */
  private async say(which: Partial<Pick<GatewayDocument, 'owner' | 'seen'>>): Promise<boolean> {
    const { gateways } = this.connection.collections;
    const { _id, ...$set } = this.own();
    const { matchedCount } = await this.connection.call(() => gateways.updateOne({ _id, ...which }, { $set }, this.connection.limit));
    return matchedCount === 1;
  }

  /** False when there is one already. */
  private async insert(): Promise<boolean> {
    const { gateways } = this.connection.collections;
    try {
      await this.connection.attempt(() => gateways.insertOne(this.own(), this.connection.limit));
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw toStoreError(error);
    }
  }

  private own(): GatewayDocument {
    const { instance, isTool, home = '' } = this.options;
    const who = { owner: this.owner, home, host: hostname(), pid: process.pid };
    return {
      _id: instance,
      instance,
      ...who,
      seen: this.now(),
      ...(isTool === true && { isTool }),
      ...(this.backends !== undefined && { backends: this.backends }),
    };
  }

  private isGone({ home, seen }: GatewayDocument): boolean {
    return (home !== '' && home === this.options.home) || this.now() - seen > SILENT_MS;
  }

  private refusal(other: GatewayDocument): StoreError {
    const waitSeconds = Math.max(1, Math.ceil((other.seen + SILENT_MS - this.now()) / 1000));
    return new StoreError('The task store is in use under this name', {
      retryable: false,
      internal:
        `${whoHas(other)} is at work on this database as gateway ${other.instance}: ` +
        `give this one a name of its own (setting instance); if that process is gone, start again in ${waitSeconds} s`,
    });
  }
}

/** A gateway of another version may say it otherwise: of that one nothing is known. */
function parsed(text: string): readonly PublishedBackend[] {
  const { version, backends } = JSON.parse(text) as { readonly version: number; readonly backends: readonly PublishedBackend[] };
  return version === VERSION ? backends : [];
}

function whoHas({ host, pid }: GatewayDocument): string {
  return `process ${pid} on ${host}`;
}

import type { Readable } from 'node:stream';
import type { StorageSecrets } from '../../ports/credentials';
import { TransferError } from '../../ports/errors';
import { type OtherStorages, type ReadOptions, StorageClient, type StorageEntry, type StorageStat } from '../../ports/storage-client';
import type { Owner } from '../../task/owner';
import { schemeOf, shownUrl } from '../../task/url';
import { addressOf, type DrsAddress, type DrsNames } from './drs-address';
import { entriesOf } from './drs-bundle';
import type { DrsObject } from './drs-object';
import { type Place, placeOf } from './drs-places';
import { DrsServers } from './drs-server';

export interface DrsSettings extends DrsNames {
  readonly enabled: boolean;
}

/** Who a session is for, and what it reads with. */
export interface DrsSession {
  readonly owner: Owner;
  readonly others: OtherStorages;
  readonly secrets?: StorageSecrets;
}

/** URLs that a server signs are good for minutes; a place is found anew after so long, ms. */
const PLACE_MS = 60_000;
/** Places that are remembered between a look at an object and its reading. */
const MOST_PLACES = 2000;
const NOBODY: OtherStorages = { find: () => undefined };

/**
 * `drs:` URLs, read only (GA4GH Data Repository Service 1.1 to 1.5): a server says where an object is, and another storage reads it there. Size
 * and checksum are the object's, so that what comes is held against them; a bundle is a directory.
 */
export class DrsStorage extends StorageClient {
  readonly schemes = ['drs'] as const;
  private readonly servers: DrsServers;
  private readonly places = new Map<string, { readonly place: Promise<Place>; readonly foundAt: number }>();

  constructor(
    protected readonly settings: DrsSettings,
    private readonly own?: DrsSession,
  ) {
    super();
    this.servers = new DrsServers(settings.servers, own?.others ?? NOBODY, own?.secrets);
  }

  get locations(): readonly string[] {
    return this.settings.enabled ? ['drs://'] : [];
  }

  refusal(url: string, use: 'read' | 'write'): string | undefined {
    if (!this.settings.enabled) return `${shownUrl(url)}: the setting storage.drs.enabled is off`;
    if (use === 'write') return `${shownUrl(url)} cannot be written: objects of DRS are read only`;
    const address = addressOf(url, this.settings);
    return typeof address === 'string' ? address : undefined;
  }

  override session(owner: Owner, others: OtherStorages): StorageClient {
    return new DrsStorage(this.settings, { owner, others });
  }

  async stat(url: string, signal: AbortSignal): Promise<StorageStat> {
    const at = this.addressOf(url);
    return this.statOf(url, at, await this.objectAt(url, at, false, signal), signal);
  }

  /** Of a bundle; each object in it is found before it is given, a few at once. */
  override async *list(url: string, signal: AbortSignal): AsyncGenerator<StorageEntry> {
    yield* entriesOf(url, {
      addressOf: (one) => this.addressOf(one),
      object: (one, at, whole) => this.objectAt(one, at, whole, signal),
      stat: (one, at, object) => this.statOf(one, at, object, signal),
    });
  }

  async read(url: string, options: ReadOptions, signal: AbortSignal): Promise<Readable> {
    const found = this.known(url);
    if (found) {
      try {
        return await this.readAt(url, await found, options, signal);
      } catch (error) {
        signal.throwIfAborted();
        // What was signed may have ended meanwhile, which a storage takes for a refusal.
        if (!(error instanceof TransferError) || error.retryable) throw error;
        this.forget(url);
      }
    }
    const at = this.addressOf(url);
    const place = await this.find(url, at, await this.objectAt(url, at, false, signal), signal);
    return this.readAt(url, place, options, signal);
  }

  override write(url: string): Promise<never> {
    return Promise.reject(new TransferError(`${shownUrl(url)} cannot be written: objects of DRS are read only`, { retryable: false }));
  }

  override identity(url: string): string {
    const address = addressOf(url, this.settings);
    return typeof address === 'string' ? url : `drs ${address.objectUrl}`;
  }

  /** What a bundle holds has URLs of its own: this is for words only. */
  join(url: string, relative: string): string {
    return `${url.replace(/\/+$/, '')}/${relative.split('/').map(encodeURIComponent).join('/')}`;
  }

  override async close(): Promise<void> {
    for (const url of [...this.places.keys()]) this.forget(url);
    await this.servers.close();
  }

  private addressOf(url: string): DrsAddress {
    const address = addressOf(url, this.settings);
    if (typeof address === 'string') throw new TransferError(address, { retryable: false });
    return address;
  }

  private async objectAt(url: string, at: DrsAddress, whole: boolean, signal: AbortSignal): Promise<DrsObject> {
    try {
      return await this.servers.object(at, whole, signal);
    } catch (error) {
      throw named(url, error);
    }
  }

  private async statOf(url: string, at: DrsAddress, object: DrsObject, signal: AbortSignal): Promise<StorageStat> {
    if (object.contents) return { kind: 'directory' };
    const { url: placeUrl, stat } = await this.find(url, at, object, signal);
    const modifiedMs = object.modifiedMs ?? stat.modifiedMs;
    const sizeBytes = object.sizeBytes ?? stat.sizeBytes;
    return {
      kind: 'file',
      ...(sizeBytes !== undefined && { sizeBytes }),
      ...(modifiedMs !== undefined && { modifiedMs }),
      ...(stat.version !== undefined && { version: versionAt(placeUrl, stat.version) }),
      sums: { ...stat.sums, ...object.sums },
    };
  }

  private async readAt(url: string, { client, url: placeUrl }: Place, options: ReadOptions, signal: AbortSignal): Promise<Readable> {
    const { version, ...part } = options;
    const prefix = versionAt(placeUrl, '');
    if (version !== undefined && !version.startsWith(prefix)) {
      throw new TransferError(`${shownUrl(url)} is somewhere else now`, { retryable: true, changed: true });
    }
    try {
      return await client.read(placeUrl, { ...part, ...(version !== undefined && { version: version.slice(prefix.length) }) }, signal);
    } catch (error) {
      throw named(url, error);
    }
  }

  private known(url: string): Promise<Place> | undefined {
    const known = this.places.get(url);
    if (known && performance.now() - known.foundAt < PLACE_MS) return known.place;
    this.forget(url);
    return undefined;
  }

  private async find(url: string, at: DrsAddress, object: DrsObject, signal: AbortSignal): Promise<Place> {
    if (object.contents) throw new TransferError(`${shownUrl(url)} is a bundle, not a file`, { retryable: false });
    this.forget(url);
    const context = { servers: this.servers, others: this.own?.others ?? NOBODY, owner: this.own?.owner };
    const place = placeOf(shownUrl(url), at, object, context, signal);
    this.places.set(url, { place, foundAt: performance.now() });
    const [oldest] = this.places.keys();
    if (this.places.size > MOST_PLACES && oldest !== undefined) this.forget(oldest);
    try {
      return await place;
    } catch (error) {
      this.forget(url);
      throw error;
    }
  }

  private forget(url: string): void {
    const known = this.places.get(url);
    if (!known) return;
    this.places.delete(url);
    void known.place.then(
      ({ client, isOwn }) => (isOwn ? client.close?.() : undefined),
      // Whoever waits for it hears of it.
      () => undefined,
    );
  }
}

/** What another storage says, with the object named in front. */
function named(url: string, error: unknown): unknown {
  return error instanceof TransferError ? error.reworded(`${shownUrl(url)} cannot be read: ${error.publicMessage}`) : error;
}

/** A version is one of a storage: others could not read it. */
function versionAt(placeUrl: string, version: string): string {
  return `${schemeOf(placeUrl) ?? ''} ${version}`;
}

import type { Owner } from '../task/owner';
import { ANYWHERE, type Placement } from '../task/placement';
import { schemeOf } from '../task/url';
import { TransferError } from './errors';
import type { ExecutionBackend } from './execution-backend';
import type { StorageClient } from './storage-client';

/** The backends that are on, by name, in the order of the settings. */
export class BackendRegistry {
  private readonly byName: ReadonlyMap<string, ExecutionBackend>;
  constructor(
    readonly all: readonly ExecutionBackend[],
    private readonly placements: ReadonlyMap<string, Placement> = new Map(),
  ) {
    this.byName = new Map(all.map((backend) => [backend.name, backend]));
  }
  get(name: string): ExecutionBackend | undefined {
    return this.byName.get(name);
  }
  /** What the settings say of where it stands. */
  placement(name: string): Placement {
    return this.placements.get(name) ?? ANYWHERE;
  }
}

/** The storage clients that are on, by URL scheme. */
export class StorageRegistry {
  private readonly byScheme: ReadonlyMap<string, StorageClient>;
  constructor(readonly all: readonly StorageClient[]) {
    this.byScheme = new Map(all.flatMap((client) => client.schemes.map((scheme) => [scheme, client] as const)));
  }
  find(url: string): StorageClient | undefined {
    const scheme = schemeOf(url);
    return scheme === undefined ? undefined : this.byScheme.get(scheme);
  }
  /** As `find`, but throws a `TransferError` that names the scheme. */
  for(url: string): StorageClient {
    const client = this.find(url);
    if (client) return client;
    throw new TransferError(`no storage is set up for ${schemeOf(url) ?? 'this'} URLs`, { retryable: false });
  }
  /** `StorageClient.identity`; a URL that nobody serves is its own. */
  identity(url: string): string {
    return this.find(url)?.identity(url) ?? url;
  }
  get schemes(): readonly string[] {
    return [...this.byScheme.keys()];
  }
  /** As one owner sees them, for one task; whoever asks closes them. */
  of(owner: Owner): StorageSessions {
    return new StorageSessions(this.all, owner);
  }
}

/** Sessions of the storages that have any, each made when it is first needed. */
export class StorageSessions extends StorageRegistry {
  private readonly made = new Map<StorageClient, StorageClient>();
  constructor(
    all: readonly StorageClient[],
    private readonly owner: Owner,
  ) {
    super(all);
  }
  override find(url: string): StorageClient | undefined {
    const client = super.find(url);
    if (!client?.session) return client;
    const session = this.made.get(client) ?? client.session(this.owner, this);
    this.made.set(client, session);
    return session;
  }
  /** Whatever a session says at its end: what it was needed for is over. */
  async close(): Promise<void> {
    const sessions = [...this.made.values()];
    this.made.clear();
    await Promise.allSettled(sessions.map(async (session) => session.close?.()));
  }
}

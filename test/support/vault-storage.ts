import { TransferError } from '../../src/ports/errors';
import type { Owner } from '../../src/task/owner';
import { MemoryStorage } from './memory-storage';

/** One call at the vault: over which connection, and whose secret came with it. */
export interface VaultCall {
  readonly connection: number;
  readonly secret: string;
  readonly verb: string;
  readonly url: string;
}

/** `mem://` behind a login: its sessions carry the secret of their owner, each over a connection of its own. */
export class VaultStorage extends MemoryStorage {
  readonly calls: VaultCall[] = [];
  /** Numbers of connections that are open. */
  readonly open = new Set<number>();
  private connections = 0;

  /** `secrets`: of the owners that have one, by their keys. */
  constructor(private readonly secrets: ReadonlyMap<string, string>) {
    super();
    this.onCall = () => {
      throw new Error('the vault was asked without a session');
    };
  }

  override refusal(url: string, _use: 'read' | 'write', owner?: Owner): string | undefined {
    return this.secrets.has(owner?.key ?? '') ? undefined : `${url}: there are no credentials for ${owner?.name ?? 'nobody'}`;
  }

  override session({ key }: Owner): MemoryStorage {
    const session = new MemoryStorage(this.objects);
    const secret = this.secrets.get(key) ?? '';
    const connection = ++this.connections;
    let isClosed = false;
    session.onCall = (verb, url) => {
      if (isClosed) throw new Error('the session was used after its end');
      this.open.add(connection);
      this.calls.push({ connection, secret, verb, url });
      if (!url.includes(`/${key}/`)) throw new TransferError(`${url}: forbidden`, { retryable: false });
    };
    session.close = () => {
      isClosed = true;
      this.open.delete(connection);
    };
    return session;
  }
}

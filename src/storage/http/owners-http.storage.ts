import type { StorageSecrets } from '../../ports/credentials';
import type { StorageClient } from '../../ports/storage-client';
import type { Owner } from '../../task/owner';
import { HttpExchange } from './http-exchange';
import { HttpStorage, type HttpStorageSettings } from './http.storage';

/** The same where users save credentials: a task uses its owner's own. */
export class OwnersHttpStorage extends HttpStorage {
  constructor(
    settings: HttpStorageSettings,
    private readonly secrets: (owner: Owner) => StorageSecrets,
  ) {
    super(settings);
  }

  /** Connections are shared, but for those that carry the owner's credentials. */
  override session(owner: Owner): StorageClient {
    return new HttpStorage(this.settings, new HttpExchange(this.settings, { secrets: this.secrets(owner), lent: this.exchange }));
  }
}

import type { StorageSecrets } from '../../ports/credentials';
import type { OtherStorages, StorageClient } from '../../ports/storage-client';
import type { Owner } from '../../task/owner';
import { type DrsSettings, DrsStorage } from './drs.storage';

/** The same where users save credentials: a task uses its owner's own. */
export class OwnersDrsStorage extends DrsStorage {
  constructor(
    settings: DrsSettings,
    private readonly secrets: (owner: Owner) => StorageSecrets,
  ) {
    super(settings);
  }

  override session(owner: Owner, others: OtherStorages): StorageClient {
    return new DrsStorage(this.settings, { owner, others, secrets: this.secrets(owner) });
  }
}

import type { StorageSecrets } from '../../ports/credentials';
import type { StorageClient } from '../../ports/storage-client';
import type { Owner } from '../../task/owner';
import type { FtpAddress } from './ftp-address';
import { FtpConnections, type FtpSettings, type FtpUser } from './ftp-connections';
import { FtpStorage } from './ftp.storage';

/** The same where users save credentials: a task uses its owner's own, which those in a URL come before. */
export class OwnersFtpStorage extends FtpStorage {
  constructor(
    settings: FtpSettings,
    private readonly secrets: (owner: Owner) => StorageSecrets,
  ) {
    super(settings);
  }

  override session(owner: Owner): StorageClient {
    return new FtpStorage(this.settings, new OwnersConnections(this.settings, this.secrets(owner), this.connections));
  }
}

/** Of one task; the number of all connections to a host is bounded together. */
class OwnersConnections extends FtpConnections {
  constructor(
    settings: FtpSettings,
    private readonly secrets: StorageSecrets,
    lender: FtpConnections,
  ) {
    super(settings, lender.places);
  }

  protected override async userFor(at: FtpAddress): Promise<FtpUser> {
    if (at.user !== undefined) return super.userFor(at);
    const secret = await this.secrets.forUrl(at.url);
    return secret?.type === 'basic' ? { user: secret.username, password: secret.password } : super.userFor(at);
  }
}

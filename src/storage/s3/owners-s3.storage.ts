import type { S3 } from '@aws-sdk/client-s3';
import type { StorageSecrets } from '../../ports/credentials';
import type { StorageClient } from '../../ports/storage-client';
import type { Owner } from '../../task/owner';
import { type S3Address, urlOf } from './s3-address';
import { type AskOptions, S3Connections, type S3Settings } from './s3-connections';
import { S3Storage } from './s3.storage';

/** The same where users save credentials: a task uses its owner's own. */
export class OwnersS3Storage extends S3Storage {
  constructor(
    settings: S3Settings,
    private readonly secrets: (owner: Owner) => StorageSecrets,
  ) {
    super(settings);
  }

  /** Memory is shared, and so are connections, but for those that carry the owner's credentials. */
  override session(owner: Owner): StorageClient {
    const { settings, connections: lent, budget } = this;
    return new S3Storage(settings, { connections: new OwnersConnections(settings, this.secrets(owner), lent), budget });
  }
}

/** Of one task. The user name is the access key id, the password the secret access key. */
class OwnersConnections extends S3Connections {
  constructor(
    settings: S3Settings,
    private readonly secrets: StorageSecrets,
    private readonly lent: S3Connections,
  ) {
    super(settings);
  }

  override async ask<T>(
    at: S3Address,
    options: AskOptions,
    request: (s3: S3, abort: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const secret = await this.secrets.forUrl(urlOf(at));
    return secret?.type === 'basic' ? super.ask(at, options, request, secret) : this.lent.ask(at, options, request);
  }
}

import type { CredentialKind, CredentialName, SealedCredential, SealedCredentials } from '../../ports/store/sealed-credentials';
import type { MongoConnection } from './mongo-connection';
import { isDuplicate, toStoreError } from './mongo-errors';
import type { CredentialsDocument } from './schemas';
import { wellFormed } from './well-formed';

/** Credentials of users, those of one owner in one document. */
export class MongoSealedCredentials implements SealedCredentials {
  constructor(private readonly connection: MongoConnection) {}

  async put(credential: SealedCredential, most: number): Promise<boolean> {
    const _id = wellFormed(credential.owner);
    const entry = entryOf(credential);
    const { id } = entry;
    // Where there is one with that many, or with this one, the filter does not match, and the upsert meets it.
    const hasRoom = { _id, [`credentials.${most - 1}`]: { $exists: false }, 'credentials.id': { $ne: id } };
    const { credentials } = this.connection.collections;
    const options = { upsert: true, ...this.connection.limit };
    const push = (): Promise<unknown> =>
      this.connection.attempt(() => credentials.updateOne(hasRoom as { _id: string }, { $push: { credentials: entry } }, options));
    if (await this.replace(_id, { id }, entry)) return true;
    try {
      await push().catch((error: unknown) => {
        // Two made the first one of their owner at once: there is a document by now.
        if (isDuplicate(error)) return push();
        throw error;
      });
      return true;
    } catch (error) {
      // It is full, or somebody else has put this one meanwhile.
      if (isDuplicate(error)) return this.replace(_id, { id }, entry);
      throw toStoreError(error);
    }
  }

  async of(owner: string, kind: CredentialKind): Promise<readonly SealedCredential[]> {
    const { credentials } = this.connection.collections;
    const found = await this.connection.call(() => credentials.findOne({ _id: wellFormed(owner) }, this.connection.limit));
    return credentialsIn(found).filter((one) => one.kind === kind);
  }

  async remove(name: CredentialName): Promise<boolean> {
    const { credentials } = this.connection.collections;
    const { modifiedCount } = await this.connection.call(() =>
      credentials.updateOne({ _id: wellFormed(name.owner) }, { $pull: { credentials: { id: idOf(name) } } }, this.connection.limit),
    );
    return modifiedCount === 1;
  }

  keyIds(): Promise<readonly string[]> {
    const { credentials } = this.connection.collections;
    return this.connection.call(() => credentials.distinct('credentials.keyId', {}, this.connection.limit));
  }

  async under(keyId: string, limit: number): Promise<readonly SealedCredential[]> {
    const { credentials } = this.connection.collections;
    const found = await this.connection.call(() =>
      credentials.find({ 'credentials.keyId': keyId }, { limit, ...this.connection.limit }).toArray(),
    );
    return found
      .flatMap(credentialsIn)
      .filter((one) => one.keyId === keyId)
      .slice(0, limit);
  }

  reseal(next: SealedCredential, former: SealedCredential): Promise<boolean> {
    const { id, json } = entryOf(former);
    return this.replace(wellFormed(former.owner), { id, json }, entryOf(next));
  }

  private async replace(_id: string, which: Partial<Entry>, entry: Entry): Promise<boolean> {
    const { credentials } = this.connection.collections;
    const filter = { _id, credentials: { $elemMatch: which } };
    const change = { $set: { 'credentials.$': entry } };
    return (await this.connection.call(() => credentials.updateOne(filter, change, this.connection.limit))).matchedCount === 1;
  }
}

type Entry = CredentialsDocument['credentials'][number];

function entryOf(credential: SealedCredential): Entry {
  return { id: idOf(credential), keyId: credential.keyId, json: JSON.stringify(credential) };
}

function idOf({ kind, target }: CredentialName): string {
  return JSON.stringify([kind, target]);
}

function credentialsIn(document: CredentialsDocument | null): readonly SealedCredential[] {
  return (document?.credentials ?? []).map(({ json }) => JSON.parse(json) as SealedCredential);
}

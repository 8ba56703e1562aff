import type { AccessToken, AccessTokens } from '../../ports/store/access-tokens';
import type { MongoConnection } from './mongo-connection';
import { isDuplicate, toStoreError } from './mongo-errors';
import type { TokensDocument } from './schemas';
import { asItWas, wellFormed } from './well-formed';

/** Personal API tokens, those of one owner in one document. */
export class MongoAccessTokens implements AccessTokens {
  constructor(
    private readonly connection: MongoConnection,
    private readonly now: () => number,
  ) {}

  async add(token: AccessToken, most: number): Promise<boolean> {
    const { tokens } = this.connection.collections;
    const { limit } = this.connection;
    const _id = wellFormed(token.principal.owner);
    const { id, expiresAt } = token;
    await this.connection.call(() => tokens.updateOne({ _id }, { $pull: { tokens: { expiresAt: { $lte: this.now() } } } }, limit));
    // Where there is one with that many the filter does not match, and the upsert meets it.
    const hasRoom = { _id, [`tokens.${most - 1}`]: { $exists: false } };
    const $push = { tokens: { id, expiresAt, json: JSON.stringify(token) } };
    const push = (): Promise<unknown> =>
      this.connection.attempt(() => tokens.updateOne(hasRoom as { _id: string }, { $push }, { upsert: true, ...limit }));
    try {
      await push().catch((error: unknown) => {
        // Two made the first one of their owner at once: there is a document by now.
        if (isDuplicate(error)) return push();
        throw error;
      });
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw toStoreError(error);
    }
  }

  async get(id: string): Promise<AccessToken | undefined> {
    const { tokens } = this.connection.collections;
    const found = await this.connection.call(() =>
      tokens.findOne({ 'tokens.id': id }, { projection: { tokens: { $elemMatch: { id } } }, ...this.connection.limit }),
    );
    return tokensIn(found)[0];
  }

  async of(owner: string): Promise<readonly AccessToken[]> {
    const { tokens } = this.connection.collections;
    return tokensIn(await this.connection.call(() => tokens.findOne({ _id: wellFormed(owner) }, this.connection.limit)));
  }

  async owners(after: string, limit: number): Promise<readonly string[]> {
    const { tokens } = this.connection.collections;
    const options = { projection: { _id: 1 }, sort: { _id: 1 }, limit, batchSize: limit + 1, ...this.connection.limit } as const;
    const found = await this.connection.call(() => tokens.find({ _id: { $gt: wellFormed(after) } }, options).toArray());
    return found.map(({ _id }) => asItWas(_id));
  }

  async remove(owner: string, id?: string): Promise<readonly string[]> {
    const { tokens } = this.connection.collections;
    const change = id === undefined ? { $set: { tokens: [] } } : { $pull: { tokens: { id } } };
    const before = await this.connection.call(() =>
      tokens.findOneAndUpdate({ _id: wellFormed(owner) }, change, { returnDocument: 'before', ...this.connection.limit }),
    );
    return (before?.tokens ?? []).map((token) => token.id).filter((one) => id === undefined || one === id);
  }
}

function tokensIn(document: TokensDocument | null): readonly AccessToken[] {
  return (document?.tokens ?? []).map(({ json }) => JSON.parse(json) as AccessToken);
}

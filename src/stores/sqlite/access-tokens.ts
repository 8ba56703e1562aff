import type { AccessToken, AccessTokens } from '../../ports/store/access-tokens';
import { row, rows } from './statements';
import type { StoreConnection } from './store-connection';

/** Personal API tokens, each a row with its JSON. */
export class SqliteAccessTokens implements AccessTokens {
  constructor(private readonly connection: StoreConnection) {}

  add(token: AccessToken, most: number): Promise<boolean> {
    const { id, principal, expiresAt } = token;
    const json = JSON.stringify(token);
    const owner = keyOf(principal.owner);
    const { statements } = this.connection;
    return this.connection.write(() => {
      statements.dropExpiredTokens.run(owner, this.connection.now());
      const [count] = row<[number]>(statements.tokenCount, owner) ?? [0];
      if (count >= most) return false;
      statements.addToken.run(id, owner, expiresAt, json);
      return true;
    });
  }

  get(id: string): Promise<AccessToken | undefined> {
    return this.connection.read(() => {
      const [json] = row<[string]>(this.connection.statements.token, id) ?? [];
      return json === undefined ? undefined : (JSON.parse(json) as AccessToken);
    });
  }

  of(owner: string): Promise<readonly AccessToken[]> {
    return this.connection.read(() =>
      rows<[string]>(this.connection.statements.tokensOf, keyOf(owner))
        .map(([json]) => JSON.parse(json) as AccessToken)
        .toSorted((one, other) => one.createdAt - other.createdAt),
    );
  }

  owners(after: string, limit: number): Promise<readonly string[]> {
    const { tokenOwners } = this.connection.statements;
    return this.connection.read(() =>
      rows<[string]>(tokenOwners, after === '' ? '' : keyOf(after), limit).map(([key]) => JSON.parse(key) as string),
    );
  }

  remove(owner: string, id?: string): Promise<readonly string[]> {
    const { dropToken, dropTokensOf } = this.connection.statements;
    return this.connection.write(() =>
      (id === undefined ? rows<[string]>(dropTokensOf, keyOf(owner)) : rows<[string]>(dropToken, keyOf(owner), id)).map(
        ([dropped]) => dropped,
      ),
    );
  }
}

/** As JSON: SQLite's texts are UTF-8, in which all halves of surrogate pairs are one character. */
function keyOf(owner: string): string {
  return JSON.stringify(owner);
}

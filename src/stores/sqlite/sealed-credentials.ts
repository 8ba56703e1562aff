import type { CredentialKind, CredentialName, SealedCredential, SealedCredentials } from '../../ports/store/sealed-credentials';
import { row, rows } from './statements';
import type { StoreConnection } from './store-connection';

/** Credentials of users, each a row with its JSON. */
export class SqliteSealedCredentials implements SealedCredentials {
  constructor(private readonly connection: StoreConnection) {}

  put(credential: SealedCredential, most: number): Promise<boolean> {
    const { statements } = this.connection;
    const [owner, id] = keysOf(credential);
    const { kind, keyId } = credential;
    const json = JSON.stringify(credential);
    return this.connection.write(() => {
      if (statements.replaceCredential.run(keyId, json, owner, id).changes === 1) return true;
      const [count] = row<[number]>(statements.credentialCount, owner) ?? [0];
      if (count >= most) return false;
      statements.addCredential.run(owner, id, kind, keyId, json);
      return true;
    });
  }

  of(owner: string, kind: CredentialKind): Promise<readonly SealedCredential[]> {
    return this.connection.read(() => parsed(rows<[string]>(this.connection.statements.credentialsOf, JSON.stringify(owner), kind)));
  }

  remove(name: CredentialName): Promise<boolean> {
    return this.connection.write(() => this.connection.statements.dropCredential.run(...keysOf(name)).changes === 1);
  }

  keyIds(): Promise<readonly string[]> {
    return this.connection.read(() => {
      const found: string[] = [];
      const { nextCredentialKey } = this.connection.statements;
      for (let next: [string] | undefined; (next = row<[string]>(nextCredentialKey, found.at(-1) ?? ''));) found.push(...next);
      return found;
    });
  }

  under(keyId: string, limit: number): Promise<readonly SealedCredential[]> {
    return this.connection.read(() => parsed(rows<[string]>(this.connection.statements.credentialsUnder, keyId, limit)));
  }

  reseal(next: SealedCredential, former: SealedCredential): Promise<boolean> {
    const { statements } = this.connection;
    const keys = keysOf(former);
    return this.connection.write(() => {
      const [json] = row<[string]>(statements.credential, ...keys) ?? [];
      if (json !== JSON.stringify(former)) return false;
      return statements.replaceCredential.run(next.keyId, JSON.stringify(next), ...keys).changes === 1;
    });
  }
}

function parsed(found: readonly [string][]): readonly SealedCredential[] {
  return found.map(([json]) => JSON.parse(json) as SealedCredential);
}

/** As JSON: SQLite's texts are UTF-8, in which all halves of surrogate pairs are one character. */
function keysOf({ owner, kind, target }: CredentialName): [owner: string, id: string] {
  return [JSON.stringify(owner), JSON.stringify([kind, target])];
}

import {
  OwnCredentials,
  type CredentialsOfOwners,
  type Login,
  type SavedCredential,
  type Secret,
  type StorageSecrets,
} from '../ports/credentials';
import { Conflict, InvalidRequest } from '../ports/errors';
import type { CredentialKind, SealedCredential, SealedCredentials } from '../ports/store/sealed-credentials';
import type { Owner } from '../task/owner';
import { bareUrl, isBelowPrefix } from '../task/url-prefix';
import type { KeyFile } from './key-file';
import { seal, unseal } from './sealing';
import { targetOf } from './targets';

export interface CredentialStore {
  readonly credentials: SealedCredentials;
  now(): number;
}

export interface CredentialSettings {
  /** Of one owner, of both kinds together. */
  readonly most: number;
  /** Of the storages that use any, with the types that each uses. */
  readonly schemes: ReadonlyMap<string, readonly Secret['type'][]>;
}

const MEMBERS: Readonly<Record<Secret['type'], string>> = { basic: 'username', bearer: 'token' };
const TYPE_WORDS: Readonly<Record<Secret['type'], string>> = { basic: 'username and password', bearer: 'a token' };
const NAMES: Readonly<Record<CredentialKind, string>> = { storage: 'prefix', registry: 'host' };

/** The credentials of users, in the store, encrypted; opened only for what acts for a task of their owner. */
export class UserCredentials extends OwnCredentials implements CredentialsOfOwners {
  constructor(
    private readonly store: CredentialStore,
    private readonly keys: KeyFile,
    private readonly settings: CredentialSettings,
  ) {
    super();
  }

  async of(owner: string, kind: CredentialKind): Promise<readonly SavedCredential[]> {
    const all = (await this.sealed(owner, kind)).map(({ target, savedAt }) => ({ target, savedAt }));
    return all.toSorted((one, other) => (one.target < other.target ? -1 : 1));
  }

  async save(owner: string, kind: CredentialKind, text: string, secret: Secret): Promise<SavedCredential> {
    const target = this.target(kind, text);
    if (kind === 'storage') this.checkType(target, secret.type);
    const name = { owner, kind, target };
    const [key] = await this.keys.read();
    const credential = { ...name, ...seal(secret, name, key), savedAt: this.store.now() };
    const { most } = this.settings;
    if (await this.store.credentials.put(credential, most)) return { target, savedAt: credential.savedAt };
    throw new Conflict(`you have ${most} credentials, as many as one may have (credentials.max_per_user): remove some first`);
  }

  async remove(owner: string, kind: CredentialKind, text: string): Promise<string | undefined> {
    const target = this.target(kind, text);
    return (await this.store.credentials.remove({ owner, kind, target })) ? target : undefined;
  }

  storage({ key }: Owner): StorageSecrets {
    return new SecretsOfTask(() => this.sealed(key, 'storage'), this.keys);
  }

  async logins({ key: owner }: Owner, hosts: readonly string[]): Promise<ReadonlyMap<string, Login>> {
    const found = new Map<string, Login>();
    for (const credential of await this.sealed(owner, 'registry')) {
      if (!hosts.includes(credential.target)) continue;
      const secret = unseal(credential, await this.keys.key(credential.keyId));
      if (secret.type === 'basic') found.set(credential.target, secret);
    }
    return found;
  }

  private sealed(owner: string, kind: CredentialKind): Promise<readonly SealedCredential[]> {
    return this.store.credentials.of(owner, kind);
  }

  /** Throws InvalidRequest. */
  private checkType(target: string, type: Secret['type']): void {
    const scheme = target.slice(0, target.indexOf(':'));
    const types = this.settings.schemes.get(scheme) ?? [];
    if (types.includes(type)) return;
    const message = `is not for ${scheme} URLs, which take ${types.map((one) => TYPE_WORDS[one]).join(' or ')}`;
    const path = `$.${MEMBERS[type]}`;
    throw new InvalidRequest(`${path} ${message}`, { details: [{ path, message }] });
  }

  /** Throws InvalidRequest. What was sent may be a secret in the wrong place: it is not repeated. */
  private target(kind: CredentialKind, text: string): string {
    const found = targetOf(kind, text, [...this.settings.schemes.keys()]);
    if ('target' in found) return found.target;
    const path = `$.${NAMES[kind]}`;
    throw new InvalidRequest(`${path} ${found.fault}`, { details: [{ path, message: found.fault }] });
  }
}

/** Read with the first URL; each is decrypted when a URL needs it, so that one that cannot be concerns its own URLs alone. */
class SecretsOfTask implements StorageSecrets {
  private all: Promise<readonly SealedCredential[]> | undefined;
  private readonly opened = new Map<SealedCredential, Secret>();

  constructor(
    private readonly read: () => Promise<readonly SealedCredential[]>,
    private readonly keys: KeyFile,
  ) {}

  async forUrl(url: string): Promise<Secret | undefined> {
    const bare = bareUrl(url);
    const longest = bare === undefined ? undefined : (await this.known()).find(({ target }) => isBelowPrefix(bare, target));
    if (!longest) return undefined;
    const secret = this.opened.get(longest) ?? unseal(longest, await this.keys.key(longest.keyId));
    this.opened.set(longest, secret);
    return secret;
  }

  /** The longest prefix first. A read that failed is made again. */
  private known(): Promise<readonly SealedCredential[]> {
    this.all ??= this.read()
      .then((all) => all.toSorted((one, other) => other.target.length - one.target.length))
      .catch((error: unknown) => {
        this.all = undefined;
        throw error;
      });
    return this.all;
  }
}

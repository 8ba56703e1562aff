import type { Owner } from '../task/owner';
import type { CredentialKind } from './store/sealed-credentials';

export type { CredentialKind };

/** What users prove with who they are somewhere else. */
export type Secret =
  { readonly type: 'basic'; readonly username: string; readonly password: string } | { readonly type: 'bearer'; readonly token: string };

export type Login = Extract<Secret, { readonly type: 'basic' }>;

/** All that is ever shown of one. */
export interface SavedCredential {
  /** A prefix of URLs, or a host. */
  readonly target: string;
  /** When it was saved last, ms. */
  readonly savedAt: number;
}

/** What users may do with credentials of their own. A secret that was saved is not given back. */
export abstract class OwnCredentials {
  /** By target. */
  abstract of(owner: string, kind: CredentialKind): Promise<readonly SavedCredential[]>;
  /**
   * Replaces the one for the same target. Throws InvalidRequest for what is no such target, Conflict when the owner has as many as one may
   * have, and CredentialError while nothing can be encrypted.
   */
  abstract save(owner: string, kind: CredentialKind, target: string, secret: Secret): Promise<SavedCredential>;
  /** The target as it was saved; `undefined` where there was none. */
  abstract remove(owner: string, kind: CredentialKind, target: string): Promise<string | undefined>;
}

/** What a storage uses for one owner, and one task. */
export interface StorageSecrets {
  /** Of the longest prefix that this URL begins with, by whole segments of the path. Throws CredentialError, and StoreError. */
  forUrl(url: string): Promise<Secret | undefined>;
}

/** What acts for tasks uses of their owners' credentials. */
export interface CredentialsOfOwners {
  storage(owner: Owner): StorageSecrets;
  /** By host, of those that are asked for; as `SavedCredential.target` has it. Throws CredentialError, and StoreError. */
  logins(owner: Owner, hosts: readonly string[]): Promise<ReadonlyMap<string, Login>>;
}

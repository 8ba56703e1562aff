/** For a storage, by prefix of its URLs; for a registry of images, by host. */
export type CredentialKind = 'storage' | 'registry';

/** A login of one user somewhere else, as it is kept: what is secret of it is encrypted, and no store can read it. */
export interface SealedCredential {
  readonly owner: string;
  readonly kind: CredentialKind;
  /** What it is for: a prefix of URLs, or a host. An owner has one of a kind for each. */
  readonly target: string;
  /** Of the key that it is encrypted with. */
  readonly keyId: string;
  /** Base64. */
  readonly sealed: string;
  /** In the store's time, ms. */
  readonly savedAt: number;
}

/** Which one it is. */
export type CredentialName = Pick<SealedCredential, 'owner' | 'kind' | 'target'>;

/** The credentials of everybody. What changes something is durable before it resolves. */
export interface SealedCredentials {
  /**
   * Replaces the owner's own for the same target. False when it would be one more, and the owner has `most` already, of both kinds together.
   * Atomic: two callers never exceed it together.
   */
  put(credential: SealedCredential, most: number): Promise<boolean>;
  /** In any order. */
  of(owner: string, kind: CredentialKind): Promise<readonly SealedCredential[]>;
  /** Whether it was there. */
  remove(name: CredentialName): Promise<boolean>;
  /** Of all keys that any is encrypted with. */
  keyIds(): Promise<readonly string[]>;
  /** Some that are encrypted with this key, `limit` at most; none = there are none. */
  under(keyId: string, limit: number): Promise<readonly SealedCredential[]>;
  /** The same, encrypted anew. False where it is not `former` any more. */
  reseal(next: SealedCredential, former: SealedCredential): Promise<boolean>;
}

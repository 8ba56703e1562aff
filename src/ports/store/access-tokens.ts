import type { Principal, TokenScope } from '../principal';

/** A token that somebody made for a program of theirs, without the secret itself. */
export interface AccessToken {
  /** In every use of the token, and in its address; no secret. */
  readonly id: string;
  /** SHA-256 of the whole token, hex. It is random, so that nothing slower is needed. */
  readonly sha256: string;
  readonly name: string;
  /** Whose it is, as that was when it was made. */
  readonly principal: Principal;
  readonly scopes: readonly TokenScope[];
  /** Both in the store's time, ms. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** `owner` of who made it, where that is somebody else. */
  readonly madeBy?: string;
}

/** The personal API tokens of everybody. */
export interface AccessTokens {
  /**
   * Durable before it resolves. False when its owner has `most` already; those that have expired are deleted first. Atomic: two callers never
   * exceed it together.
   */
  add(token: AccessToken, most: number): Promise<boolean>;
  /** Also one that has expired and was not deleted yet. */
  get(id: string): Promise<AccessToken | undefined>;
  /** The oldest first, as `get`. */
  of(owner: string): Promise<readonly AccessToken[]>;
  /** Whoever has, or had, tokens; as `TaskRecords.owners`. */
  owners(after: string, limit: number): Promise<readonly string[]>;
  /** Deletes one of an owner's, or all of them; durable before it resolves. The ids of those that there were. */
  remove(owner: string, id?: string): Promise<readonly string[]>;
}

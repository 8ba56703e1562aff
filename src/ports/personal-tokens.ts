import type { Principal, Role, TokenScope } from './principal';
import type { AccessToken } from './store/access-tokens';

export interface TokenWish {
  readonly name: string;
  /** Absent = all but `admin`. */
  readonly scopes?: readonly TokenScope[];
  /** Absent = 90 days, or as long as a token may live where that is less. */
  readonly lifetimeMs?: number;
}

export interface MadeToken {
  readonly token: AccessToken;
  /** The token itself. It is kept nowhere. */
  readonly text: string;
}

/** What people may do with the tokens that they make for their programs; served where a login offers it. */
export abstract class PersonalTokens {
  /** Throws InvalidRequest, and Conflict when the owner has as many as one may have. */
  abstract make(caller: Principal, wish: TokenWish): Promise<MadeToken>;
  /**
   * For somebody else, of whom nothing is known but `owner`: with this role, and no groups. Only for admins, which the caller has found out.
   * Throws as `make`.
   */
  abstract makeFor(admin: Principal, owner: string, role: Exclude<Role, 'admin'>, wish: TokenWish): Promise<MadeToken>;
  /** Those that have not expired, the oldest first. */
  abstract of(owner: string): Promise<readonly AccessToken[]>;
  /** Revokes one, or all of an owner: here at once, by other gateways on the store within seconds. How many there were. */
  abstract revoke(owner: string, id?: string): Promise<number>;
}

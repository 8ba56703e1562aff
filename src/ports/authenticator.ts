import type { PersonalTokens } from './personal-tokens';
import type { Principal } from './principal';

export { isOwnerKey, issuedKey, type Principal, type Role, ROLES, TOKEN_SCOPES, type TokenScope, withoutAdmin } from './principal';

/** What a request says of who sends it. */
export interface Credentials {
  /** Lower-case names. Of a repeated `authorization` the guard lets none through. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of the client, as far as proxies are trusted: failed logins are counted by it. */
  readonly address: string;
}

export interface BrowserLogin {
  readonly issuer: string;
  readonly clientId: string;
  /** What it asks the provider for. */
  readonly scopes: readonly string[];
}

/** One way to prove who one is. */
export abstract class Authenticator {
  abstract readonly scheme: string;
  /** How a client is asked for it (`WWW-Authenticate`, RFC 9110 11.6.1), such as `Bearer`; absent = it asks nobody. */
  readonly challenge?: string;
  /** As the OpenAPI document names it, with what TES has words for; absent = it is not in the document. */
  readonly httpScheme?: 'basic' | 'bearer';
  /** Where a person who reads the documentation in a browser may log in: authorization code with PKCE, by a client without a secret. */
  browserLogin?(): BrowserLogin | undefined;
  /** The tokens that it takes are made by users of this server. */
  readonly personalTokens?: PersonalTokens;
  /**
   * Whether a principal as `authenticate` returned it would be let in by the same credentials now, as far as this process knows. Cheap: it is
   * asked for each request of a connection that sends them again. Absent = they are looked at each time.
   */
  stillHolds?(principal: Principal): boolean;
  /** `undefined` = "not my scheme"; throws `Unauthenticated` = "mine, and bad", `TooManyRequests` = "not now, whether good or bad". */
  abstract authenticate(credentials: Credentials, signal: AbortSignal): Promise<Principal | undefined>;
}

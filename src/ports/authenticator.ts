/** What a principal may do (`src/auth/README.md`). `admin` counts more than `user`, `user` more than `viewer`. */
export const ROLES = ['user', 'admin', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

/** Who is asking. `owner` = issuer and subject (`issuedKey`); tasks belong to it. `groups` = issuer and name of each. */
export interface Principal {
  readonly kind: 'anonymous' | 'user' | 'service';
  readonly owner: string;
  readonly name: string;
  readonly groups: readonly string[];
  /** Empty = may do nothing but ask who it is. */
  readonly roles: readonly Role[];
}

/** What a request says of who sends it. */
export interface Credentials {
  /** Lower-case names. Of a repeated `authorization` the guard lets none through. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of the client, as far as proxies are trusted: failed logins are counted by it. */
  readonly address: string;
}

/** One way to prove who one is. */
export abstract class Authenticator {
  abstract readonly scheme: string;
  /** How a client is asked for it (`WWW-Authenticate`, RFC 9110 11.6.1), such as `Bearer`; absent = it asks nobody. */
  readonly challenge?: string;
  /** As the OpenAPI document names it, with what TES has words for; absent = it is not in the document. */
  readonly httpScheme?: 'basic' | 'bearer';
  /** `undefined` = "not my scheme"; throws `Unauthenticated` = "mine, and bad", `TooManyRequests` = "not now, whether good or bad". */
  abstract authenticate(credentials: Credentials, signal: AbortSignal): Promise<Principal | undefined>;
}

/** One text for what one issuer names: two different pairs never have the same. `issuer` must not hold `|`, which no URL does. */
export function issuedKey(issuer: string, name: string): string {
  return `${issuer}|${name}`;
}

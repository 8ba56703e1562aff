/** What a principal may do (`src/auth/README.md`). `admin` counts more than `user`, `user` more than `viewer`. */
export const ROLES = ['user', 'admin', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

/** What a token may be used for: each route needs one of them (`src/api/auth/route-rules.ts`). */
export const TOKEN_SCOPES = ['read', 'create', 'cancel', 'admin'] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

/** Who is asking. `owner` = issuer and subject (`issuedKey`); tasks belong to it. `groups` = issuer and name of each. */
export interface Principal {
  readonly kind: 'anonymous' | 'user' | 'service';
  readonly owner: string;
  readonly name: string;
  readonly groups: readonly string[];
  /** Empty = may do nothing but ask who it is. */
  readonly roles: readonly Role[];
  /** What the token that was sent covers; absent = everything, as a password does. */
  readonly scopes?: readonly TokenScope[];
  /** What its issuer calls those that it lacks; absent = a personal API token, of which they are called as they are here. */
  readonly lacking?: Readonly<Partial<Record<TokenScope, string>>>;
}

/** Those of an admin whose token does not cover what admins do. */
export function withoutAdmin(roles: readonly Role[]): readonly Role[] {
  return [...new Set(roles.map((role) => (role === 'admin' ? 'user' : role)))];
}

const LONGEST_OWNER = 1000;

/** Whether this may be the `owner` of somebody who logs in: issuer and subject. */
export function isOwnerKey(text: string): boolean {
  return /^[^|]+\|[^]+$/.test(text) && text.length <= LONGEST_OWNER && text.isWellFormed();
}

/** One text for what one issuer names: two different pairs never have the same. `issuer` must not hold `|`, which no URL does. */
export function issuedKey(issuer: string, name: string): string {
  return `${issuer}|${name}`;
}

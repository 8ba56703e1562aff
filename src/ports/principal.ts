/** What a principal may do (`src/auth/README.md`). `admin` counts more than `user`, `user` more than `viewer`. */
export const ROLES = ['user', 'admin', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

/** What a personal API token may be used for: each route needs one of them (`src/api/auth/route-rules.ts`). */
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
  /** What the personal API token that was sent covers; absent = it was another login, which covers everything. */
  readonly scopes?: readonly TokenScope[];
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

import { issuedKey, type Principal, type Role, TOKEN_SCOPES, type TokenScope, withoutAdmin } from '../../ports/authenticator';

/** An entry of `auth.oidc.issuers`. */
export interface IssuerEntry {
  /** Exactly as the provider calls itself (`iss`). */
  readonly url: string;
  /** What a token must be meant for (`aud`). */
  readonly audience: string;
  /** Claims, or paths to them (`realm_access.roles`). */
  readonly groups_claim?: string;
  readonly roles_claim?: string;
  /** Values of the claim of roles that make an admin, a viewer, a user; without `user_values` everybody of the issuer is a user. */
  readonly admin_values?: readonly string[];
  readonly viewer_values?: readonly string[];
  readonly user_values?: readonly string[];
  /** The claim of scopes (`scope`), and what must be among them for each kind of operation; one that is not named here needs nothing. */
  readonly scopes_claim?: string;
  readonly scopes?: Readonly<Partial<Record<TokenScope, string>>>;
  /** Who the gateway is to the provider, when it asks it about opaque tokens. */
  readonly client_id?: string;
  readonly client_secret?: string;
  /** A public client by which people log in at `/docs`; absent = they cannot. */
  readonly docs_client_id?: string;
  /** Whether opaque tokens are taken, and the provider is asked about them (RFC 7662). */
  readonly introspection?: boolean;
}

export type Claims = Readonly<Record<string, unknown>> & { readonly sub: string };

/** What people are called goes no longer than this; it is only shown. */
const LONGEST_NAME = 200;

/** Who a token is of. The claims are verified. */
export function principalOf(entry: IssuerEntry, claims: Claims): Principal {
  const { url, groups_claim: groupsClaim = 'groups', roles_claim: rolesClaim } = entry;
  const { sub, client_id: client, azp = client } = claims;
  const given = rolesClaim === undefined ? [] : texts(claimAt(claims, rolesClaim));
  const has = (values: readonly string[] = []): boolean => given.some((value) => values.includes(value));
  const roles: Role[] = [];
  if (has(entry.admin_values)) roles.push('admin');
  if (entry.user_values === undefined ? !has(entry.viewer_values) : has(entry.user_values)) roles.push('user');
  if (has(entry.viewer_values)) roles.push('viewer');
  const called = [claims['preferred_username'], claims['name'], claims['email']].find((one) => typeof one === 'string' && one !== '');
  const lacking = lackingOf(entry, claims).filter(([scope]) => scope !== 'admin' || roles.includes('admin'));
  const covers = (scope: TokenScope): boolean => lacking.every(([one]) => one !== scope);
  return {
    // A client that asked for itself (client credentials) has no user behind it.
    kind: azp === sub ? 'service' : 'user',
    owner: issuedKey(url, sub),
    name: (called === undefined ? sub : (called as string)).slice(0, LONGEST_NAME),
    groups: texts(claimAt(claims, groupsClaim)).map((group) => issuedKey(url, group)),
    roles: covers('admin') ? roles : withoutAdmin(roles),
    ...(lacking.length > 0 && {
      scopes: TOKEN_SCOPES.filter((scope) => covers(scope) && (scope !== 'admin' || roles.includes('admin'))),
      lacking: Object.fromEntries(lacking),
    }),
  };
}

function lackingOf({ scopes = {}, scopes_claim: claim = 'scope' }: IssuerEntry, claims: Claims): readonly [TokenScope, string][] {
  const given = texts(claimAt(claims, claim));
  return TOKEN_SCOPES.flatMap((scope): [TokenScope, string][] => {
    const needed = scopes[scope];
    return needed === undefined || given.includes(needed) ? [] : [[scope, needed]];
  });
}

/** A claim of this very name (`https://example.org/groups`), else one inside of others (`realm_access.roles`). */
function claimAt(claims: object, path: string): unknown {
  const own = (node: unknown, name: string): unknown =>
    typeof node === 'object' && node !== null && Object.hasOwn(node, name) ? (node as Record<string, unknown>)[name] : undefined;
  return own(claims, path) ?? path.split('.').reduce<unknown>(own, claims);
}

/** A list of words, or one text of words as `scope` is; without what UTF-8 cannot tell apart. */
function texts(value: unknown): readonly string[] {
  const list: readonly unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  return list.filter((one): one is string => typeof one === 'string' && one !== '' && one.isWellFormed());
}

import { type Principal, type Role, type TokenScope, withoutAdmin } from '../../ports/authenticator';
import { Conflict, Forbidden, InvalidRequest } from '../../ports/errors';
import { type MadeToken, PersonalTokens, type TokenWish } from '../../ports/personal-tokens';
import type { AccessToken, AccessTokens } from '../../ports/store/access-tokens';
import { hashOfToken, newToken } from '../shared/token-text';
import type { KnownTokens } from './known-tokens';

const DAY_MS = 86_400_000;
const USUAL_MS = 90 * DAY_MS;
const USUAL_SCOPES: readonly TokenScope[] = ['read', 'create', 'cancel'];
/** Of what is kept of a principal: all tokens of one owner are read together. */
const MOST_PRINCIPAL_BYTES = 64 * 1024;

export interface TokenLimits {
  readonly longestMs: number;
  /** Of one owner. */
  readonly most: number;
}

interface TokenStore {
  readonly accessTokens: AccessTokens;
  now(): number;
}

/** Makes and revokes tokens, in the store. */
export class OwnTokens extends PersonalTokens {
  constructor(
    private readonly store: TokenStore,
    private readonly known: Pick<KnownTokens, 'forget'>,
    private readonly limits: TokenLimits,
  ) {
    super();
  }

  async make(caller: Principal, wish: TokenWish): Promise<MadeToken> {
    const { scopes = USUAL_SCOPES } = wish;
    const isAdmin = caller.roles.includes('admin');
    if (scopes.includes('admin') && !isAdmin) throw new Forbidden('only an admin can have a token with the scope admin');
    // Without that scope a token of an admin is one of a user.
    const roles = isAdmin && !scopes.includes('admin') ? withoutAdmin(caller.roles) : caller.roles;
    const { kind, owner, name, groups } = caller;
    return this.add({ kind, owner, name, groups, roles }, wish, scopes);
  }

  async makeFor(admin: Principal, owner: string, role: Exclude<Role, 'admin'>, wish: TokenWish): Promise<MadeToken> {
    const { scopes = USUAL_SCOPES } = wish;
    if (scopes.includes('admin')) throw new InvalidRequest('a token for somebody else cannot have the scope admin');
    return this.add({ kind: 'service', owner, name: nameIn(owner), groups: [], roles: [role] }, wish, scopes, admin.owner);
  }

  async of(owner: string): Promise<readonly AccessToken[]> {
    const now = this.store.now();
    return (await this.store.accessTokens.of(owner)).filter(({ expiresAt }) => expiresAt > now);
  }

  async revoke(owner: string, id?: string): Promise<number> {
    const removed = await this.store.accessTokens.remove(owner, id);
    for (const one of removed) this.known.forget(one);
    return removed.length;
  }

  private async add(principal: Principal, wish: TokenWish, scopes: readonly TokenScope[], madeBy?: string): Promise<MadeToken> {
    const { longestMs, most } = this.limits;
    const { name, lifetimeMs = Math.min(USUAL_MS, longestMs) } = wish;
    if (lifetimeMs > longestMs) throw new InvalidRequest(`a token may live for ${longestMs / DAY_MS} days at most (auth.token.max_days)`);
    if (Buffer.byteLength(JSON.stringify(principal)) > MOST_PRINCIPAL_BYTES)
      throw new InvalidRequest('nobody with that many groups can have a token');
    const { id, text } = newToken();
    const createdAt = this.store.now();
    const token: AccessToken = {
      id,
      sha256: hashOfToken(text).toString('hex'),
      name,
      principal,
      scopes,
      createdAt,
      expiresAt: createdAt + Math.ceil(lifetimeMs),
      ...(madeBy !== undefined && { madeBy }),
    };
    if (await this.store.accessTokens.add(token, most)) return { token, text };
    throw new Conflict(`${principal.owner} has ${most} tokens, as many as one may have (auth.token.max_per_user): revoke some first`);
  }
}

/** `issuer|subject`: people know the subject. */
function nameIn(owner: string): string {
  return owner.slice(owner.indexOf('|') + 1);
}

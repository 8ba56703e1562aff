import { timingSafeEqual } from 'node:crypto';
import { Authenticator, type Credentials, type Principal } from '../../ports/authenticator';
import { Unauthenticated } from '../../ports/errors';
import type { AccessToken } from '../../ports/store/access-tokens';
import { bearerToken, hashOfToken, idOfToken } from '../shared/token-text';
import type { KnownTokens } from './known-tokens';
import type { OwnTokens } from './own-tokens';

/** Tokens that users made for their programs, in place of a password or a token of a provider. */
export class TokenAuthenticator extends Authenticator {
  readonly scheme = 'token';
  override readonly challenge = 'Bearer realm="tes-gateway"';
  override readonly httpScheme = 'bearer';
  private readonly letIn = new WeakMap<Principal, AccessToken>();

  constructor(
    override readonly personalTokens: OwnTokens,
    private readonly known: KnownTokens,
    /** The store's clock: every gateway ends a token at the same moment. */
    private readonly now: () => number,
  ) {
    super();
  }

  async authenticate({ headers, address }: Credentials): Promise<Principal | undefined> {
    const text = bearerToken(headers['authorization']);
    const id = text === undefined ? undefined : idOfToken(text);
    if (text === undefined || id === undefined) return undefined;
    const token = await this.known.get(id, address);
    if (!token || !timingSafeEqual(hashOfToken(text), Buffer.from(token.sha256, 'hex')))
      throw new Unauthenticated('the token is not valid', { owner: token?.principal.owner });
    if (token.expiresAt <= this.now()) throw new Unauthenticated('the token has expired', { owner: token.principal.owner });
    const principal = { ...token.principal, scopes: token.scopes };
    this.letIn.set(principal, token);
    return principal;
  }

  override stillHolds(principal: Principal): boolean {
    const token = this.letIn.get(principal);
    return token !== undefined && this.known.isKnown(token) && this.now() < token.expiresAt;
  }
}

import { decodeJwt, type JWTPayload } from 'jose';
import { Authenticator, type BrowserLogin, type Credentials, type Principal } from '../../ports/authenticator';
import { Unauthenticated } from '../../ports/errors';
import { FailedLogins } from '../shared/failed-logins';
import { bearerToken, idOfToken } from '../shared/token-text';
import type { Issuer } from './issuer';
import { Remembered } from './remembered';

/** A token that was good is not verified again for so long, ms, and one that was not is not asked about. */
const REMEMBERED_MS = { good: 60_000, bad: 10_000 };

/** Tokens of OpenID providers that the settings name (RFC 6750): JWTs are verified here, others by asking. */
export class OidcAuthenticator extends Authenticator {
  readonly scheme = 'oidc';
  override readonly challenge = 'Bearer realm="tes-gateway"';
  override readonly httpScheme = 'bearer';
  private readonly tokens: Remembered<Principal | 'bad'>;
  private readonly underWay = new Map<string, Promise<Principal>>();
  /** Until when they are not looked at again. */
  private readonly letIn = new WeakMap<Principal, number>();
  private readonly byUrl: ReadonlyMap<string, Issuer>;

  constructor(
    private readonly issuers: readonly Issuer[],
    /** Counted apart: whoever makes up opaque tokens keeps out nobody with a JWT, which costs no question. */
    private readonly failed = { jwts: new FailedLogins(), opaque: new FailedLogins() },
    private readonly now: () => number = Date.now,
  ) {
    super();
    this.tokens = new Remembered(now);
    this.byUrl = new Map(issuers.map((issuer) => [issuer.entry.url, issuer]));
  }

  async authenticate({ headers, address }: Credentials): Promise<Principal | undefined> {
    const token = bearerToken(headers['authorization']);
    // One of this server's own is shown to no provider.
    if (token === undefined || idOfToken(token) !== undefined) return undefined;
    const known = this.tokens.get(token);
    if (known?.isFresh === true) {
      if (known.value === 'bad') throw new Unauthenticated('the token is not valid');
      return known.value;
    }
    // A client that opens many connections at once asks the same on each.
    const same = this.underWay.get(token);
    if (same) return same;
    const wasGood = known !== undefined && known.value !== 'bad';
    const asked = this.ask(token, address, wasGood).finally(() => this.underWay.delete(token));
    this.underWay.set(token, asked);
    return asked;
  }

  override stillHolds(principal: Principal): boolean {
    return this.now() < (this.letIn.get(principal) ?? -Infinity);
  }

  /** Of the first provider that has a client for it: Swagger UI knows one. */
  override browserLogin(): BrowserLogin | undefined {
    const entry = this.issuers.find((issuer) => issuer.entry.docs_client_id !== undefined)?.entry;
    if (entry?.docs_client_id === undefined) return undefined;
    const scopes = [...new Set(['openid', ...Object.values(entry.scopes ?? {})])];
    return { issuer: entry.url, clientId: entry.docs_client_id, scopes };
  }

  private async ask(token: string, address: string, wasGood: boolean): Promise<Principal> {
    const { principal, expiresAt } = await this.look(token, address, wasGood);
    const until = Math.min(expiresAt, this.now() + REMEMBERED_MS.good);
    this.tokens.put(token, principal, until);
    this.letIn.set(principal, until);
    return principal;
  }

  private async look(token: string, address: string, wasGood: boolean): ReturnType<Issuer['verify']> {
    if (/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) {
      const claims = claimsOf(token);
      const issuer = this.byUrl.get(claims.iss ?? '');
      // No request leaves for one that is not in the list.
      if (!issuer) throw new Unauthenticated('the token is of an issuer that is not trusted here');
      // Clients go on sending one that has expired: it is no guess, and keeps nobody out behind the same address.
      issuer.checkClaims(claims);
      // Nor is whoever has been let in kept out by others that guess from its address.
      return wasGood ? issuer.verify(token) : this.failed.jwts.unlessTooMany(address, () => issuer.verify(token));
    }
    if (!/^[\w.~+/-]+=*$/.test(token)) throw new Unauthenticated('the Authorization header holds no token');
    const asked = this.issuers.filter(({ entry }) => entry.introspection === true);
    // Each is a question to a provider: no address has it asked about any number of tokens that it made up.
    // Who has been let in is never held up by others that guess from its address.
    const takeBack = asked.length > 0 && !wasGood ? this.failed.opaque.begin(address) : undefined;
    let hasFailed = false;
    try {
      for (const issuer of asked) {
        const found = await issuer.introspect(token, address);
        if (found) return found;
      }
      hasFailed = true;
    } finally {
      if (!hasFailed) takeBack?.();
    }
    this.tokens.put(token, 'bad', this.now() + REMEMBERED_MS.bad);
    throw new Unauthenticated('the token is not valid');
  }
}

/** What a token says of itself: to be verified. */
function claimsOf(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch {
    throw new Unauthenticated('the token cannot be read');
  }
}

import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload } from 'jose';
import { allowInsecureRequests, type Configuration, discovery, None, tokenIntrospection } from 'openid-client';
import type { Principal } from '../../ports/authenticator';
import { Unauthenticated, Unavailable } from '../../ports/errors';
import { networkOf } from '../../ports/host-name';
import { Turns, type TurnLimits } from '../shared/turns';
import { type Claims, type IssuerEntry, principalOf } from './claims';

export interface IssuerLimits {
  /** Of one request to the provider, ms. */
  readonly timeoutMs: number;
  /** Between two looks at its keys because a token names another one, ms. */
  readonly cooldownMs: number;
  /** Between two tries at reaching it, ms. */
  readonly retryMs: number;
  /** Keys older than this are asked for again, beside the requests, ms: one that is gone is not taken for longer than that. */
  readonly keysMs: number;
  /** Questions about tokens, of which one address may not have all places. */
  readonly introspections: TurnLimits;
}

export const LIMITS: IssuerLimits = {
  timeoutMs: 5000,
  // Whoever makes up names of keys delays a new one by no more than this.
  cooldownMs: 5000,
  retryMs: 5000,
  keysMs: 600_000,
  introspections: { atOnce: 16, atOnceOfOne: 4, waiting: 64 },
};

/** Signatures by a key pair only: with `HS256` whoever knows the public key could sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
/** Clocks of two machines differ, s. */
const LEEWAY_S = 30;

interface Found {
  readonly principal: Principal;
  /** When the token ends, ms since the epoch. */
  readonly expiresAt: number;
}

interface Provider {
  readonly configuration: Configuration;
  readonly keys: ReturnType<typeof createRemoteJWKSet>;
  refreshedAt: number;
  /** Keys that are being read, or were, before anything is verified. */
  waitedFor?: Promise<void>;
}

/** One provider that is trusted. Nothing is asked of it before the first token that names it. */
export class Issuer {
  private provider: Promise<Provider> | undefined;
  private readonly tried = new Map<string, number>();
  private readonly questions: Turns;

  constructor(
    readonly entry: IssuerEntry,
    private readonly limits = LIMITS,
    private readonly now: () => number = Date.now,
  ) {
    this.questions = new Turns(limits.introspections);
  }

  /** Throws Unauthenticated when a token cannot be good by what it says of itself: to find that out costs nothing. */
  checkClaims({ exp, aud }: JWTPayload): void {
    if (typeof exp === 'number' && (exp + LEEWAY_S) * 1000 <= this.now()) throw new Unauthenticated('the token has expired');
    if (![aud].flat().includes(this.entry.audience)) throw new Unauthenticated("the token's claim aud is not acceptable");
  }

  /** A JWT whose unverified `iss` is this one. Throws Unauthenticated, and Unavailable while the provider's keys are not to be had. */
  async verify(token: string): Promise<Found> {
    const { keys } = await this.reach();
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: this.entry.url,
        audience: this.entry.audience,
        algorithms: ALGORITHMS,
        clockTolerance: LEEWAY_S,
        currentDate: new Date(this.now()),
        requiredClaims: ['sub', 'exp'],
      });
      return this.found(payload);
    } catch (error) {
      throw refusal(error);
    }
  }

  /** An opaque token; `undefined` = not of this provider, or no longer good. Throws Unavailable, TooManyRequests. */
  introspect(token: string, address: string): Promise<Found | undefined> {
    return this.questions.take(networkOf(address), () => this.ask(token));
  }

  private async ask(token: string): Promise<Found | undefined> {
    try {
      const { configuration } = await this.reach();
      const answer = await tokenIntrospection(configuration, token);
      const { active, iss = this.entry.url, aud = [] } = answer;
      const isMeant = [aud].flat().includes(this.entry.audience);
      // Of a client that acts for itself some providers name the client alone; in a JWT it is the subject, too (RFC 9068, 2.2).
      const { sub = answer.client_id } = answer;
      return active && iss === this.entry.url && isMeant ? this.found({ ...answer, ...(sub !== undefined && { sub }) }) : undefined;
    } catch (error) {
      if (error instanceof Unauthenticated) return undefined;
      throw error instanceof Unavailable ? error : away(error);
    }
  }

  private found(payload: JWTPayload): Found {
    const { sub, exp } = payload;
    // Stores write UTF-8, in which all halves of surrogate pairs are one character: two subjects would be one owner.
    if (typeof sub !== 'string' || sub === '' || !sub.isWellFormed()) throw new Unauthenticated('the token names no subject');
    if (typeof exp !== 'number' || (exp + LEEWAY_S) * 1000 <= this.now()) throw new Unauthenticated('the token has expired');
    return { principal: principalOf(this.entry, payload as Claims), expiresAt: (exp + LEEWAY_S) * 1000 };
  }

  private async reach(): Promise<Provider> {
    this.provider ??= this.discover();
    const provider = await this.provider.catch((error: unknown) => {
      this.provider = undefined;
      throw error instanceof Unavailable ? error : away(error);
    });
    const age = this.now() - provider.refreshedAt;
    if (age >= this.limits.keysMs) {
      provider.refreshedAt = this.now();
      // While the provider is away the keys that are known go on; it is asked again after as long.
      const reading = provider.keys.reload().catch(() => undefined);
      // Nobody has come for long: what has gone meanwhile must not let in the first who does.
      if (age >= 2 * this.limits.keysMs) provider.waitedFor = reading;
    }
    await provider.waitedFor;
    return provider;
  }

  private async discover(): Promise<Provider> {
    const { url, client_id: id = 'tes-gateway', client_secret: secret } = this.entry;
    const { timeoutMs } = this.limits;
    const configuration = await this.spaced('discovery', () =>
      discovery(new URL(url), id, secret, secret === undefined ? None() : undefined, {
        timeout: timeoutMs / 1000,
        // Only on a loopback address (`auth.oidc.issuers`).
        ...(url.startsWith('http:') && { execute: [allowInsecureRequests] }),
      }),
    );
    const { jwks_uri: uri } = configuration.serverMetadata();
    if (uri === undefined) throw new Error(`${url} names no keys (jwks_uri)`);
    const keys = createRemoteJWKSet(new URL(uri), {
      timeoutDuration: timeoutMs,
      cooldownDuration: this.limits.cooldownMs,
      // `reach` has them read again, without holding up requests.
      cacheMaxAge: Infinity,
      [customFetch]: (address, options) => this.spaced('keys', () => fetch(address, options as RequestInit)),
    });
    return { configuration, keys, refreshedAt: this.now() };
  }

  /** However many tokens ask for it, and whatever came of it the last time. */
  private async spaced<T>(what: string, work: () => Promise<T>): Promise<T> {
    const triedAt = this.tried.get(what) ?? -Infinity;
    if (this.now() - triedAt < this.limits.retryMs) throw away(undefined);
    this.tried.set(what, this.now());
    return work();
  }
}

function away(cause: unknown): Unavailable {
  return new Unavailable('the identity provider cannot be asked at the moment', { cause, retryAfterSeconds: 5 });
}

/** What is wrong with a token is said by type; whatever else went wrong is between the gateway and the provider. */
function refusal(error: unknown): Error {
  if (error instanceof Unauthenticated || error instanceof Unavailable) return error;
  if (error instanceof errors.JWTExpired) return new Unauthenticated('the token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) return new Unauthenticated(`the token's claim ${error.claim} is not acceptable`);
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || !(error instanceof errors.JOSEError))
    return away(error);
  // `fetch` of the keys was answered, but not with keys.
  if (error.code === 'ERR_JOSE_GENERIC') return away(error);
  return new Unauthenticated('the token cannot be verified', { cause: error });
}

import type { AccessToken, AccessTokens } from '../../ports/store/access-tokens';
import type { FailedLogins } from '../shared/failed-logins';

/** A token is looked up again after this long, ms: so long one that another gateway revoked goes on here. */
export const FRESH_MS = 5000;
const MOST = 10_000;

interface Known {
  /** Absent = there was none. */
  readonly token: AccessToken | undefined;
  readonly until: number;
}

/** What the store said of tokens, for a few seconds, whether there was one or not. */
export class KnownTokens {
  /** By id, the oldest look first. */
  private readonly known = new Map<string, Known>();
  private readonly underWay = new Map<string, Promise<AccessToken | undefined>>();

  private forgotten = 0;

  constructor(
    private readonly store: { readonly accessTokens: Pick<AccessTokens, 'get'> },
    private readonly failed: FailedLogins,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Throws TooManyRequests for an address that has asked for too many that there are not, and StoreError. */
  async get(id: string, address: string): Promise<AccessToken | undefined> {
    const known = this.known.get(id);
    if (known && this.now() < known.until) return known.token;
    // A client that opens many connections at once asks the same on each.
    const same = this.underWay.get(id);
    if (same) return same;
    // Who has been let in is never held up by others that guess from its address.
    const takeBack = known?.token ? (): void => undefined : this.failed.begin(address);
    const asked = this.look(id, takeBack).finally(() => {
      if (this.underWay.get(id) === asked) this.underWay.delete(id);
    });
    this.underWay.set(id, asked);
    return asked;
  }

  /** Whether `get` would say the same without a look into the store. */
  isKnown(token: AccessToken): boolean {
    const known = this.known.get(token.id);
    return known?.token === token && this.now() < known.until;
  }

  /** It is no more, as this process knows. */
  forget(id: string): void {
    this.forgotten += 1;
    this.underWay.delete(id);
    this.keep(id, undefined);
  }

  private async look(id: string, takeBack: () => void): Promise<AccessToken | undefined> {
    let isThere = true;
    const { forgotten } = this;
    try {
      const token = await this.store.accessTokens.get(id);
      isThere = token !== undefined;
      // What was read while some were revoked may be one of those.
      return forgotten === this.forgotten ? this.keep(id, token) : token;
    } finally {
      // What could not be looked up has not failed.
      if (isThere) takeBack();
    }
  }

  private keep(id: string, token: AccessToken | undefined): AccessToken | undefined {
    this.known.delete(id);
    this.known.set(id, { token, until: this.now() + FRESH_MS });
    const [oldest] = this.known.size > MOST ? this.known.keys() : [];
    if (oldest !== undefined) this.known.delete(oldest);
    return token;
  }
}

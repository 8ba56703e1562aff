import { TooManyRequests, Unauthenticated } from '../../ports/errors';
import { networkOf } from '../../ports/host-name';
import { type Rate, TokenBuckets } from '../../ports/token-buckets';

export interface FailedLoginLimits {
  readonly name: Rate;
  readonly address: Rate;
  /** Addresses, and names from them, that are counted at once. */
  readonly counted: number;
}

const MINUTE_MS = 60_000;

/** `rates.failed_logins`, of one address; a sixth of it for one name. */
export function failedLoginLimits(perMinute: number): FailedLoginLimits {
  const ofName = Math.ceil(perMinute / 6);
  return {
    name: { most: ofName, everyMs: MINUTE_MS / ofName },
    address: { most: perMinute, everyMs: MINUTE_MS / perMinute },
    counted: 20_000,
  };
}

/**
 * How many logins of an address may fail, and how many for one name. Counted by name and address together, so that nobody can lock
 * somebody else out from afar, and whether or not there is such a name.
 */
export class FailedLogins {
  private readonly addresses: TokenBuckets;
  private readonly names: TokenBuckets;

  constructor({ name, address, counted }: FailedLoginLimits = failedLoginLimits(60), now?: () => number) {
    this.addresses = new TokenBuckets(address, counted, now);
    this.names = new TokenBuckets(name, counted, now);
  }

  /** Counts an attempt as failed, before it is looked at; what is returned takes that back. Throws TooManyRequests. */
  begin(address: string, name?: string): () => void {
    const counted = this.check(address, name);
    for (const [buckets, key] of counted) buckets.take(key);
    return () => {
      for (const [buckets, key] of counted) buckets.giveBack(key);
    };
  }

  /**
   * For what is looked at so quickly that it need not be counted before: any number of good ones may come at once. Resolves and rejects as
   * `look`, and with TooManyRequests.
   */
  async unlessTooMany<T>(address: string, look: () => Promise<T>): Promise<T> {
    const counted = this.check(address);
    try {
      return await look();
    } catch (error) {
      // What could not be looked at has not failed.
      if (error instanceof Unauthenticated) for (const [buckets, key] of counted) buckets.take(key);
      throw error;
    }
  }

  private check(address: string, name?: string): readonly (readonly [TokenBuckets, string])[] {
    const from = networkOf(address);
    const counted = [[this.addresses, from] as const, ...(name === undefined ? [] : [[this.names, `${from} ${name}`] as const])];
    for (const [buckets, key] of counted) {
      const waitMs = buckets.waitMs(key);
      if (waitMs > 0)
        throw new TooManyRequests('too many logins failed (setting rates.failed_logins)', { retryAfterSeconds: Math.ceil(waitMs / 1000) });
    }
    return counted;
  }
}

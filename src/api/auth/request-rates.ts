import type { Principal } from '../../ports/authenticator';
import { TooManyRequests } from '../../ports/errors';
import { isLoopback, networkOf } from '../../ports/host-name';
import { TokenBuckets } from '../../ports/token-buckets';

/** Kinds of requests that are counted; the settings `rates.KIND` and `rates.KIND_per_address`. */
const COUNTED = ['creates', 'lists', 'gets'] as const;
export type Counted = (typeof COUNTED)[number];
/** Of one user and of one address: so many at once, and as many again in the course of each minute; 0 or absent = no limit. */
export type RateLimits = Readonly<Partial<Record<Counted, { readonly ofUser: number; readonly ofAddress: number }>>>;

const MINUTE_MS = 60_000;
/** Users, and addresses, whose requests of one kind are counted at once. */
const MOST_COUNTED = 50_000;

interface Limit {
  readonly most: number;
  readonly buckets: TokenBuckets;
  /** What is answered. */
  readonly words: string;
}

/** How fast one user, and one address, may ask: what is over is answered 429, and takes nothing from others. */
export class RequestRates {
  private readonly ofUsers: Partial<Record<Counted, Limit>> = {};
  private readonly ofAddresses: Partial<Record<Counted, Limit>> = {};
  private last: { readonly address: string; readonly network: string | undefined } | undefined;

  constructor(limits: RateLimits, now?: () => number) {
    for (const kind of COUNTED) {
      const add = (to: Partial<Record<Counted, Limit>>, most: number, who: string, setting: string): void => {
        if (most === 0) return;
        const buckets = new TokenBuckets({ most, everyMs: MINUTE_MS / most }, MOST_COUNTED, now);
        const cure = 'wait as long as Retry-After says, and send them more slowly';
        to[kind] = { most, buckets, words: `more than ${most} ${kind} within a minute came from ${who} (setting ${setting}): ${cure}` };
      };
      const { ofUser, ofAddress } = limits[kind] ?? { ofUser: 0, ofAddress: 0 };
      add(this.ofUsers, ofUser, 'you', `rates.${kind}`);
      add(this.ofAddresses, ofAddress, 'your address', `rates.${kind}_per_address`);
    }
  }

  /** Throws TooManyRequests; nothing is counted then. */
  count(kind: Counted, { kind: who, owner }: Principal, address: string): void {
    const counted: { limit: Limit; key: string }[] = [];
    // Everybody is the one principal without a login: one of them would take it from all.
    const ofUser = who === 'anonymous' ? undefined : this.ofUsers[kind];
    if (ofUser) counted.push({ limit: ofUser, key: owner });
    const ofAddress = this.ofAddresses[kind];
    const network = ofAddress && this.countedNetwork(address);
    if (ofAddress && network !== undefined) counted.push({ limit: ofAddress, key: network });
    for (const { limit, key } of counted) {
      const waitMs = limit.buckets.waitMs(key);
      if (waitMs > 0) throw new TooManyRequests(limit.words, { retryAfterSeconds: Math.ceil(waitMs / 1000) });
    }
    for (const { limit, key } of counted) limit.buckets.take(key);
  }

  /** `undefined` = it is this machine's. Most requests come from the address that the last one came from. */
  private countedNetwork(address: string): string | undefined {
    if (this.last?.address !== address) {
      const network = networkOf(address);
      this.last = { address, network: isLoopback(network) ? undefined : network };
    }
    return this.last.network;
  }

  /** How many of each kind a user may send within a minute, and how many of them are used; a kind without a limit is absent. */
  of({ kind: who, owner }: Principal): Partial<Record<Counted, { readonly most: number; readonly used: number }>> {
    const limits = who === 'anonymous' ? [] : Object.entries(this.ofUsers);
    return Object.fromEntries(limits.map(([kind, { most, buckets }]) => [kind, { most, used: Math.ceil(buckets.used(owner)) }]));
  }
}

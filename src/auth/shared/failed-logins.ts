import { isIPv6 } from 'node:net';
import { TooManyRequests } from '../../ports/errors';

export interface FailedLoginLimits {
  /** So many at once, and one more after each `everyMs`. */
  readonly name: { readonly most: number; readonly everyMs: number };
  readonly address: { readonly most: number; readonly everyMs: number };
  /** Addresses, and names from them, that are counted at once; of more the oldest is forgotten. */
  readonly counted: number;
}

const LIMITS: FailedLoginLimits = { name: { most: 10, everyMs: 10_000 }, address: { most: 100, everyMs: 1000 }, counted: 20_000 };

/**
 * How many logins of an address may fail, and how many for one name. Counted by name and address together, so that nobody can lock
 * somebody else out from afar, and whether or not there is such a name.
 */
export class FailedLogins {
  /** What is used up, and when that was so, by key; the oldest change first. */
  private readonly used = new Map<string, { readonly count: number; readonly at: number }>();

  constructor(
    private readonly limits = LIMITS,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Counts an attempt as failed, before it is looked at; what is returned takes that back. Throws TooManyRequests. */
  begin(address: string, name?: string): () => void {
    const from = networkOf(address);
    const counted = [
      { key: `a ${from}`, ...this.limits.address },
      ...(name === undefined ? [] : [{ key: `n ${from} ${name}`, ...this.limits.name }]),
    ];
    for (const { key, most, everyMs } of counted) {
      const over = this.usedOf(key, everyMs) + 1 - most;
      if (over <= 0) continue;
      throw new TooManyRequests('too many logins failed', { retryAfterSeconds: Math.ceil((over * everyMs) / 1000) });
    }
    for (const { key, everyMs } of counted) this.add(key, everyMs, 1);
    return () => {
      for (const { key, everyMs } of counted) this.add(key, everyMs, -1);
    };
  }

  private usedOf(key: string, everyMs: number): number {
    const used = this.used.get(key);
    return used ? Math.max(0, used.count - (this.now() - used.at) / everyMs) : 0;
  }

  private add(key: string, everyMs: number, change: number): void {
    const count = this.usedOf(key, everyMs) + change;
    this.used.delete(key);
    if (count > 0) this.used.set(key, { count, at: this.now() });
    const [oldest] = this.used.size > this.limits.counted ? this.used.keys() : [];
    if (oldest !== undefined) this.used.delete(oldest);
  }
}

/** Of IPv6 the first 64 bits, which is what one subscriber has. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [before = '', after] = address.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array<string>(zeros).fill('0'), ...tail].slice(0, 4).join(':');
}

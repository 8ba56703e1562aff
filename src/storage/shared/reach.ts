import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Networks } from '../../ports/networks';

/** Which addresses a storage may connect to; plain data. Public ones it always may. */
export interface ReachRule {
  /** Networks whose addresses may be reached although they are loopback, private or reserved. */
  readonly networks: readonly string[];
  /** The setting that names them. */
  readonly setting: string;
}

/**
 * Never reached, whatever is allowed: link-local addresses, and those at which clouds tell a machine its secrets (Amazon, Google, Azure,
 * Alibaba, Oracle, Scaleway).
 */
const NEVER = new Networks([
  '169.254.0.0/16',
  'fe80::/10',
  'fd00:ec2::254',
  'fd20:ce::254',
  'fd00:42::42',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
]);

/** The code of every refusal made here. */
export const FORBIDDEN_ADDRESS = 'EFORBIDDENADDRESS';

export class ForbiddenAddress extends Error {
  readonly code = FORBIDDEN_ADDRESS;
}

type Answer = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** Judges addresses by one rule, and names by all that they resolve to, when a connection is made. */
export class Reach {
  private readonly allowed: Networks;

  constructor(private readonly rule: ReachRule) {
    this.allowed = new Networks(rule.networks);
  }

  /** Of the host of a URL, before anything is looked up; public words that go on after the URL. A name is judged when it is looked up, but for `localhost`. */
  refusalOf(host: string): string | undefined {
    const bare = bareAddress(host);
    const isHere = bare === 'localhost' || bare.endsWith('.localhost');
    return this.refusalOfAddress(isHere ? '127.0.0.1' : bare);
  }

  /** The same of an address; `undefined` also for what is none. */
  private refusalOfAddress(address: string): string | undefined {
    const bare = bareAddress(address);
    if (isIP(bare) === 0) return undefined;
    const meant = meantBy(bare);
    if (meant.some((one) => NEVER.has(one))) {
      return `has the address ${bare}, which is link-local or gives away the secrets of machines, and which no setting allows`;
    }
    if (meant.every((one) => isPublic(one) || this.allowed.has(one))) return undefined;
    return `has the address ${bare}, which is not public and not in a network of the setting ${this.rule.setting}`;
  }

  /** Throws ForbiddenAddress. */
  check(address: string): void {
    const refused = this.refusalOfAddress(address);
    if (refused !== undefined) throw new ForbiddenAddress(refused);
  }

  /** A `lookup` for agents: as the system's, but a name is refused as a whole if one of its addresses is, so that none is connected to. */
  readonly lookup = (hostname: string, options: LookupOptions, answer: Answer): void => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) {
        answer(error, []);
        return;
      }
      try {
        for (const { address } of addresses) this.check(address);
      } catch (forbidden) {
        answer(forbidden as ForbiddenAddress, []);
        return;
      }
      const [first] = addresses;
      if (options.all === true) answer(null, addresses);
      else if (first) answer(null, first.address, first.family);
      else answer(Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' }), []);
    });
  };
}

/** Without brackets, and without the interface of a link-local address. */
function bareAddress(host: string): string {
  return host.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
}

function isPublic(address: string): boolean {
  return ipaddr.parse(address).range() === 'unicast';
}

/**
 * Every address that a connection to this one may end at: itself, and an IPv4 address that its notation holds. Where that is another way to write
 * the IPv4 address (mapped, and translated by the prefix of all, RFC 6052), it is that address alone.
 */
function meantBy(address: string): readonly string[] {
  if (isIP(address) === 4) return [address];
  const bytes = ipaddr.parse(address).toByteArray();
  const starts = (...prefix: readonly number[]): boolean => prefix.every((byte, index) => bytes[index] === byte);
  const zeros = (from: number, to: number): boolean => bytes.slice(from, to).every((byte) => byte === 0);
  const v4 = (from: number, mask = 0): string =>
    bytes
      .slice(from, from + 4)
      .map((byte) => byte ^ mask)
      .join('.');
  if (zeros(0, 10) && bytes[10] === 0xff && bytes[11] === 0xff) return [v4(12)];
  if (starts(0x00, 0x64, 0xff, 0x9b) && zeros(4, 12)) return [v4(12)];
  const held: string[] = [];
  // In an old form; `::` and `::1` are addresses of their own.
  if (zeros(0, 12) && !zeros(12, 15)) held.push(v4(12));
  if (zeros(0, 8) && bytes[8] === 0xff && bytes[9] === 0xff && zeros(10, 12)) held.push(v4(12));
  if (starts(0x00, 0x64, 0xff, 0x9b, 0x00, 0x01)) held.push(v4(12));
  if (starts(0x20, 0x02)) held.push(v4(2));
  if (starts(0x20, 0x01, 0x00, 0x00)) held.push(v4(4), v4(12, 0xff));
  // ISATAP, RFC 5214.
  if ((bytes[8] === 0x00 || bytes[8] === 0x02) && bytes[9] === 0x00 && bytes[10] === 0x5e && bytes[11] === 0xfe) held.push(v4(12));
  return [address, ...held];
}

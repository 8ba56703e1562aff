import { isIP, isIPv6 } from 'node:net';

/** Of a `Host` header or a setting: lower case, without port, brackets and the dot of an absolute name; `undefined` for what is no host. */
export function hostName(host: string): string | undefined {
  const bare = isIP(host) === 6 ? host : /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+?))\.?(?::\d*)?$/i.exec(host)?.slice(1).find(Boolean);
  return bare?.toLowerCase();
}

/** Only this machine reaches it. */
export function isLoopback(host: string): boolean {
  const name = hostName(host) ?? '';
  if (isIP(name) === 4) return name.startsWith('127.');
  return name === '::1' || name === 'localhost' || name.endsWith('.localhost');
}

/** An IPv4 address of a socket that listens for both versions. */
export function unmapped(address: string): string {
  return address.replace(/^::ffff:(?=[\d.]+$)/i, '');
}

/** What requests from an address are counted by: of IPv6 the first 64 bits, which is what one subscriber has. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.') || address === '::1') return unmapped(address);
  const [before = '', after] = address.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array<string>(zeros).fill('0'), ...tail].slice(0, 4).join(':');
}

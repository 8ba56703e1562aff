import { isIPv6 } from 'node:net';

/** Where a browser on this machine finds what listens on `host` (an address, a name, or every interface) and `port`. */
export function addressOf(host: string, port: number): string {
  if (host === '0.0.0.0') return `http://127.0.0.1:${port}`;
  if (!isIPv6(host)) return `http://${host}:${port}`;
  // `::` in all of its spellings is every interface, as 0.0.0.0 is. A zone is no part of a URL's host.
  const address = new URL(`http://[${host.split('%', 1).join('')}]`).hostname;
  return `http://${address === '[::]' ? '[::1]' : address}:${port}`;
}

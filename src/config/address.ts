import { isIPv6 } from 'node:net';

/** Where a browser on this machine finds what listens on `host` (an address, a name, or every interface) and `port`. */
export function addressOf(host: string, port: number, scheme: 'http' | 'https' = 'http'): string {
  if (host === '0.0.0.0') return `${scheme}://127.0.0.1:${port}`;
  if (!isIPv6(host)) return `${scheme}://${host}:${port}`;
  // `::` in all of its spellings is every interface, as 0.0.0.0 is. A zone is no part of a URL's host.
  const address = new URL(`http://[${host.split('%', 1).join('')}]`).hostname;
  return `${scheme}://${address === '[::]' ? '[::1]' : address}:${port}`;
}

/** Why nothing can listen there, with the setting to change; else the error as it is. */
export function listenFault(error: unknown, host: string, port: number): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `server.port: another process listens on port ${port} of ${host}: stop it, or choose another port`,
    EACCES: `server.port: this user may not listen on port ${port}: choose one above 1023`,
    EADDRNOTAVAIL: `server.host: ${host} is no address of this machine`,
    ENOTFOUND: `server.host: ${host} is no address of this machine, and no name of one`,
  };
  const reason = reasons[code];
  return reason === undefined ? error : new Error(`${reason} (${message})`, { cause: error });
}

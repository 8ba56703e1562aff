import { isIP } from 'node:net';

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

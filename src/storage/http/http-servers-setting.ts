import { type HttpServer, SCHEMES } from './http-servers';
import { isObject } from '../../task/plain-object';
import { urlPrefix } from '../../task/url-prefix';

const TEXTS: readonly string[] = ['prefix', 'username', 'password', 'token'];
const KEYS: readonly string[] = [...TEXTS, 'headers'];

export const SERVERS_WORDS = `a list of {${KEYS.join(', ')}}`;

export const SERVERS_SCHEMA = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      ...Object.fromEntries(TEXTS.map((name) => [name, { type: 'string' }])),
      headers: { type: 'object', additionalProperties: { type: 'string' } },
    },
    required: ['prefix'],
    additionalProperties: false,
  },
};

/** Headers that requests have by what they ask for, or that say where a request begins and ends. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'accept-encoding',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'depth',
  'destination',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'overwrite',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'want-repr-digest',
]);

/** More is said by `faultsOf`, which names entry and key. */
export function areServers(value: unknown): value is readonly HttpServer[] {
  return Array.isArray(value) && value.every(isObject);
}

/** Headers are often keys: none is shown. */
export function masked(servers: readonly HttpServer[]): unknown {
  const hidden = '[masked]';
  return servers.map(({ headers, ...server }) => ({
    ...server,
    ...(server.password !== undefined && { password: hidden }),
    ...(server.token !== undefined && { token: hidden }),
    ...(headers && { headers: Object.fromEntries(Object.keys(headers).map((name) => [name, hidden])) }),
  }));
}

/** What is wrong in entries: public lines that name entry and key, and no value. */
export function faultsOf(servers: readonly HttpServer[]): readonly string[] {
  const seen = new Map<string, number>();
  return servers.flatMap((server, index) => {
    const faults = [...typeFaults(server), ...headerFaults(server.headers)];
    if (faults.length === 0) faults.push(...loginFaults(server), ...prefixFaults(server, index, seen));
    return faults.map((fault) => `servers[${index}]${fault}`);
  });
}

function typeFaults(server: object): string[] {
  return [
    ...('prefix' in server ? [] : ['.prefix: must be given']),
    ...Object.entries(server).flatMap(([name, value]: [string, unknown]) => {
      if (!KEYS.includes(name)) return [`.${name}: there is no such key; there are ${KEYS.join(', ')}`];
      if (name === 'headers') return isObject(value) ? [] : ['.headers: must be names with texts'];
      const mayBeEmpty = name === 'password';
      if (typeof value !== 'string' || (value === '' && !mayBeEmpty)) return [`.${name}: must be a text`];
      return isHeaderValue(value) || !['token', 'prefix'].includes(name) ? [] : [`.${name}: must be of printable ASCII characters`];
    }),
  ];
}

function headerFaults(headers: unknown): string[] {
  if (!isObject(headers)) return [];
  const seen = new Set<string>();
  return Object.entries(headers).flatMap(([name, value]) => {
    const lower = name.toLowerCase();
    const fault = (words: string): string[] => [`.headers.${name}: ${words}`];
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return ['.headers: a name in it is no name of a header'];
    if (OWN_HEADERS.has(lower) || /^(?:if|proxy)-/.test(lower)) return fault('is for the gateway to set');
    if (seen.has(lower)) return fault('is there twice');
    seen.add(lower);
    return typeof value === 'string' && isHeaderValue(value) ? [] : fault('must be a text of printable ASCII characters');
  });
}

function loginFaults({ username, password, token, headers = {} }: HttpServer): string[] {
  const faults: string[] = [];
  if (password !== undefined && username === undefined) faults.push('.password: without username');
  if (username !== undefined && password === undefined) faults.push('.username: without password');
  if (username?.includes(':')) faults.push('.username: must hold no colon');
  if (token !== undefined && username !== undefined) faults.push('.token: and username exclude each other');
  if ((token ?? username) !== undefined && Object.keys(headers).some((name) => name.toLowerCase() === 'authorization'))
    faults.push('.headers.Authorization: and token or username exclude each other');
  return faults;
}

function prefixFaults({ prefix: text }: HttpServer, index: number, seen: Map<string, number>): string[] {
  const found = urlPrefix(text, SCHEMES);
  if ('fault' in found) return [`.prefix: ${found.fault}`];
  const first = seen.get(found.prefix);
  if (first !== undefined) return [`.prefix: is that of servers[${first}], too`];
  seen.set(found.prefix, index);
  return [];
}

function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e]*$/.test(text);
}

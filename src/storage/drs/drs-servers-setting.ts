import type { DrsServer } from './drs-address';

const TEXTS = ['host', 'url', 'token', 'username', 'password'] as const;

export const SERVERS_WORDS = 'a list of {host, url, token, username, password}';

export const SERVERS_SCHEMA = {
  type: 'array',
  items: {
    type: 'object',
    properties: Object.fromEntries(TEXTS.map((name) => [name, { type: 'string', minLength: 1 }])),
    required: ['host'],
    additionalProperties: false,
  },
};

export function areServers(value: unknown): value is readonly DrsServer[] {
  return (
    Array.isArray(value) &&
    value.every(
      (server: unknown) =>
        typeof server === 'object' &&
        server !== null &&
        'host' in server &&
        Object.entries(server).every(
          ([name, member]: [string, unknown]) =>
            (TEXTS as readonly string[]).includes(name) && typeof member === 'string' && member !== '' && !/[\r\n\0]/.test(member),
        ),
    )
  );
}

export function masked(servers: readonly DrsServer[]): unknown {
  return servers.map((server) => ({
    ...server,
    ...(server.token !== undefined && { token: '[masked]' }),
    ...(server.password !== undefined && { password: '[masked]' }),
  }));
}

export function areCompactIds(value: unknown): value is Readonly<Record<string, string>> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every((url) => typeof url === 'string')
  );
}

/** What is wrong although each value is right for itself. */
export function faultsOf(servers: readonly DrsServer[], compactIds: Readonly<Record<string, string>>): readonly string[] {
  return [
    ...servers.flatMap(({ host, url, token, username, password }, index) => {
      const fault = (member: string, words: string): string => `servers[${index}].${member}: ${words}`;
      const faults: string[] = [];
      if (URL.parse(`drs://${host}/`)?.host !== host.toLowerCase())
        faults.push(fault('host', 'must be a host, with its port where it has one'));
      if (servers.findIndex((other) => other.host.toLowerCase() === host.toLowerCase()) < index)
        faults.push(fault('host', 'is there twice'));
      if (url !== undefined && !isWebAddress(url)) faults.push(fault('url', 'must be an http or https URL, without user and query'));
      if (token !== undefined && username !== undefined) faults.push(fault('token', 'and username exclude each other'));
      if ((username === undefined) !== (password === undefined)) faults.push(fault('username', 'and password belong together'));
      return faults;
    }),
    ...Object.entries(compactIds).flatMap(([prefix, url]) => {
      const faults: string[] = [];
      if (!/^([a-z0-9._]+\/)?[a-z0-9._]+$/.test(prefix))
        faults.push(`compact_ids.${prefix}: must be PREFIX or PROVIDER/PREFIX, in lower-case letters, digits, dots and underscores`);
      if (!isWebAddress(url.replace('{$id}', 'id')) || !/\/\{\$id\}$|\/[^/?#]*\{\$id\}$/.test(url))
        faults.push(`compact_ids.${prefix}: must be the http or https URL of objects, whose last segment holds {$id}`);
      return faults;
    }),
  ];
}

function isWebAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && [url.search, url.hash, url.username, url.password].every((part) => part === '');
}

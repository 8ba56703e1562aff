import type { SettingsPage, StorageAdapter, ValuesOf } from '../../ports/adapter';
import { allowedNetworks, reachOf } from '../shared/allowed-networks';
import type { FtpLogin, FtpSettings } from './ftp-connections';

const settings = {
  enabled: { doc: 'Whether `ftp:` and `ftps:` URLs may be used', format: 'yes or no', default: true },
  logins: {
    doc: 'User names and passwords by host, a list of `{host, username, password}`, for URLs that name no user; without one it is `anonymous`. See `docs/storage-ftp.md`',
    format: {
      test: areLogins,
      words: 'a list of {host, username, password}',
      mask: (value: unknown) => (value as readonly FtpLogin[]).map((login) => ({ ...login, password: '[masked]' })),
      schema: {
        type: 'array',
        items: {
          type: 'object',
          properties: Object.fromEntries(['host', 'username', 'password'].map((name) => [name, { type: 'string' }])),
          required: ['host', 'username', 'password'],
          additionalProperties: false,
        },
      },
    },
    default: [] as readonly FtpLogin[],
    sensitive: true,
  },
  ca_file: {
    doc: 'Certificates of authorities whose servers are trusted with `ftps:` beside the usual ones, a PEM file; empty: none',
    format: 'path',
    default: '',
  },
  allowed_networks: allowedNetworks,
  connections_per_host: {
    doc: 'Connections to one server at once, for all tasks of the process: many servers refuse more than a few from one address',
    format: 'positive count',
    default: 8,
  },
  timeout_seconds: {
    doc: 'A connection on which nothing moves for so long is given up, and what was under way is tried again',
    format: 'positive number',
    default: 60,
  },
} satisfies SettingsPage;

/** Not `elsewhere`: on another machine its logins would be needed, and `ftp:` URLs are the gateway's to move. */
export const ftpStorage: StorageAdapter<ValuesOf<typeof settings>, FtpSettings> = {
  type: 'ftp',
  doc: 'FTP servers, plain and with TLS',
  schemes: ['ftp', 'ftps'],
  settings,
  faults: ({ logins }) =>
    logins.flatMap(({ host }, index) =>
      logins.findIndex((other) => other.host.toLowerCase() === host.toLowerCase()) < index ? [`logins[${index}].host: is there twice`] : [],
    ),
  here: (values, around) => ({
    enabled: values.enabled,
    logins: values.logins,
    ...(values.ca_file !== '' && { caFile: values.ca_file }),
    reach: reachOf('ftp', values.allowed_networks, around),
    connectionsPerHost: values.connections_per_host,
    idleTimeoutMs: values.timeout_seconds * 1000,
  }),
  takesCredentials: ['basic'],
  async create(slice, secrets) {
    if (secrets) {
      const { OwnersFtpStorage } = await import('./owners-ftp.storage.js');
      return new OwnersFtpStorage(slice, secrets);
    }
    const { FtpStorage } = await import('./ftp.storage.js');
    return new FtpStorage(slice);
  },
};

function areLogins(value: unknown): value is readonly FtpLogin[] {
  return Array.isArray(value) && value.every(isLogin);
}

function isLogin(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { host, username, password, ...others } = value as Record<string, unknown>;
  const texts = [host, username, password];
  return Object.keys(others).length === 0 && texts.every((text) => typeof text === 'string' && text !== '' && !/[\r\n\0]/.test(text));
}

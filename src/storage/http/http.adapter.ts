import type { SettingsPage, StorageAdapter, Surroundings, ValuesOf } from '../../ports/adapter';
import { allowedNetworks, reachOf } from '../shared/allowed-networks';
import type { HttpServer } from './http-servers';
import { areServers, faultsOf, masked, SERVERS_SCHEMA, SERVERS_WORDS } from './http-servers-setting';
import type { HttpStorageSettings } from './http.storage';

const settings = {
  enabled: { doc: 'Whether `http:` and `https:` URLs may be used', format: 'yes or no', default: true },
  max_redirects: { doc: 'Redirects followed in one transfer', format: 'count', default: 5 },
  servers: {
    doc: 'What requests carry by URL prefix, a list of `{prefix, username, password, token, headers}`; the longest prefix counts. Credentials in a URL, and those that the owner of a task has saved, come before. See `docs/storage-http.md`',
    format: {
      test: areServers,
      words: SERVERS_WORDS,
      mask: (value: unknown) => masked(value as readonly HttpServer[]),
      schema: SERVERS_SCHEMA,
    },
    default: [] as readonly HttpServer[],
    sensitive: true,
  },
  allowed_networks: allowedNetworks,
  timeout_seconds: {
    doc: 'A transfer in which nothing moves for so long is given up and tried again',
    format: 'positive number',
    default: 60,
  },
} satisfies SettingsPage;

/** Nobody would set it. */
const CONNECT_TIMEOUT_MS = 10_000;

function slice(values: ValuesOf<typeof settings>, around: Surroundings): HttpStorageSettings {
  return {
    enabled: values.enabled,
    maxRedirects: values.max_redirects,
    reach: reachOf('http', values.allowed_networks, around),
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    idleTimeoutMs: values.timeout_seconds * 1000,
  };
}

export const httpStorage: StorageAdapter<ValuesOf<typeof settings>, HttpStorageSettings> = {
  type: 'http',
  doc: 'web servers',
  schemes: ['http', 'https'],
  settings,
  faults: ({ servers }) => faultsOf(servers),
  here: (values, around) => ({ ...slice(values, around), servers: values.servers }),
  // What is secret in the settings goes to no worker.
  elsewhere: slice,
  takesCredentials: ['basic', 'bearer'],
  async create(client, secrets) {
    if (secrets) {
      const { OwnersHttpStorage } = await import('./owners-http.storage.js');
      return new OwnersHttpStorage(client, secrets);
    }
    const { HttpStorage } = await import('./http.storage.js');
    return new HttpStorage(client);
  },
};

import type { StorageAdapter, Surroundings, ValuesOf } from '../../ports/adapter';
import { allowedNetworks, reachOf } from '../shared/allowed-networks';
import type { HttpStorageSettings } from './http.storage';

const settings = {
  enabled: { doc: 'Whether `http:` and `https:` URLs may be used', format: 'yes or no', default: true },
  max_redirects: { doc: 'Redirects followed in one transfer', format: 'count', default: 5 },
  allowed_networks: allowedNetworks,
  timeout_seconds: {
    doc: 'A transfer in which nothing moves for so long is given up and tried again',
    format: 'positive number',
    default: 60,
  },
};

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
  here: slice,
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

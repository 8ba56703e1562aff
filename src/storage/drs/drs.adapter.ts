import type { SettingsPage, StorageAdapter, ValuesOf } from '../../ports/adapter';
import type { DrsServer } from './drs-address';
import { areCompactIds, areServers, faultsOf, masked, SERVERS_SCHEMA, SERVERS_WORDS } from './drs-servers-setting';
import type { DrsSettings } from './drs.storage';

const settings = {
  enabled: {
    doc: 'Whether `drs:` URLs may be read. Objects are read where their servers say that they are, by the other storages; see `docs/storage-drs.md`',
    format: 'yes or no',
    default: true,
  },
  servers: {
    doc: 'Servers by host, a list of `{host, url, token, username, password}`: where one answers (without it `https://HOST/ga4gh/drs/v1`), and who one is there. Hosts that are not here get no credentials, not even those that users have saved',
    format: {
      test: areServers,
      words: SERVERS_WORDS,
      mask: (value: unknown) => masked(value as readonly DrsServer[]),
      schema: SERVERS_SCHEMA,
    },
    default: [] as readonly DrsServer[],
    sensitive: true,
  },
  compact_ids: {
    doc: 'Where objects with compact identifiers are, prefix -> URL with `{$id}`: `{"dg.4503": "https://drs.example.org/ga4gh/drs/v1/objects/{$id}"}`. No public registry of prefixes is asked',
    format: {
      test: areCompactIds,
      words: 'an object of texts',
      schema: { type: 'object', additionalProperties: { type: 'string' } },
    },
    default: {},
  },
} satisfies SettingsPage;

/** Not `elsewhere`: an object may lie in any other storage. */
export const drsStorage: StorageAdapter<ValuesOf<typeof settings>, DrsSettings> = {
  type: 'drs',
  doc: 'objects of GA4GH Data Repository Services, read only',
  schemes: ['drs'],
  settings,
  faults: ({ servers, compact_ids: compactIds }) => faultsOf(servers, compactIds),
  here: (values) => ({ enabled: values.enabled, servers: values.servers, compactIds: values.compact_ids }),
  takesCredentials: ['basic', 'bearer'],
  async create(slice, secrets) {
    if (secrets) {
      const { OwnersDrsStorage } = await import('./owners-drs.storage.js');
      return new OwnersDrsStorage(slice, secrets);
    }
    const { DrsStorage } = await import('./drs.storage.js');
    return new DrsStorage(slice);
  },
};

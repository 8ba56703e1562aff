import type { SettingsPage, StorageAdapter, ValuesOf } from '../../ports/adapter';
import { openReach } from '../shared/allowed-networks';
import type { S3Settings } from './s3-connections';
import { areEndpoints, ENDPOINTS_SCHEMA, faultsOf, masked, type S3Endpoint } from './s3-endpoints';

const settings = {
  enabled: { doc: 'Whether `s3:` and `gs:` URLs may be used', format: 'yes or no', default: true },
  endpoints: {
    doc: 'Servers and credentials by URL prefix, a list of `{prefix, url, region, path_style, access_key_id, secret_access_key, session_token, profile, anonymous, encryption, kms_key_id}`; the longest prefix counts. `s3:` URLs below none of them are at Amazon, with the credentials that the environment, the files of `~/.aws`, a web identity or the machine give, else with none; `gs:` ones at Google, with none. See `docs/storage-s3.md`',
    format: {
      test: areEndpoints,
      words:
        'a list of {prefix, url, region, path_style, access_key_id, secret_access_key, session_token, profile, anonymous, encryption, kms_key_id}',
      mask: (value: unknown) => masked(value as readonly S3Endpoint[]),
      schema: ENDPOINTS_SCHEMA,
    },
    default: [] as readonly S3Endpoint[],
    sensitive: true,
  },
  timeout_seconds: {
    doc: 'A request in which nothing moves for so long is given up and tried again',
    format: 'positive number',
    default: 60,
  },
  memory_mb: {
    doc: 'Memory that the parts of all S3 transfers of the process may take at once, 2^20 bytes',
    format: 'positive count',
    default: 128,
  },
} satisfies SettingsPage;

/** Nobody would set it. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Two parts: what one upload needs to send one while it reads the other. */
const LEAST_MEMORY_MB = 16;

/** On workers there is no SDK, and no credentials: URLs of S3 are the gateway's to move. */
export const s3Storage: StorageAdapter<ValuesOf<typeof settings>, S3Settings> = {
  type: 's3',
  doc: 'Amazon S3 and what speaks like it',
  schemes: ['s3', 'gs'],
  settings,
  faults({ endpoints, memory_mb: memory }) {
    return [...faultsOf(endpoints), ...(memory < LEAST_MEMORY_MB ? [`memory_mb: must be at least ${LEAST_MEMORY_MB}`] : [])];
  },
  here: (values) => ({
    enabled: values.enabled,
    endpoints: values.endpoints,
    // Endpoints are the operator's to name: users choose buckets and keys.
    reach: openReach('storage.s3.endpoints'),
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    idleTimeoutMs: values.timeout_seconds * 1000,
    memoryBytes: values.memory_mb * 1024 * 1024,
  }),
  takesCredentials: ['basic'],
  async create(slice, secrets) {
    if (secrets) {
      const { OwnersS3Storage } = await import('./owners-s3.storage.js');
      return new OwnersS3Storage(slice, secrets);
    }
    const { S3Storage } = await import('./s3.storage.js');
    return new S3Storage(slice);
  },
};

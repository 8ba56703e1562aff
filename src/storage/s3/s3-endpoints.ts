import type { Login } from '../../ports/credentials';
import { addressOf, type S3Address, urlOf } from './s3-address';

/** Who serves the URLs below a prefix, and who one is there: an entry of the setting `storage.s3.endpoints`. */
export interface S3Endpoint {
  /** `s3://`, `s3://BUCKET`, or a beginning of keys in it, up to a slash; likewise of `gs://`. */
  readonly prefix: string;
  /** Absent: Amazon's own, or what the environment says (`AWS_ENDPOINT_URL_S3`). */
  readonly url?: string;
  readonly region?: string;
  /** Whether the bucket stands in the path of a request rather than in the host's name; when absent, where `url` is given. */
  readonly path_style?: boolean;
  readonly access_key_id?: string;
  readonly secret_access_key?: string;
  readonly session_token?: string;
  /** Of the files `~/.aws/config` and `~/.aws/credentials`. */
  readonly profile?: string;
  /** Nothing is signed. */
  readonly anonymous?: boolean;
  readonly encryption?: 'AES256' | 'aws:kms';
  /** Of `aws:kms`; absent: the bucket's or the account's own. */
  readonly kms_key_id?: string;
}

const AMAZON: S3Endpoint = { prefix: 's3://' };
const GOOGLE: S3Endpoint = { prefix: 'gs://', url: 'https://storage.googleapis.com', region: 'auto', path_style: true };

/**
 * The one with the longest prefix; where there is none, Amazon's with what the surroundings know of credentials, or Google's without: what
 * the surroundings know is for Amazon.
 */
export function endpointFor(at: S3Address, endpoints: readonly S3Endpoint[]): S3Endpoint {
  const url = `${urlOf(at)}/`;
  let found = at.scheme === 'gs' ? GOOGLE : AMAZON;
  for (const endpoint of endpoints) {
    if (url.startsWith(folderOf(endpoint.prefix)) && endpoint.prefix.length >= found.prefix.length) found = endpoint;
  }
  if (at.scheme !== 'gs') return found;
  const hasKeys = found.access_key_id !== undefined || found.profile !== undefined;
  return { ...GOOGLE, ...found, ...(!hasKeys && { anonymous: true }) };
}

/** The same server for somebody else. */
export function withLogin(endpoint: S3Endpoint, { username, password }: Login): S3Endpoint {
  const { session_token: _token, profile: _profile, anonymous: _anonymous, ...server } = endpoint;
  return { ...server, access_key_id: username, secret_access_key: password };
}

function folderOf(prefix: string): string {
  return prefix.endsWith('/') ? prefix : `${prefix}/`;
}

const TEXTS = ['prefix', 'url', 'region', 'access_key_id', 'secret_access_key', 'session_token', 'profile', 'kms_key_id'] as const;
const ENCRYPTIONS = ['AES256', 'aws:kms'];

export const ENDPOINTS_SCHEMA = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      ...Object.fromEntries(TEXTS.map((name) => [name, { type: 'string', minLength: 1 }])),
      path_style: { type: 'boolean' },
      anonymous: { type: 'boolean' },
      encryption: { enum: ENCRYPTIONS },
    },
    required: ['prefix'],
    additionalProperties: false,
  },
};

export function areEndpoints(value: unknown): value is readonly S3Endpoint[] {
  return Array.isArray(value) && value.every(isEndpoint);
}

function isEndpoint(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'prefix' in value &&
    Object.entries(value).every(([name, member]) => {
      if ((TEXTS as readonly string[]).includes(name)) return typeof member === 'string' && member !== '';
      if (name === 'encryption') return ENCRYPTIONS.includes(member as string);
      return ['path_style', 'anonymous'].includes(name) && typeof member === 'boolean';
    })
  );
}

export function masked(endpoints: readonly S3Endpoint[]): unknown {
  const hidden = '[masked]';
  return endpoints.map((endpoint) => ({
    ...endpoint,
    ...(endpoint.secret_access_key !== undefined && { secret_access_key: hidden }),
    ...(endpoint.session_token !== undefined && { session_token: hidden }),
  }));
}

/** What is wrong although each member is right for itself. */
export function faultsOf(endpoints: readonly S3Endpoint[]): readonly string[] {
  return endpoints.flatMap((endpoint, index) => {
    const { prefix, url } = endpoint;
    const fault = (member: string, words: string): string => `endpoints[${index}].${member}: ${words}`;
    const faults: string[] = [];
    if (!['s3://', 'gs://'].includes(prefix) && (!/^(s3|gs):/.test(prefix) || 'problem' in addressOf(prefix)))
      faults.push(fault('prefix', 'must be s3://, s3://BUCKET/..., or the same of gs://'));
    if (endpoints.findIndex((other) => folderOf(other.prefix) === folderOf(prefix)) < index) faults.push(fault('prefix', 'is there twice'));
    if (url !== undefined && !isWebAddress(url))
      faults.push(fault('url', 'must be an http or https URL of a host, without user and query'));
    if ((endpoint.access_key_id === undefined) !== (endpoint.secret_access_key === undefined))
      faults.push(fault('access_key_id', 'and secret_access_key belong together'));
    const ways = [endpoint.access_key_id, endpoint.profile, endpoint.anonymous === true ? true : undefined];
    if (ways.filter((way) => way !== undefined).length > 1) faults.push(fault('access_key_id', 'profile and anonymous exclude each other'));
    return faults;
  });
}

function isWebAddress(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  );
}

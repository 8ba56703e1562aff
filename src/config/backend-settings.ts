import { readFileSync } from 'node:fs';
import { isCount, isMap, isNumber, isText, must } from './setting-checks';

export const RUNTIMES = ['auto', 'docker', 'podman', 'apptainer', 'bubblewrap'] as const;
export const NETWORKS = ['default', 'host', 'none'] as const;
/** On a Pulsar worker nothing is guessed. */
export const PULSAR_RUNTIMES = ['docker', 'podman', 'apptainer', 'bubblewrap'] as const;

interface CommonBackendSettings {
  /** Letters, digits, `-` and `_`; also what clients send as `backend_parameters.backend`. */
  readonly name: string;
  readonly network: (typeof NETWORKS)[number];
  /** Absent = every core. */
  readonly cpus?: number;
  /** In 2^30 bytes; absent = the machine's memory. */
  readonly ram_gb?: number;
  /** New tasks are not given to it. */
  readonly drain: boolean;
  /** Words by which tasks choose it (`backend_parameters`: `label.NAME`); names in lower case. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Only tasks all of whose URLs lie below one of these go there; absent = all. */
  readonly url_prefixes?: readonly string[];
}

/** An entry of `backends` of type `local`. */
export interface LocalBackendEntry extends CommonBackendSettings {
  readonly type: 'local';
  readonly runtime: (typeof RUNTIMES)[number];
}

/** An entry of `backends` of type `pulsar`: one server. */
export interface PulsarBackendEntry extends CommonBackendSettings {
  readonly type: 'pulsar';
  /** Of its REST interface, `http:` or `https:`; absent = over AMQP alone. */
  readonly url?: string;
  /** Its `private_token`; never shown. */
  readonly token: string;
  /** Of the broker between, `amqp:` or `amqps:`, with user and password; never shown. Absent = over REST alone. */
  readonly amqp_url?: string;
  /** The server's own `amqp_key_prefix`. */
  readonly amqp_key_prefix?: string;
  /** A named manager of the server. */
  readonly manager?: string;
  readonly runtime: (typeof PULSAR_RUNTIMES)[number];
  /** Who moves the data: this gateway, or the stager on the worker. */
  readonly staging: 'gateway' | 'worker';
  /** The words that start the stager on the worker. */
  readonly stager: readonly string[];
  /** The image in which the stager is started, where the worker has only a container runtime. */
  readonly stager_image?: string;
  /** Directories of the worker that `file:` URLs may reach; empty = none. */
  readonly stager_files: readonly string[];
  /** Jobs at once: Pulsar itself keeps no limit. */
  readonly slots: number;
  /** Variables of the container command on the worker. */
  readonly environment: Readonly<Record<string, string>>;
  /** What its tasks do while it is away. */
  readonly when_away: 'wait' | 'move';
  /** After how long they move. */
  readonly move_after_seconds: number;
}

/** One entry of `backends`. */
export type BackendSettings = LocalBackendEntry | PulsarBackendEntry;

/** Members of an entry that are masked wherever settings are shown. */
export const SECRET_BACKEND_KEYS: ReadonlySet<string> = new Set(['token', 'amqp_url']);

type Checks = Readonly<Record<string, (value: unknown) => void>>;

const common: Checks = {
  name: (value) => must(isText(value) && /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(value), 'a name of letters, digits, - and _'),
  type: (value) => must(value === 'local' || value === 'pulsar', 'local or pulsar'),
  network: (value) => must(NETWORKS.includes(value as never), `one of ${NETWORKS.join(', ')}`),
  cpus: (value) => must(isNumber(value) && value > 0, 'a number above 0'),
  ram_gb: (value) => must(isNumber(value) && value > 0, 'a number above 0'),
  drain: (value) => must(typeof value === 'boolean', 'true or false'),
  labels: (value) =>
    must(
      isMap(value) &&
        Object.entries(value).every(([name, word]) => /^[a-z0-9][a-z0-9_.-]{0,62}$/.test(name) && isText(word) && word !== ''),
      'a map of words with names in lower case, such as {site: north}',
    ),
  url_prefixes: (value) =>
    must(
      Array.isArray(value) && value.length > 0 && value.every((prefix) => isText(prefix) && isPrefix(prefix)),
      'a list of URLs, or of their beginnings up to a slash, such as ["https://data.example/", "/projects/"]',
    ),
};

const local: Checks = {
  ...common,
  runtime: (value) => must(RUNTIMES.includes(value as never), `one of ${RUNTIMES.join(', ')}`),
};

const pulsar: Checks = {
  ...common,
  url: (value) => must(isText(value) && isServerUrl(value), 'the http or https address of a Pulsar server, without a query'),
  token: (value) => must(isText(value), 'text'),
  manager: (value) => must(isText(value) && /^[A-Za-z0-9_.-]{1,64}$/.test(value), "the name of one of the server's managers"),
  runtime: (value) => must(PULSAR_RUNTIMES.includes(value as never), `one of ${PULSAR_RUNTIMES.join(', ')}`),
  staging: (value) => must(value === 'gateway' || value === 'worker', 'gateway or worker'),
  stager: (value) =>
    must(
      Array.isArray(value) && value.length > 0 && value.every((word) => isText(word) && word !== ''),
      'a list of words, such as [tes-gateway-stager]',
    ),
  stager_image: (value) => must(isText(value) && /^[A-Za-z0-9][^\s\0]*$/.test(value), 'the reference of an image'),
  stager_files: (value) =>
    must(
      Array.isArray(value) && value.every((path) => isText(path) && /^\/[^\0]+$/.test(path)),
      'a list of directories of the worker, each an absolute path below /',
    ),
  slots: (value) => must(isCount(value) && value > 0, 'a whole number above 0'),
  environment: (value) =>
    must(
      isMap(value) && Object.entries(value).every(([name, text]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && isText(text)),
      'a map of variables',
    ),
  when_away: (value) => must(value === 'wait' || value === 'move', 'wait or move'),
  move_after_seconds: (value) => must(isNumber(value) && value > 0, 'a number above 0'),
  amqp_url: (value) =>
    must(
      isText(value) && isBrokerUrl(value),
      'the amqp or amqps address of a broker, with user and password, such as amqps://user:secret@broker/',
    ),
  amqp_key_prefix: (value) =>
    must(
      isText(value) && /^[A-Za-z0-9_.-]{1,64}$/.test(value),
      "the amqp_key_prefix of the server's own settings: letters, digits, _, . and -",
    ),
};

const NEEDED: Readonly<Record<string, readonly string[]>> = { local: [], pulsar: ['runtime'] };

/** A whole scheme, a URL without a query, or an absolute path. */
function isPrefix(text: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:\/\/$/i.test(text) || /^\/[^\0]*$/.test(text)) return true;
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? URL.parse(text) : null;
  return url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
}

function isServerUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  );
}

function isBrokerUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^amqps?:$/.test(url.protocol) && url.hostname !== '' && url.hash === '';
}

/** What stands in a file that a key of an entry names. */
function secretIn(file: string, place: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new Error(`${place}: ${(error as Error).message}`, { cause: error });
  }
}

/** Fills in what an entry leaves out. `token_file` and `amqp_url_file` name files that hold a secret. */
export function readBackends(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((entry: unknown, index) => {
    if (!isMap(entry)) return entry;
    const given = { name: entry['type'] ?? 'local', type: 'local', network: 'default', drain: false, ...entry };
    if (given['type'] !== 'pulsar') return { runtime: 'auto', ...given };
    const { token_file: file, amqp_url_file: amqpFile, url, ...rest } = given as Record<string, unknown>;
    return {
      token: typeof file === 'string' ? secretIn(file, `entry ${index}: token_file`) : '',
      staging: 'gateway',
      stager: ['tes-gateway-stager'],
      stager_files: [],
      slots: 4,
      environment: {},
      when_away: 'wait',
      move_after_seconds: 600,
      ...(url !== undefined && { url: typeof url === 'string' ? url.replace(/\/+$/, '') : url }),
      ...(typeof amqpFile === 'string' && { amqp_url: secretIn(amqpFile, `entry ${index}: amqp_url_file`) }),
      ...(file !== undefined && typeof file !== 'string' && { token_file: file }),
      ...(amqpFile !== undefined && typeof amqpFile !== 'string' && { amqp_url_file: amqpFile }),
      ...rest,
    };
  });
}

export function validateBackends(value: unknown): void {
  must(Array.isArray(value) && value.length > 0, 'a list of at least one backend');
  const names = new Set<unknown>();
  for (const [index, entry] of (value as unknown[]).entries()) {
    if (!isMap(entry)) throw new Error(`entry ${index} must be an object such as {name: local, type: local}`);
    validateEntry(entry, index);
    if (names.has(entry['name'])) throw new Error(`two backends are called ${String(entry['name'])}`);
    names.add(entry['name']);
  }
}

function validateEntry(entry: Record<string, unknown>, index: number): void {
  const checks = entry['type'] === 'pulsar' ? pulsar : local;
  for (const [key, field] of Object.entries(entry)) {
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
    if (!check) throw new Error(`entry ${index} has an unknown key ${key}`);
    try {
      check(field);
    } catch (error) {
      throw new Error(`entry ${index}: ${key} ${(error as Error).message}`, { cause: error });
    }
  }
  if (entry['stager_image'] !== undefined && entry['runtime'] !== 'podman' && entry['runtime'] !== 'docker') {
    throw new Error(`entry ${index}: stager_image needs podman or docker as the runtime`);
  }
  const fault = entry['type'] === 'pulsar' ? reachFault(entry) : undefined;
  if (fault !== undefined) throw new Error(`entry ${index}: ${fault}`);
  for (const key of NEEDED[String(entry['type'])] ?? []) {
    if (!Object.hasOwn(entry, key)) throw new Error(`entry ${index}: ${key} is missing`);
  }
}

/** Keys that make no sense together. */
function reachFault(entry: Record<string, unknown>): string | undefined {
  const [hasUrl, hasAmqp] = [entry['url'] !== undefined, entry['amqp_url'] !== undefined];
  if (!hasUrl && !hasAmqp) return 'url is missing, or amqp_url';
  if (entry['amqp_key_prefix'] !== undefined && !hasAmqp) return 'amqp_key_prefix needs amqp_url';
  if (entry['amqp_key_prefix'] !== undefined && entry['manager'] !== undefined && !hasUrl)
    return 'amqp_key_prefix takes the place of manager: without url only one of them means anything';
  if (!hasUrl && entry['staging'] !== 'worker') return 'without url there is no way for files through the gateway: staging must be worker';
  if (!hasUrl && entry['token'] !== '') return 'token is for url, which is missing';
  return undefined;
}

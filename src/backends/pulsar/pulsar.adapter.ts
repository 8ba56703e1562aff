import type { BackendAdapter, BackendContext, BackendEntry, SettingRule, ValuesOf } from '../../ports/adapter';
import { RUNTIME_NAMES, type RuntimeName } from '../shared/runtimes/runtime';
import { SCRIPT_ENTRY } from '../shared/script-entry';
import type { StagerSettings } from '../shared/script/script.settings';
import type { PulsarBackendSettings } from './pulsar.settings';
import { RUNTIMES } from '../shared/runtimes/runtimes';

const isText = (value: unknown): value is string => typeof value === 'string' && !value.includes('\0');
const matches =
  (pattern: RegExp) =>
  (value: unknown): boolean =>
    isText(value) && pattern.test(value);
const text = (pattern: RegExp, words: string): SettingRule => ({
  test: matches(pattern),
  words,
  schema: { type: 'string', pattern: pattern.source },
});
const address = (test: (url: URL) => boolean, words: string): SettingRule => ({
  test: (value) => {
    const url = isText(value) ? URL.parse(value) : null;
    return url !== null && url.hash === '' && test(url);
  },
  words,
  schema: { type: 'string', format: 'uri' },
});
const texts = (test: (value: unknown) => boolean, least: number, words: string): SettingRule => ({
  test: (value) => Array.isArray(value) && value.length >= least && value.every(test),
  words,
  schema: { type: 'array', items: { type: 'string' }, minItems: least },
});

/** One server: an entry of `backends` of type `pulsar`. */
const settings = {
  url: {
    doc: 'Of the REST interface; `https:` where a proxy gives it. `url`, `amqp_url` or both',
    format: address(
      ({ protocol, search, username, password }) => /^https?:$/.test(protocol) && search + username + password === '',
      'the http or https address of a Pulsar server, without a query',
    ),
    default: undefined as string | undefined,
  },
  amqp_url: {
    doc: 'Of the broker, `amqp:` or `amqps:`, with user and password (see AMQP)',
    format: address(
      ({ protocol, hostname }) => /^amqps?:$/.test(protocol) && hostname !== '',
      'the amqp or amqps address of a broker, with user and password, such as amqps://user:secret@broker/',
    ),
    default: undefined as string | undefined,
    sensitive: true,
  },
  amqp_key_prefix: {
    doc: "The server's own `amqp_key_prefix`; it takes the place of `manager` in the names of the queues",
    format: text(/^[A-Za-z0-9_.-]{1,64}$/, "the amqp_key_prefix of the server's own settings: letters, digits, _, . and -"),
    default: undefined as string | undefined,
  },
  token: { doc: "The server's `private_token`", format: 'text', default: '', sensitive: true },
  manager: {
    doc: "A named manager of the server, instead of its default one; one whose jobs run on the server's own machine",
    format: text(/^[A-Za-z0-9_.-]{1,64}$/, "the name of one of the server's managers"),
    default: undefined as string | undefined,
  },
  runtime: {
    doc: 'On the worker, where nothing is guessed. Apptainer also takes images of the worker by their paths (SIF, archives, directories), below the directories of `images.allowed`',
    format: RUNTIME_NAMES,
    default: undefined as RuntimeName | undefined,
    required: true as const,
  },
  ...SCRIPT_ENTRY,
  slots: {
    doc: 'Jobs at once. Pulsar 0.16 keeps no limit of its own: this is the only one',
    format: 'positive count',
    default: 4,
  },
  environment: {
    doc: 'Variables of the container command on the worker (`CONTAINERS_CONF`); no task sees them',
    format: {
      test: (value: unknown) =>
        typeof value === 'object' &&
        value !== null &&
        !Array.isArray(value) &&
        Object.entries(value).every(([name, word]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && isText(word)),
      words: 'a map of variables',
      schema: { type: 'object', additionalProperties: { type: 'string' }, propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$' } },
    },
    default: {} as Readonly<Record<string, string>>,
  },
  staging: {
    doc: "Who moves the data: `gateway`, through Pulsar's file interface, or `worker`, the stager beside the job (see Data)",
    format: ['gateway', 'worker'],
    default: 'gateway' as 'gateway' | 'worker',
  },
  stager: {
    doc: '`staging: worker`: the words that start the stager there, or in the container of `stager_image`',
    format: texts((word) => isText(word) && word !== '', 1, 'a list of words, such as [tes-gateway-stager]'),
    default: ['tes-gateway-stager'],
  },
  stager_image: {
    doc: "`staging: worker`: start the stager in this image, with the worker's own docker or podman",
    format: text(/^[A-Za-z0-9][^\s\0]*$/, 'the reference of an image'),
    default: undefined as string | undefined,
  },
  stager_files: {
    doc: '`staging: worker`: directories of the worker that `file:` URLs may reach; empty = none',
    format: texts(matches(/^\/[^\0]+$/), 0, 'a list of directories of the worker, each an absolute path below /'),
    default: [] as string[],
  },
};
type Values = ValuesOf<typeof settings>;

export const pulsarBackend: BackendAdapter<Values> = {
  type: 'pulsar',
  doc: 'a Pulsar server',
  isRemote: true,
  settings,
  faults(entry) {
    const [hasUrl, hasAmqp] = [entry.url !== undefined, entry.amqp_url !== undefined];
    const faults = {
      'url is missing, or amqp_url': !hasUrl && !hasAmqp,
      'amqp_key_prefix needs amqp_url': entry.amqp_key_prefix !== undefined && !hasAmqp,
      'amqp_key_prefix takes the place of manager: without url only one of them means anything':
        entry.amqp_key_prefix !== undefined && entry.manager !== undefined && !hasUrl,
      'without url there is no way for files through the gateway: staging must be worker': hasAmqp && !hasUrl && entry.staging !== 'worker',
      'token is for url, which is missing': !hasUrl && entry.token !== '',
      'stager_image needs podman or docker as the runtime': entry.stager_image !== undefined && !RUNTIMES[entry.runtime].engine,
    };
    return Object.entries(faults).flatMap(([fault, isThere]) => (isThere ? [fault] : []));
  },
  async create(entry, context) {
    const { PulsarBackend } = await import('./pulsar.backend.js');
    return new PulsarBackend(pulsarSettings(entry, context));
  },
};

export function pulsarSettings(entry: BackendEntry & Values, context: BackendContext): PulsarBackendSettings {
  const { jobs, images } = context;
  return {
    name: entry.name,
    ...(entry.url !== undefined && { url: entry.url.replace(/\/+$/, '') }),
    token: entry.token,
    ...(entry.amqp_url !== undefined && { amqpUrl: entry.amqp_url }),
    ...(entry.amqp_key_prefix !== undefined && { amqpKeyPrefix: entry.amqp_key_prefix }),
    ...(entry.manager !== undefined && { manager: entry.manager }),
    runtime: entry.runtime,
    network: entry.network,
    slots: entry.slots,
    ...(entry.cpus !== undefined && { cpus: entry.cpus }),
    ...(entry.ram_gb !== undefined && { ramGb: entry.ram_gb }),
    ...(entry.disk_gb !== undefined && { diskGb: entry.disk_gb }),
    ...(entry.gpus !== undefined && { gpus: entry.gpus }),
    drain: entry.drain,
    instance: context.instance,
    killGraceSeconds: jobs.killGraceSeconds,
    pidsLimit: jobs.pidsLimit,
    capabilities: jobs.capabilities,
    // Map and logins are of this machine.
    images: { allowed: images.allowed, map: {}, pull: images.pull },
    environment: entry.environment,
    ...(entry.staging === 'worker' && { stager: stagerSettings(entry, context) }),
    log: context.log,
  };
}

/** What the stager on a worker gets of the settings: the transfers of the gateway, but its own files. */
function stagerSettings(entry: Values, { transfers, retry, storagesElsewhere }: BackendContext): StagerSettings {
  return {
    command: entry.stager,
    ...(entry.stager_image !== undefined && { image: entry.stager_image }),
    files: entry.stager_files,
    transfers,
    retry,
    storage: storagesElsewhere.map((storage) => ({
      name: storage.name,
      schemes: storage.schemes,
      settings: storage.slice(entry.stager_files),
    })),
  };
}

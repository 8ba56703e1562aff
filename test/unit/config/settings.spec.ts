import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { adapters } from '../../../src/adapters';
import type { Adapters } from '../../../src/ports/adapter';
import { describeSettings, loadSettings, type SettingLayers, SettingsError } from '../../../src/config/settings';

const defaultFile = join(__dirname, '../../../settings/default.yaml');
let folder: string;
let files: number;

beforeEach(() => {
  const scratch = process.env['TES_GATEWAY_CACHE'] ?? join(homedir(), '.cache', 'tes-gateway');
  mkdirSync(scratch, { recursive: true });
  folder = mkdtempSync(join(scratch, 'settings-'));
  files = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (content: string): string => {
  const path = join(folder, `${++files}.yaml`);
  writeFileSync(path, content);
  return path;
};
const load = (layers: Partial<SettingLayers>, known = adapters) => loadSettings({ files: [], env: {}, argv: [], ...layers }, known);
const faultsOf = (layers: Partial<SettingLayers>): readonly string[] => {
  try {
    load(layers);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
};

describe('settings', () => {
  it('stand in settings/default.yaml as comments; without their marks they say what holds anyway', () => {
    const [, ...rest] = readFileSync(defaultFile, 'utf8').split('\n\n');
    const reference = rest.join('\n').replace(/^# ?/gm, '');
    expect(Object.keys(parse(reference) as object)).toContain('service_info');
    expect(load({ files: [file(reference)] })).toEqual(load({}));
  });

  it('lets files, environment and flags override each other in this order', () => {
    const lower = file('server: {port: 1, host: localhost}\nlogs: {level: warn}');
    const higher = file('server: {port: 2}');
    expect(load({ files: [lower, higher] }).server).toMatchObject({ port: 2, host: 'localhost' });
    const env = { TES_GATEWAY__SERVER__PORT: '3' };
    expect(load({ files: [lower, higher], env }).server.port).toBe(3);
    expect(load({ files: [lower, higher], env, argv: ['--server.port', '4'] }).server.port).toBe(4);
    expect(load({ files: [lower, higher], env, argv: ['--server.port=5'] }).server).toMatchObject({ port: 5, host: 'localhost' });
  });

  it('reads lists and objects from the environment as YAML or JSON', () => {
    const { backends, images, server } = load({
      env: {
        TES_GATEWAY__BACKENDS: '[{name: pods, runtime: podman, cpus: 2.5}]',
        TES_GATEWAY__IMAGES__MAP: '{"alpine:3": "/images/a.sif"}',
        TES_GATEWAY__SERVER__CORS_ORIGINS: "['*']",
      },
    });
    expect(backends).toEqual([{ name: 'pods', type: 'local', runtime: 'podman', network: 'default', cpus: 2.5, drain: false }]);
    expect(images.map).toEqual({ 'alpine:3': '/images/a.sif' });
    expect(server.cors_origins).toEqual(['*']);
  });

  it('reads a value from the file that a variable with _FILE names', () => {
    const secret = file('from a file\n');
    expect(load({ env: { TES_GATEWAY__SERVICE_INFO__NAME_FILE: secret } }).service_info.name).toBe('from a file');
    expect(load({ env: { TES_GATEWAY__IMAGES__AUTH_FILE: '/logins.json' } }).images.auth_file).toBe('/logins.json');
    expect(faultsOf({ env: { TES_GATEWAY__SERVER__HOST_FILE: join(folder, 'absent') } })).toEqual([
      expect.stringMatching(/^TES_GATEWAY__SERVER__HOST_FILE: server\.host: ENOENT/),
    ]);
  });

  it('keeps text as it is, also where it looks like a number', () => {
    expect(load({ env: { TES_GATEWAY__INSTANCE: '007' }, argv: ['--server.host', '::1'] })).toMatchObject({
      instance: '007',
      server: { host: '::1' },
    });
  });

  it('names the source and the key of everything that is unknown, all at once', () => {
    const path = file('server: {prot: 1}\nsurver: 2\nlogs: 3\nbackends: [{name: a, runtime: rocket}]');
    expect(faultsOf({ files: [path], env: { TES_GATEWAY__SERVER__PORTS: '1', OTHER: 'x' }, argv: ['--nope', '1', 'loose'] })).toEqual([
      `${path}: there is no setting server.prot`,
      `${path}: there is no setting surver`,
      `${path}: logs: must hold settings by name`,
      'TES_GATEWAY__SERVER__PORTS: there is no setting server.ports',
      '--nope: there is no setting nope',
      '1: flags begin with --',
      'loose: flags begin with --',
      expect.stringContaining(`${path}: backends[0].runtime: must be one of auto, docker, podman, apptainer, bubblewrap`),
    ]);
  });

  it.each([
    ['server.port', '"8080"', 'must be a port between 0 and 65535'],
    ['server.port', '70000', 'must be a port between 0 and 65535'],
    ['server.trust_proxy', 'true', 'must be a list of networks such as [10.0.0.7, 10.1.0.0/16]'],
    ['server.host', '7', 'must be text'],
    ['server.cors_origins', '"*"', 'must be a list of texts'],
    ['limits.max_queued', '1.5', 'must be a whole number above 0'],
    ['limits.min_free_disk', '"much"', 'must be a number of bytes, or a size such as 16 MiB'],
    ['api.content_limit_bytes', '131071', 'must be at least 131072 bytes (128 KiB)'],
    ['retention.finished', '"soon"', 'must be off, or a time such as 30d, 12h, 45m'],
    ['images.pull', '"sometimes"', 'must be one of always, missing, never'],
    ['images.map', '{a: 1}', 'must be a map of texts'],
    ['server.port', '{a: 1}', 'must be a port between 0 and 65535'],
    ['storage.file.allowed', '{projects: /projects}', 'must be a list of texts'],
    ['logs.level', '{a: warn}', 'must be one of trace, debug, info'],
    ['local.capabilities', '[NET_RWA]', 'must be a list of Linux capabilities such as NET_RAW, without CAP_'],
    ['local.capabilities', '[CAP_NET_RAW]', 'must be a list of Linux capabilities such as NET_RAW, without CAP_'],
    ['backends', '{name: local}', 'must be a list of at least one backend'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: podman, token_file: /none}]', '[0].token_file: ENOENT'],
    ['backends', '[{type: pulsar, amqp_url_file: /none, runtime: podman}]', '[0].amqp_url_file: ENOENT'],
    ['backends', '[]', 'must be a list of at least one backend'],
    ['backends', '[{name: a/b}]', '[0].name: must be a name of letters, digits, - and _'],
    ['backends', '[{name: a}, {name: a}]', 'two backends are called a'],
    ['backends', '[{name: a, cpus: -1}]', '[0].cpus: must be a number above 0'],
    ['backends', '[{labels: [north]}]', '[0].labels: must be a map of words with names in lower case'],
    ['backends', '[{labels: {Site: north}}]', '[0].labels: must be a map of words with names in lower case'],
    ['backends', '[{url_prefixes: []}]', '[0].url_prefixes: must be a list of URLs, or of their beginnings'],
    ['backends', '[{url_prefixes: ["data.example/"]}]', '[0].url_prefixes: must be a list of URLs, or of their beginnings'],
    ['backends', '[{url_prefixes: ["https://u:p@h/"]}]', '[0].url_prefixes: must be a list of URLs, or of their beginnings'],
    ['backends', '[{when_away: move}]', '[0].when_away: is not known'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: podman, when_away: run}]', '[0].when_away: must be wait or move'],
    ['backends', '[{name: a, colour: red}]', '[0].colour: is not known'],
    ['backends', '[{type: pulsar, runtime: podman}]', '[0]: url is missing, or amqp_url'],
    ['backends', '[{type: pulsar, url: "ftp://h", runtime: podman}]', '[0].url: must be the http or https address of a Pulsar server'],
    ['backends', '[{type: pulsar, url: "http://h?private_token=x", runtime: podman}]', '[0].url: must be the http or https address'],
    ['backends', '[{type: pulsar, url: "http://h"}]', '[0].runtime: is required'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: podman, stager: ["a\\0b"]}]', '[0].stager: must be a list of words'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: auto}]', '[0].runtime: must be one of docker, podman, apptainer, bubblewrap'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: podman, staging: both}]', '[0].staging: must be gateway or worker'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: podman, stager: []}]', '[0].stager: must be a list of words'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: podman, stager: stage.sh}]', '[0].stager: must be a list of words'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: podman, stager_image: "-v"}]', '[0].stager_image: must be the reference'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: bubblewrap, stager_image: i}]', '[0]: stager_image needs podman or docker'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: podman, stager_files: [data]}]', '[0].stager_files: must be a list of dir'],
    ['backends', '[{type: pulsar, amqp_url: "http://h", runtime: podman}]', '[0].amqp_url: must be the amqp or amqps address'],
    ['backends', '[{type: pulsar, url: "http://h", runtime: podman, amqp_key_prefix: p}]', '[0]: amqp_key_prefix needs amqp_url'],
    [
      'backends',
      '[{type: pulsar, url: "http://h", amqp_url: "amqp://h", runtime: podman, amqp_key_prefix: "a b"}]',
      '[0].amqp_key_prefix: must be the amqp_key_prefix of the server',
    ],
    [
      'backends',
      '[{type: pulsar, amqp_url: "amqp://h", runtime: podman}]',
      '[0]: without url there is no way for files through the gateway',
    ],
    [
      'backends',
      '[{type: pulsar, amqp_url: "amqp://h", runtime: podman, staging: worker, token: t}]',
      '[0]: token is for url, which is missing',
    ],
  ])('refuses %s: %s from a file', (key, value, words) => {
    const path = file(key.split('.').reduceRight((inner, name) => `{${name}: ${inner}}`, value));
    expect(faultsOf({ files: [path] })).toEqual([expect.stringContaining(`${path}: ${key}${words.startsWith('[') ? '' : ': '}${words}`)]);
  });

  it.each([
    ['TES_GATEWAY_SERVER_PORT', 'the variable of server.port is TES_GATEWAY__SERVER__PORT'],
    ['TES_GATEWAY_SERVER__PORT', 'the variable of server.port is TES_GATEWAY__SERVER__PORT'],
    ['TES_GATEWAY__SERVER_PORT', 'there is no setting server_port; server.port is TES_GATEWAY__SERVER__PORT'],
    ['TES_GATEWAY_STORE_URL_FILE', 'the variable of store.url is TES_GATEWAY__STORE__URL'],
  ])('names the variable that %s should be', (variable, words) => {
    expect(faultsOf({ env: { [variable]: '8081' } })).toEqual([`${variable}: ${words}`]);
  });

  it('leaves variables that are no settings of its own', () => {
    const env = { TES_GATEWAY_CACHE: '/cache', TES_GATEWAY_SERVER_PORT: 'tcp://10.0.0.1:80' };
    expect(faultsOf({ env })).toEqual([]);
  });

  it('takes image names with dots in a map', () => {
    const path = file('images: {map: {"alpine:3.18": /a.sif, "docker.io/library/busybox:1.36": /b.sif}}');
    expect(load({ files: [path] }).images.map).toEqual({ 'alpine:3.18': '/a.sif', 'docker.io/library/busybox:1.36': '/b.sif' });
  });

  it('refuses a file that is no YAML or is not there, in one line', () => {
    const path = file('server: {port: [}');
    const [first, second, ...others] = faultsOf({ files: [path, join(folder, 'absent.yaml')] });
    expect(first).toMatch(new RegExp(`^${path}: .+`));
    expect(second).toMatch(/absent\.yaml: ENOENT/);
    expect([first, second].join('')).not.toContain('\n');
    expect(others).toEqual([]);
  });

  it('lets no file reach into JavaScript objects', () => {
    const path = file('__proto__: {polluted: 1}\nserver: {__proto__: {polluted: 1}, port: 9}\nconstructor: {prototype: {polluted: 1}}');
    expect(load({ files: [path] }).server.port).toBe(9);
    expect(load({ env: { TES_GATEWAY__IMAGES__MAP: '{"__proto__": {"polluted": 1}, "a": "/b"}' } }).images.map).toEqual({ a: '/b' });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('reads sizes with units', () => {
    expect(load({ env: { TES_GATEWAY__LIMITS__MIN_FREE_DISK: '1.5 GiB', TES_GATEWAY__LOGS__TAIL_BYTES: '64K' } })).toMatchObject({
      limits: { min_free_disk: 1.5 * 2 ** 30 },
      logs: { tail_bytes: 65_536 },
    });
  });

  it('makes paths absolute, with <data_dir> in the lists', () => {
    const settings = load({
      argv: ['--data_dir', 'here', '--images.map', '{a: x.sif}', '--storage.file.allowed', "['<data_dir>/in', /out]"],
    });
    expect(settings.data_dir).toBe(resolve('here'));
    expect(settings.storage['file']).toEqual({ allowed: [resolve('here/in'), '/out'] });
    expect(settings.images.map).toEqual({ a: resolve('x.sif') });
    expect(load({}).storage['file']).toEqual({ allowed: [resolve('data/files')] });
  });

  it.each([
    [['--data_dir', '/x', '--work_dir', '/x/work'], 'work_dir: must be apart from data_dir'],
    [['--data_dir', '/x/data', '--work_dir', '/x'], 'work_dir: must be apart from data_dir'],
    [['--limits.default_runtime_seconds', '10', '--limits.max_runtime_seconds', '9'], 'limits.default_runtime_seconds: must not be above'],
    [['--retry.first_delay_seconds', '10', '--retry.longest_delay_seconds', '9'], 'retry.first_delay_seconds: must not be above'],
  ])('refuses what does not go together: %j', (argv, words) => {
    expect(faultsOf({ argv })).toEqual([expect.stringContaining(words)]);
  });

  it('accepts neighbours of data_dir as work_dir', () => {
    expect(faultsOf({ argv: ['--data_dir', '/x/a', '--work_dir', '/x/ab'] })).toEqual([]);
  });

  it('cannot be changed after loading', () => {
    const settings = load({});
    expect(() => Object.assign(settings.server, { port: 1 })).toThrow(TypeError);
    expect(() => Object.assign(settings.backends[0] ?? {}, { name: 'x' })).toThrow(TypeError);
  });

  it('masks secrets, set or not, when settings are shown, and leaves their values out of faults', () => {
    const known: Adapters = {
      ...adapters,
      storages: [
        {
          type: 'made-up',
          doc: '',
          schemes: [],
          settings: {
            key: { doc: '', format: 'text', default: '', sensitive: true },
            pin: { doc: '', format: 'count', default: 1, sensitive: true },
            other: { doc: '', format: 'count', default: 1 },
          },
          here: () => ({}),
          create: () => Promise.reject(new Error('not in this test')),
        },
      ],
    };
    const settings = load({ argv: ['--storage.made-up.key=hunter2'] }, known);
    const shown = parse(describeSettings(settings, known)) as { readonly storage: unknown };
    expect(shown.storage).toEqual({ 'made-up': { key: '[masked]', pin: '[masked]', other: 1 } });
    expect(() => load({ argv: ['--storage.made-up.pin=hunter2'] }, known)).toThrow(
      /^--storage.made-up.pin: storage.made-up.pin: must be (?!.*hunter2)/,
    );
  });

  it('wants a connection string for MongoDB, and shows it nowhere', () => {
    const faults = faultsOf({ argv: ['--store.type=mongodb', '--store.url=user:hunter2@host', '--store.database=a/b'] });
    expect(faults).toEqual([
      expect.stringMatching(/^settings: store\.url: must be a connection string/),
      expect.stringMatching(/^settings: store\.database: /),
    ]);
    expect(faults.join()).not.toContain('hunter2');
    const settings = load({ env: { TES_GATEWAY__STORE__TYPE: 'mongodb', TES_GATEWAY__STORE__URL: 'mongodb://user:hunter2@host/' } });
    expect(settings.store).toMatchObject({ type: 'mongodb', url: 'mongodb://user:hunter2@host/', database: 'tes_gateway' });
    expect(describeSettings(settings, adapters)).toContain('url: "[masked]"');
    expect(describeSettings(settings, adapters)).not.toContain('hunter2');
  });

  it("shows a Pulsar server's token nowhere, and reads it from a file", () => {
    const secret = file('hunter2\n');
    const settings = load({
      env: { TES_GATEWAY__BACKENDS: `[{type: pulsar, url: "http://h/", runtime: podman, token_file: ${secret}}]` },
    });
    expect(settings.backends).toEqual([
      {
        name: 'pulsar',
        type: 'pulsar',
        url: 'http://h/',
        token: 'hunter2',
        runtime: 'podman',
        network: 'default',
        staging: 'gateway',
        stager: ['tes-gateway-stager'],
        stager_files: [],
        slots: 4,
        environment: {},
        when_away: 'wait',
        move_after_seconds: 600,
        drain: false,
      },
    ]);
    expect(describeSettings(settings, adapters)).toContain('token: "[masked]"');
    expect(describeSettings(settings, adapters)).not.toContain('hunter2');
    expect(faultsOf({ argv: ['--backends=[{type: pulsar, url: "http://h", runtime: podman, token: hunter2, slots: 0}]'] })).toEqual([
      '--backends: backends[0].slots: must be a whole number above 0',
    ]);
  });

  it("shows a broker's password nowhere, and reads its address from a file", () => {
    const secret = file('amqps://user:hunter2@broker/\n');
    const entry = `[{type: pulsar, runtime: podman, staging: worker, amqp_url_file: ${secret}, amqp_key_prefix: tes1}]`;
    const settings = load({ env: { TES_GATEWAY__BACKENDS: entry } });
    expect(settings.backends[0]).toMatchObject({ amqp_url: 'amqps://user:hunter2@broker/', amqp_key_prefix: 'tes1', token: '' });
    expect(describeSettings(settings, adapters)).not.toContain('hunter2');
  });

  it('reads the connection string from a file, as secrets are handed to containers', () => {
    const secret = file('mongodb://user:hunter2@host/\n');
    expect(load({ env: { TES_GATEWAY__STORE__TYPE: 'mongodb', TES_GATEWAY__STORE__URL_FILE: secret } }).store['url']).toBe(
      'mongodb://user:hunter2@host/',
    );
  });

  it.each([
    ['a file of settings', (secret: string) => ({ files: [file(`store: {type: mongodb, url_file: ${secret}}`)] })],
    ['a flag', (secret: string) => ({ argv: ['--store.type=mongodb', `--store.url_file=${secret}`] })],
  ])('takes KEY_file for what is sensitive, and for nothing else, in %s', (_where, layers) => {
    expect(load(layers(file('mongodb://user:hunter2@host/\n'))).store['url']).toBe('mongodb://user:hunter2@host/');
    expect(faultsOf(layers(join(folder, 'absent')))).toEqual([expect.stringMatching(/: store\.url: ENOENT/)]);
    expect(faultsOf({ argv: ['--store.database_file=/x'], files: [file('store: {database_file: /x}')] })).toEqual([
      expect.stringContaining('there is no setting store.database_file'),
      expect.stringContaining('there is no setting store.database_file'),
    ]);
  });

  it.each([
    ['token_file: /absent/secret', '.token_file: ENOENT'],
    ['token_file: 7', '.token_file: must be the name of a file'],
    ['token: hunter2, token_file: /absent/secret', '.token_file: not beside token: give one of them'],
    ['url_file: /x', '.url_file: is not known'],
  ])('refuses an entry of backends with %s', (members, words) => {
    const [fault, ...others] = faultsOf({ argv: [`--backends=[{type: pulsar, url: "http://h", runtime: podman, ${members}}]`] });
    expect(fault).toContain(`--backends: backends[0]${words}`);
    expect([fault, ...others].join()).not.toContain('hunter2');
    expect(others).toEqual([]);
  });

  it('names every fault of every entry of backends at once', () => {
    expect(faultsOf({ argv: ['--backends=[{name: a/b, cpus: 0}, 7, {type: rocket}, {name: c}, {name: c}]'] })).toEqual([
      '--backends: backends[0].name: must be a name of letters, digits, - and _',
      '--backends: backends[0].cpus: must be a number above 0',
      '--backends: backends[1]: must be an object such as {name: local, type: local}',
      expect.stringMatching(/^--backends: backends\[2\]\.type: must be (one of )?local(,| or) pulsar/),
      '--backends: backends: two backends are called c',
    ]);
  });

  it('shows settings as a file that says the same again, secrets aside', () => {
    const settings = load({ env: { TES_GATEWAY__IMAGES__MAP: '{a: /b.sif}', TES_GATEWAY__SERVER__PORT: '9' } });
    expect(load({ files: [file(describeSettings(settings, adapters))] })).toEqual({
      ...settings,
      store: { ...settings.store, url: '[masked]' },
    });
  });
});

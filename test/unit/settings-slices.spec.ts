import { type SettingDefinition, settingDefinitions } from '../../src/config/setting-sources';
import { loadSettings } from '../../src/config/settings';
import { settingsSchema } from '../../src/config/settings-schema';
import * as slices from '../../src/settings-slices';

/** Read by the composition itself, not handed on in a slice. */
const READ_DIRECTLY = [
  'server.host',
  'server.port',
  'server.shutdown_grace_seconds',
  'instance',
  'store.type',
  'logs.level',
  'logs.format',
];

const load = (...argv: string[]) => loadSettings({ files: [], env: {}, argv });

function allSlices(...argv: string[]): string {
  const settings = load(...argv);
  const surroundings = { instance: 'me', environment: { PATH: '/bin', SECRET: 'x' }, log: () => undefined };
  return JSON.stringify([
    slices.engineSettings(settings, 'me'),
    slices.admissionSettings(settings),
    slices.taskServiceSettings(settings),
    slices.logReaderSettings(settings),
    slices.sqliteOptions(settings),
    slices.mongoOptions(settings, 'me'),
    slices.fileStorageSettings(settings, 'me'),
    slices.httpStorageSettings(settings),
    slices.apiSettings(settings),
    slices.serviceInfoSettings(settings, '1.0.0'),
    slices.freeDiskSettings(settings),
    settings.backends.map((backend) =>
      backend.type === 'local'
        ? slices.localBackendSettings(settings, backend, surroundings)
        : slices.pulsarBackendSettings(settings, backend, surroundings),
    ),
  ]);
}

/** Another valid value than the default. */
function another({ format, default: value }: SettingDefinition): string {
  if (Array.isArray(format)) return String(format.find((choice) => choice !== value));
  switch (format) {
    case 'text':
      return '/another/text';
    case 'yes or no':
      return String(!value);
    case 'list of texts':
      return '[/another/text]';
    case 'list of capabilities':
      return '[NET_RAW]';
    case 'map of texts':
      return '{a: /another/text}';
    case 'span':
      return '9d';
    case 'backends':
      return '[{name: other, runtime: podman, network: none, cpus: 1, ram_gb: 2, drain: true}]';
    default:
      return String(Number(value) + (Number(value) > 1 ? -1 : 1));
  }
}

describe('the slices of the settings', () => {
  const keys = [...settingDefinitions(settingsSchema)].filter(([key]) => !READ_DIRECTLY.includes(key));

  it.each(keys)('hand on %s to somebody', (key, definition) => {
    expect(allSlices(`--${key}=${another(definition)}`)).not.toBe(allSlices());
  });

  it('turn seconds, spans and names into what the parts read', () => {
    const settings = load('--retention.finished=2d', '--retry.first_delay_seconds=0.5', '--limits.big_task_wait_seconds=60');
    expect(slices.engineSettings(settings, 'me')).toMatchObject({
      instance: 'me',
      retentionMs: 172_800_000,
      retry: { firstDelayMs: 500 },
      bigTaskWaitMs: 60_000,
    });
    expect(slices.engineSettings(load(), 'me')).not.toHaveProperty('retentionMs');
    expect(slices.taskServiceSettings(load()).views).toEqual({});
    expect(slices.taskServiceSettings(load('--api.show_canceling_as=RUNNING')).views).toEqual({ showCancelingAs: 'RUNNING' });
  });

  it('give a backend a workspace of its own and only what its programs need of the environment', () => {
    const settings = load('--work_dir=/w', '--backends=[{name: one}, {name: two, cpus: 2}]');
    const surroundings = { instance: 'me', environment: { PATH: '/bin', SECRET: 'x' }, log: () => undefined };
    const [one, two] = settings.backends.map((backend) =>
      backend.type === 'local' ? slices.localBackendSettings(settings, backend, surroundings) : undefined,
    );
    expect(one).toMatchObject({ name: 'one', workDir: '/w/one', environment: { PATH: '/bin' } });
    expect(one).not.toHaveProperty('cpus');
    expect(two).toMatchObject({ workDir: '/w/two', cpus: 2 });
    expect(one?.environment).not.toHaveProperty('SECRET');
  });

  it('hand everything on that a Pulsar server needs', () => {
    const entry =
      '{name: far, type: pulsar, url: "http://h:1/p/", token: t, manager: m, runtime: podman, network: none, slots: 9, cpus: 2, ram_gb: 3, drain: true, environment: {A: b}}';
    const settings = load(
      `--backends=[${entry}]`,
      '--local.pids_limit=7',
      '--local.kill_grace_seconds=3',
      '--local.capabilities=[CHOWN,NET_RAW]',
      '--images.pull=never',
      '--images.allowed=[/i]',
    );
    const [backend] = settings.backends;
    const log = (): void => undefined;
    expect(backend?.type === 'pulsar' && slices.pulsarBackendSettings(settings, backend, { instance: 'me', log })).toEqual({
      name: 'far',
      url: 'http://h:1/p',
      token: 't',
      manager: 'm',
      runtime: 'podman',
      network: 'none',
      slots: 9,
      cpus: 2,
      ramGb: 3,
      drain: true,
      instance: 'me',
      killGraceSeconds: 3,
      pidsLimit: 7,
      capabilities: ['CHOWN', 'NET_RAW'],
      pull: 'never',
      imageDirectories: ['/i'],
      environment: { A: 'b' },
      log,
    });
  });
});

import { adapters } from '../../src/adapters';
import { loadSettings, type Settings } from '../../src/config/settings';
import { settingDefinitions, settingsSchema } from '../../src/config/settings-schema';
import type { BackendContext } from '../../src/ports/adapter';
import * as slices from '../../src/settings-slices';

/** Read by the composition itself, not handed on in a slice. */
const READ_DIRECTLY = [
  'auth.allow_anonymous',
  'audit.file',
  'credentials.key_file',
  'credentials.max_per_user',
  'auth.open',
  'rates.failed_logins',
  'server.tls.certificate_file',
  'server.tls.key_file',
  'server.host',
  'server.port',
  'server.shutdown_grace_seconds',
  'instance',
  'logs.level',
  'logs.format',
];

const load = (...argv: string[]) => loadSettings({ files: [], env: {}, argv }, adapters);
const SURROUNDINGS = { instance: 'me', environment: { PATH: '/bin', SECRET: 'x' }, log: () => undefined };
const contextOf = (settings: Settings, name = 'local'): BackendContext => slices.backendContext(settings, name, SURROUNDINGS, adapters);

function allSlices(...argv: string[]): string {
  const settings = load(...argv);
  return JSON.stringify([
    slices.engineSettings(settings, 'me'),
    slices.admissionSettings(settings),
    slices.taskServiceSettings(settings),
    slices.logReaderSettings(settings),
    slices.maxDueMs(settings),
    slices.apiSettings(settings),
    slices.rateLimits(settings),
    slices.serviceInfoSettings(settings, '1.0.0'),
    slices.freeDiskSettings(settings),
    contextOf(settings),
  ]);
}

/** Another valid value than the default. */
function another({ format, default: value }: { readonly format: unknown; readonly default: unknown }): string {
  if (Array.isArray(format)) return String(format.find((choice) => choice !== value));
  switch (format) {
    case 'text':
    case 'path':
      return '/another/text';
    case 'yes or no':
      return String(!value);
    case 'list of texts':
    case 'list of paths':
      return '[/another/text]';
    case 'list of networks':
      return '[10.0.0.0/8]';
    case 'list of capabilities':
      return '[NET_RAW]';
    case 'map of texts':
    case 'map of paths':
      return '{a: /another/text}';
    case 'span':
      return '9d';
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

  it('give each backend a workspace of its own', () => {
    const settings = load('--work_dir=/w');
    expect([contextOf(settings, 'one').workDir, contextOf(settings, 'two').workDir]).toEqual(['/w/one', '/w/two']);
  });

  it('give backends the storages that work on other machines, with the directories that are theirs there', () => {
    const { storagesElsewhere } = contextOf(load('--storage.http.max_redirects=2'));
    expect(storagesElsewhere.map(({ name, schemes, slice }) => [name, schemes, slice(['/theirs'])])).toEqual([
      ['file', ['file'], { allowed: ['/theirs'] }],
      ['http', ['http', 'https'], expect.objectContaining({ maxRedirects: 2 })],
    ]);
  });

  it('say what tasks do while their backend is away', () => {
    const settings = load(
      '--backends=[{type: local}, {name: a, type: pulsar, url: "http://h", runtime: podman}, {name: b, type: pulsar, url: "http://h", runtime: podman, when_away: move, move_after_seconds: 9}]',
    );
    expect(settings.backends.map((entry) => slices.placement(entry).whenAway)).toEqual([
      { kind: 'patience' },
      { kind: 'wait' },
      { kind: 'move', afterMs: 9000 },
    ]);
  });
});

import { adapters } from '../../../../src/adapters';
import { localSettings } from '../../../../src/backends/local/local.adapter';
import { loadSettings } from '../../../../src/config/settings';
import { backendContext } from '../../../../src/settings-slices';

type Entry = Parameters<typeof localSettings>[0];

describe('an entry of backends of type local', () => {
  const settings = loadSettings(
    { files: [], env: {}, argv: ['--backends=[{name: one}, {name: two, cpus: 2, ram_gb: 3, disk_gb: 50, gpus: 0}]'] },
    adapters,
  );
  const surroundings = { instance: 'me', environment: { PATH: '/bin', SECRET: 'x' }, log: () => undefined };
  const [one, two] = settings.backends.map((entry) =>
    localSettings(entry as Entry, backendContext(settings, entry.name, surroundings, adapters)),
  );

  it('means the whole machine when it names no amounts', () => {
    expect(one).not.toHaveProperty('cpus');
    expect(one).not.toHaveProperty('ramGb');
    expect(two).toMatchObject({ name: 'two', cpus: 2, ramGb: 3, diskGb: 50, gpus: 0 });
  });

  it('gives its programs only what they need of the environment', () => {
    expect(one?.environment).toEqual({ PATH: '/bin' });
  });

  it('follows the settings that hold for jobs and images everywhere', () => {
    expect(one).toMatchObject({ pidsLimit: 4096, keepWorkspace: 'never', images: { pull: 'missing', allowed: [], map: {} } });
  });
});

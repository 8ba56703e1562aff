import { adapters } from '../../../../src/adapters';
import { pulsarSettings } from '../../../../src/backends/pulsar/pulsar.adapter';
import { loadSettings } from '../../../../src/config/settings';
import { backendContext } from '../../../../src/settings-slices';

const log = (): void => undefined;

function settingsOf(entry: string, ...argv: readonly string[]): ReturnType<typeof pulsarSettings> {
  const settings = loadSettings({ files: [], env: {}, argv: [`--backends=[${entry}]`, ...argv] }, adapters);
  const [first] = settings.backends;
  const context = backendContext(settings, 'far', { instance: 'me', environment: {}, log }, adapters);
  return pulsarSettings(first as Parameters<typeof pulsarSettings>[0], context);
}

describe('an entry of backends of type pulsar', () => {
  it('says everything that a server needs', () => {
    const entry =
      '{name: far, type: pulsar, url: "http://h:1/p/", token: t, manager: m, runtime: podman, network: none, slots: 9, cpus: 2, ram_gb: 3, disk_gb: 4, gpus: 5, drain: true, environment: {A: b}}';
    const others = [
      '--local.pids_limit=7',
      '--local.kill_grace_seconds=3',
      '--local.capabilities=[CHOWN,NET_RAW]',
      '--images.pull=never',
      '--images.allowed=[/i]',
    ];
    expect(settingsOf(entry, ...others)).toEqual({
      name: 'far',
      url: 'http://h:1/p',
      token: 't',
      manager: 'm',
      runtime: 'podman',
      network: 'none',
      slots: 9,
      cpus: 2,
      ramGb: 3,
      diskGb: 4,
      gpus: 5,
      drain: true,
      instance: 'me',
      killGraceSeconds: 3,
      pidsLimit: 7,
      capabilities: ['CHOWN', 'NET_RAW'],
      images: { allowed: ['/i'], map: {}, pull: 'never' },
      environment: { A: 'b' },
      log,
    });
  });

  it('gives its stager the transfers of the gateway and the files of the worker', () => {
    const { stager } = settingsOf(
      '{type: pulsar, url: "http://h", runtime: podman, staging: worker, stager_files: [/data], stager_image: i}',
      '--transfers.parallel=3',
      '--storage.http.enabled=false',
    );
    expect(stager).toMatchObject({ command: ['tes-gateway-stager'], image: 'i', files: ['/data'], transfers: { parallel: 3, tries: 3 } });
    expect(stager?.storage).toEqual([
      { name: 'file', schemes: ['file'], settings: { allowed: ['/data'] } },
      { name: 'http', schemes: ['http', 'https'], settings: expect.objectContaining({ enabled: false }) as unknown },
    ]);
  });
});

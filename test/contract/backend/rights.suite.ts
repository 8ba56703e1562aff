import { execFile } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LocalBackend } from '../../../src/backends/local/local.backend';
import type { Engine } from '../../system/engines';
import { exitCodes, JobDriver, makeWorkDirectory, removeWorkDirectory, stdoutOf } from './execution-backend.fixture';
import { localDrivers, localSettings } from './local-backend.fixture';

const never = new AbortController().signal;
const runFile = promisify(execFile);

/** What a container of docker and podman may do, what it leaves behind, and whose images it gets. */
export function describeRights(name: string, engine: () => Engine): void {
  describe(`${name}: rights and images`, () => {
    let driver: JobDriver;
    let workDir: string;
    const { driverWith, ...drivers } = localDrivers(name, engine);
    const ask = async (...args: string[]): Promise<string> =>
      (await runFile(engine().name, args, { env: engine().environment })).stdout.trim();
    /** An image of busybox that says more. */
    const imageWith = async (image: string, change: string): Promise<string> => {
      const archive = join(workDir, 'root.tar');
      const made = await ask('create', engine().images.busybox, '/none');
      await ask('export', '-o', archive, made);
      await ask('rm', made);
      await ask('import', '-c', 'ENV PATH=/bin', '-c', change, archive, image);
      return image;
    };

    beforeAll(async () => {
      workDir = drivers.workDir();
      driver = await driverWith();
    });

    const status = 'grep -E "^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs)" /proc/self/status';
    const KEPT = '00000000000000fb';
    const NOTHING = '0000000000000000';

    it('gives root the capabilities that file programs need, and no way to others', async () => {
      const ended = await driver.shell(status);
      expect(stdoutOf(ended)).toBe(`CapPrm:\t${KEPT}\nCapEff:\t${KEPT}\nCapBnd:\t${KEPT}\nCapAmb:\t${NOTHING}\nNoNewPrivs:\t1\n`);
    });

    it('gives the user of an image no capability, also where the setting is longer', async () => {
      const wide = await driverWith({ capabilities: ['CHOWN', 'DAC_OVERRIDE', 'NET_RAW'] });
      const command = ['/bin/sh', '-c', `id -u; ${status}`];
      const ended = await wide.carryOut(wide.job({ executors: [{ image: engine().images.filled, command }, { command }] }));
      expect(stdoutOf(ended, 0)).toMatch(new RegExp(`^1000\nCapPrm:\t${NOTHING}\nCapEff:\t${NOTHING}\n`));
      expect(stdoutOf(ended, 1)).toMatch(/^0\nCapPrm:\t0000000000002003\n/);
    });

    it('says of limits what the engine says, not that they are enforced', () => {
      const { notes } = driver.backend.capabilities();
      const said = `${name}, limits of memory, CPU and processes on this machine: ${name} says that it can`;
      expect(notes.filter((note) => note.startsWith(said))).toHaveLength(1);
      expect(notes.filter((note) => /(memory|CPU|process) limit: enforced/.test(note))).toEqual([]);
    });

    it('gives as much shared memory as memory', async () => {
      const ended = await driver.carryOut(
        driver.job({ executors: [{ command: ['/bin/sh', '-c', 'df -k /dev/shm | tail -n 1'] }] }, { ramGb: 0.5 }),
      );
      expect(stdoutOf(ended)).toMatch(/^\S+\s+524288 /);
    });

    it('leaves no volume of an image behind', async () => {
      const image = await imageWith('localhost/with-volumes:latest', 'VOLUME ["/data", "/cache"]');
      const before = await ask('volume', 'ls', '-q');
      const command = ['/bin/sh', '-c', 'echo x >/data/x; echo x >/work/own/x'];
      const ended = await driver.carryOut(driver.job({ volumes: ['/work/own', '/etc/own'], executors: [{ image, command }] }));
      expect(exitCodes(ended)).toEqual([0]);
      await driver.cleanAll();
      expect(await ask('volume', 'ls', '-q')).toBe(before);
      await ask('rmi', image);
    });

    /** Archives whose own name is `victim`, which others use: as the engine saves it, compressed, and as OCI has it. */
    const archivesNamed = async (victim: string): Promise<readonly string[]> => {
      const evil = await imageWith('localhost/evil:latest', 'ENV WHOSE=evil');
      await ask('tag', evil, victim);
      const allowed = join(workDir, 'allowed');
      await fs.mkdir(allowed, { recursive: true });
      const archives = ['saved.tar', ...(name === 'podman' ? ['oci.tar'] : [])].map((file) => join(allowed, file));
      for (const [index, archive] of archives.entries()) {
        await fs.rm(archive, { force: true });
        await ask('save', ...(index === 1 ? ['--format', 'oci-archive'] : []), '-o', archive, victim);
      }
      await fs.copyFile(archives[0] ?? '', join(allowed, 'again.tar'));
      await fs.rm(join(allowed, 'again.tar.gz'), { force: true });
      await runFile('gzip', [join(allowed, 'again.tar')]);
      await ask('rmi', victim, evil);
      await ask('tag', engine().images.busybox, victim);
      return [...archives, join(allowed, 'again.tar.gz')];
    };
    const tags = async (): Promise<readonly string[]> => {
      const lines = (await ask('images', '--no-trunc', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}')).split('\n');
      return lines.filter((line) => /used-by-others|evil/.test(line));
    };

    it('gives no image the name that an archive says, and leaves an image that others use as it is', async () => {
      const victim = 'docker.io/library/used-by-others:latest';
      const archives = await archivesNamed(victim);
      const before = await tags();
      const open = await driverWith({ images: { allowed: [join(workDir, 'allowed')], map: {}, pull: 'never' } });
      const command = ['/bin/sh', '-c', 'echo "$WHOSE"'];
      for (const archive of archives) {
        const ended = await open.carryOut(
          open.job({
            executors: [
              { image: archive, command },
              { image: victim, command },
            ],
          }),
        );
        expect([archive, stdoutOf(ended, 0), stdoutOf(ended, 1)]).toEqual([archive, 'evil\n', '\n']);
        expect(await tags()).toEqual(before);
        await open.cleanAll();
        const { dev, ino } = await fs.stat(archive);
        for (const each of (await ask('images', '--format', '{{.Repository}}:{{.Tag}}', 'localhost/tes-gateway-file')).split('\n')) {
          if (each.includes(`:${dev}.${ino}.`)) await ask('rmi', each);
        }
      }
      await ask('rmi', victim);
    });

    it('looks for a short name here as it is written', async () => {
      await ask('tag', engine().images.busybox, 'docker.io/owner/short:1');
      const ended = await driver.carryOut(driver.job({ executors: [{ image: 'owner/short:1', command: ['echo', 'here'] }] }));
      expect(stdoutOf(ended)).toBe('here\n');
      await ask('rmi', 'docker.io/owner/short:1');
    });
  });
}

/** podman can be told where docker.io is; dockerd, whose only meaning of a short name this is, cannot. */
export function describeShortNames(name: string, engine: () => Engine): void {
  describe(`${name}: short image names`, () => {
    it('asks docker.io for an image without a host, and for library/ where there is no owner', async () => {
      const workDir = await makeWorkDirectory(name);
      const asked: string[] = [];
      const registry = createServer((request, response) => {
        asked.push(request.url ?? '');
        response.statusCode = request.url === '/v2/' ? 200 : 404;
        response.end('{}');
      });
      await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
      try {
        const address = `127.0.0.1:${(registry.address() as AddressInfo).port}`;
        const file = join(workDir, 'registries.conf');
        const lines = [
          'unqualified-search-registries = ["none.invalid"]',
          '[[registry]]',
          'prefix = "docker.io"',
          `location = "${address}"`,
        ];
        await fs.writeFile(file, [...lines, 'insecure = true', ''].join('\n'));
        const settings = localSettings(engine(), join(workDir, 'work'));
        const { PATH = '', HOME = '' } = process.env;
        const environment = { PATH, HOME, ...engine().env, CONTAINERS_REGISTRIES_CONF: file };
        const backend = new LocalBackend({ ...settings, environment });
        await backend.start(never);
        const driver = new JobDriver(backend, engine().images);
        for (const image of ['nobody-has-this:7', 'biocontainers/nobody-has-this:7']) {
          const ended = await driver.carryOut(driver.job({ executors: [{ image, command: ['true'] }] }));
          expect(ended.observation.systemError?.message).toContain(image);
        }
        await driver.cleanAll();
        await backend.close();
        expect(asked.filter((url) => url.includes('/manifests/'))).toEqual([
          '/v2/library/nobody-has-this/manifests/7',
          '/v2/biocontainers/nobody-has-this/manifests/7',
        ]);
      } finally {
        registry.closeAllConnections();
        registry.close();
        await removeWorkDirectory(workDir);
      }
    });
  });
}

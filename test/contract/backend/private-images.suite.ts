import { execFile } from 'node:child_process';
import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Login } from '../../../src/ports/credentials';
import type { Engine } from '../../system/engines';
import { type Ended, type JobDriver, stdoutOf } from './execution-backend.fixture';
import { SAY_WHO } from './image-archives';
import { localDrivers, localSettings } from './local-backend.fixture';
import { startRegistry } from './registry';

/** Whose login fetches an image, and who has it then. */
export function describePrivateImages(name: string, engine: () => Engine): void {
  describe(`${name}: images that a login brings`, () => {
    const { driverWith, ...drivers } = localDrivers(name, engine);
    /** By their ids, too; apptainer has files. */
    const keepsImages = name !== 'apptainer';
    let registry: Awaited<ReturnType<typeof startRegistry>>;
    let driver: JobDriver;
    const ask = async (...args: string[]): Promise<string> =>
      (await promisify(execFile)(name, args, { env: engine().environment })).stdout.trim();
    const idOf = async (image: string): Promise<string> =>
      (await ask('image', 'inspect', '--format', '{{.Id}}', image)).replace('sha256:', '');

    beforeEach(async () => {
      registry = await startRegistry(await fs.mkdtemp(join(drivers.workDir(), 'registry-')), 'private');
      const conf = join(drivers.workDir(), 'registries.conf');
      const hosts = [registry.host, registry.openHost];
      await fs.writeFile(conf, hosts.map((host) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`).join(''));
      const authFile = join(drivers.workDir(), 'logins.json');
      await fs.writeFile(authFile, JSON.stringify({ auths: { [registry.host]: { auth: Buffer.from('lab:pw:lab').toString('base64') } } }));
      const { environment, images } = localSettings(engine(), drivers.workDir());
      driver = await driverWith({
        environment: { ...environment, CONTAINERS_REGISTRIES_CONF: conf },
        images: { ...images, authFile },
        logins: async ({ key }, hosts) => {
          const login: Login = { type: 'basic', username: key, password: `pw:${key}` };
          return new Map(key !== 'nobody' && hosts.includes(registry.host) ? [[registry.host, login]] : []);
        },
      });
    });
    afterEach(async () => {
      registry.close();
      if (keepsImages) await ask('rmi', '-f', registry.image);
    });
    const atOpenHost = (): string => registry.image.replace(registry.host, registry.openHost);
    const run = async (owner: string, image = registry.image): Promise<Ended> =>
      driver.carryOut({ ...driver.job({ executors: [{ image, command: SAY_WHO }] }), owner: { key: owner } });

    it('of a user are there for who brought them, and for others whom the registry lets have them', async () => {
      registry.letIn.add('ann');
      const hers = await run('ann');
      expect([hers.observation.systemError, stdoutOf(hers)]).toEqual([undefined, 'private\n']);
      const fetched = registry.asked.filter((who) => who === 'ann').length;
      expect(fetched).toBeGreaterThan(0);
      for (const workspace of await fs.readdir(join(drivers.workDir(), 'jobs')))
        expect(existsSync(join(drivers.workDir(), 'jobs', workspace, 'plan/config.json'))).toBe(false);
      expect(stdoutOf(await run('ann'))).toBe('private\n');
      expect(registry.asked.filter((who) => who === 'ann')).toHaveLength(fetched);

      for (const owner of ['bob', 'nobody'])
        for (const image of [registry.image, ...(keepsImages ? [await idOf(registry.image)] : [])]) {
          const his = await run(owner, image);
          expect(his.observation.systemError?.message).toMatch(/^fetching the image/);
        }

      registry.letIn.add('bob');
      expect(stdoutOf(await run('bob'))).toBe('private\n');
      expect((await run('nobody')).observation.systemError).toBeDefined();
    });

    it('of a user are not there for others at a registry of anybody, which has no more than their digests', async () => {
      registry.letIn.add('ann');
      await run('ann');
      const his = await run('bob', atOpenHost());
      // Under apptainer each file holds what its own registry gave.
      if (keepsImages) expect(his.observation.systemError?.message).toContain('it is here from another registry');
      else expect(stdoutOf(his)).toBe('private\n');
      if (keepsImages) await ask('rmi', '-f', atOpenHost());
    });

    it('of the operator are there for everybody', async () => {
      registry.letIn.add('lab');
      for (const owner of ['nobody', 'ann']) {
        const theirs = await run(owner);
        expect([theirs.observation.systemError, stdoutOf(theirs)]).toEqual([undefined, 'private\n']);
      }
    });
  });
}

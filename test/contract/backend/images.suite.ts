import { execFile } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Engine } from '../../system/engines';
import { eventually, exitCodes, type JobDriver, stdoutOf, textOf } from './execution-backend.fixture';
import { makeArchive, makeOciArchive, makeRootDirectory, SAY_WHO } from './image-archives';
import { localDrivers, localSettings, localUnderTest } from './local-backend.fixture';

const never = new AbortController().signal;

interface ImageForms {
  readonly directory: string;
  readonly root: string;
  readonly archive: string;
  readonly oci: string;
  readonly sif?: string;
}

/** What the local backend promises where images are really used: docker, podman, apptainer. */
export function describeImages(name: string, engine: () => Engine): void {
  describe(`${name}: images`, () => {
    let driver: JobDriver;
    let workDir: string;
    const { driverWith, ...drivers } = localDrivers(name, engine);

    const loaded: string[] = [];
    const ask = async (...args: string[]): Promise<string> => (await promisify(execFile)(name, args, { env: engine().environment })).stdout;
    /** Names that the gateway gave to images of files. */
    const namesOfLoaded = async (): Promise<readonly string[]> =>
      (await ask('images', '--format', '{{.Repository}}:{{.Tag}}', 'localhost/tes-gateway-file')).split('\n');
    const removeLoaded = async (): Promise<void> => {
      if (name === 'apptainer') return;
      for (const each of await namesOfLoaded()) if (loaded.some((file) => each.includes(`:${file}.`))) await ask('rmi', each);
    };
    /** One image in every form that this runtime takes, in a directory of its own. */
    const makeImageFiles = async (who: string): Promise<ImageForms> => {
      const parent = await fs.mkdtemp(join(workDir, 'images-of-'));
      const directory = join(parent, 'directory');
      await makeRootDirectory(directory, who);
      await promisify(execFile)('tar', ['-C', directory, '-cf', join(parent, 'root.tar'), '.']);
      await makeArchive(join(parent, 'saved.tar'), directory, ['localhost/from-an-archive:latest']);
      await makeOciArchive(join(parent, 'oci.tar'), directory, 'localhost/from-an-archive:latest');
      const forms = { directory, root: join(parent, 'root.tar'), archive: join(parent, 'saved.tar'), oci: join(parent, 'oci.tar') };
      for (const { dev, ino } of await Promise.all(Object.values(forms).map((file) => fs.stat(file)))) loaded.push(`${dev}.${ino}`);
      if (name !== 'apptainer') return forms;
      const sif = join(parent, 'image.sif');
      await promisify(execFile)('apptainer', ['-q', 'build', sif, directory], { env: engine().environment });
      return { ...forms, sif };
    };

    beforeAll(async () => {
      workDir = drivers.workDir();
      driver = await driverWith();
    });
    afterAll(() => removeLoaded());

    it('runs a program in an image that has no shell', async () => {
      const job = driver.job({
        inputs: [{ path: '/work/in', type: 'FILE' }],
        executors: [
          { image: engine().images.noShell, command: ['/busybox', 'cat'], stdin: '/work/in', stdout: '/work/out', workdir: '/made/here' },
        ],
      });
      const ended = await driver.carryOut(job, { '/work/in': 'piped' });
      expect(await textOf(ended.workspace, '/work/out')).toBe('piped');
    });

    it('neither hides what the image has in a directory nor loses what is written there', async () => {
      const job = driver.job({
        inputs: [{ path: '/app/lib/input.txt', type: 'FILE' }],
        outputs: [{ path: '/app/result.txt', type: 'FILE', url: '/x' }],
        executors: [
          {
            image: engine().images.filled,
            command: ['/bin/sh', '-c', 'cat own.txt lib/module.txt lib/input.txt; /opt/tool/bin/tool; cp own.txt result.txt'],
            workdir: '/app',
            stdout: '/opt/tool/said.txt',
          },
        ],
      });
      for (const attempt of [1, 2]) {
        const again = { ...job, taskId: `${job.taskId}${attempt}`, name: `${job.name}${attempt}` };
        const ended = await driver.carryOut(again, { '/app/lib/input.txt': 'from the input\n' });
        expect([exitCodes(ended), ended.observation.executors[0]?.stderr?.text]).toEqual([[0], undefined]);
        expect(await textOf(ended.workspace, '/opt/tool/said.txt')).toBe(
          'from the image: app\nfrom the image: module\nfrom the input\nfrom the image: tool\n',
        );
        expect(await textOf(ended.workspace, '/app/result.txt')).toBe('from the image: app\n');
      }
    });

    it('lets an input win over what the image has under the same name', async () => {
      const job = driver.job({
        inputs: [{ path: '/app/own.txt', type: 'FILE' }],
        executors: [{ image: engine().images.filled, command: ['cat', '/app/own.txt', '/app/lib/module.txt'] }],
      });
      expect(stdoutOf(await driver.carryOut(job, { '/app/own.txt': 'mine\n' }))).toBe('mine\nfrom the image: module\n');
    });

    it('does not carry what one image brought into the next', async () => {
      const job = driver.job({
        volumes: ['/app'],
        executors: [
          { image: engine().images.filled, command: ['/bin/sh', '-c', 'echo new >/app/new.txt; cat /app/own.txt >/app/copy.txt'] },
          { image: engine().images.busybox, command: ['/bin/sh', '-c', 'cd /app && find . -type f | sort'] },
        ],
      });
      expect(stdoutOf(await driver.carryOut(job), 1)).toBe('./copy.txt\n./new.txt\n');
    });

    it('says of an image that is nowhere that it cannot be had', async () => {
      const strict = await driverWith({ images: { ...localSettings(engine(), workDir).images, pull: 'never' } });
      const job = strict.job({ executors: [{ image: 'localhost/is-nowhere:latest', command: ['true'] }] });
      const ended = await strict.carryOut(job);
      expect(ended.observation).toMatchObject({ phase: 'failed', executors: [], systemError: { retryable: false } });
      expect(ended.observation.systemError?.message).toContain('localhost/is-nowhere:latest');
    });

    it('cancels while an image is being fetched from a registry that does not answer', async () => {
      const sockets = new Set<Socket>();
      const silent = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
      });
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      try {
        const { port } = silent.address() as AddressInfo;
        const job = driver.job({ executors: [{ image: `127.0.0.1:${port}/never/comes:1`, command: ['true'] }] });
        const handle = await driver.start(job);
        await eventually('a connection to the registry', () => Promise.resolve(sockets.size > 0 || undefined));
        expect((await driver.look(job, handle))?.phase).toBe('pending');
        await driver.backend.cancel(job.name, handle, never);
        expect(await localUnderTest(engine)().leftovers(job.name)).toEqual([]);
      } finally {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => silent.close(resolve));
      }
    });

    it('keeps a workspace when the settings say so', async () => {
      const keeping = await driverWith({ keepWorkspace: 'on_error' });
      for (const failed of [true, false]) {
        const job = keeping.job({ executors: [{ command: ['true'] }] });
        const { handle } = await keeping.carryOut(job);
        await keeping.backend.cleanup(job.name, handle, { failed }, never);
        expect((await fs.readdir(join(workDir, 'kept'))).includes(job.name)).toBe(failed);
        expect(await fs.readdir(join(workDir, 'jobs'))).not.toContain(job.name);
      }
    });

    it('takes an image from a file that the settings name', async () => {
      const files = await makeImageFiles('of-the-settings');
      for (const file of Object.values(files)) {
        const mapped = await driverWith({ images: { allowed: [], map: { 'example.org/from-a-file:1': file }, pull: 'never' } });
        const job = mapped.job({ executors: [{ image: 'example.org/from-a-file:1', command: SAY_WHO }] });
        expect([file, stdoutOf(await mapped.carryOut(job))]).toEqual([file, 'of-the-settings\n']);
      }
    });

    it('removes what it made of an image file that nobody has used for a week, and makes it anew', async () => {
      const { archive } = await makeImageFiles('made-again');
      const settings = { images: { allowed: [dirname(archive)], map: {}, pull: 'never' as const } };
      const open = await driverWith(settings);
      const images = join(workDir, 'images', name);
      const { dev, ino } = await fs.stat(archive);
      const ofArchive = async (ending: string): Promise<readonly string[]> =>
        (await fs.readdir(images)).filter((file) => file.startsWith(`${dev}.${ino}.`) && file.endsWith(ending));
      const copies = async (): Promise<number> =>
        (name === 'apptainer' ? await ofArchive('.sif') : (await namesOfLoaded()).filter((each) => each.includes(`:${dev}.${ino}.`)))
          .length;
      const carryOut = async (): Promise<void> => {
        expect(stdoutOf(await open.carryOut(open.job({ executors: [{ image: archive, command: SAY_WHO }] })))).toBe('made-again\n');
        await open.cleanAll();
      };
      const aWeekLater = async (): Promise<void> => {
        for (const used of await ofArchive('.used')) await fs.utimes(join(images, used), 0, Date.now() / 1000 - 8 * 24 * 3600);
      };
      const tidy = async (): Promise<void> => (await driverWith(settings)).backend.tidy?.(never);

      await carryOut();
      await aWeekLater();
      await carryOut();
      await tidy();
      expect(await copies()).toBe(1);
      await aWeekLater();
      await tidy();
      expect([await copies(), await ofArchive('')]).toEqual([0, []]);
      await carryOut();
    });

    it('runs no image that a link leads to by the time it is used', async () => {
      const files = await makeImageFiles('right');
      const others = await makeImageFiles('wrong');
      const narrow = await driverWith({ images: { allowed: [dirname(files.directory)], map: {}, pull: 'never' } });
      for (const [form, file] of Object.entries(files)) {
        const wait = {
          image: file,
          command: ['/bin/busybox', 'sh', '-c', 'echo ready; until [ -e /tmp/go ]; do /bin/busybox sleep 0.1; done'],
        };
        const job = narrow.job({ executors: [wait, { image: file, command: SAY_WHO }] });
        const handle = await narrow.start(job);
        await narrow.untilPrinted(job, handle, 'ready');
        await fs.rename(file, `${file}.moved`);
        await fs.symlink(others[form as keyof ImageForms] ?? '', file);
        await fs.writeFile(join(localUnderTest(engine)().workspaceOf(workDir, job.name), 'trees/0/go'), '');
        const { observation } = await narrow.ended(job, handle);
        expect([form, observation.phase, observation.executors.length, observation.systemError]).toEqual([
          form,
          'failed',
          1,
          { message: `the image ${file} cannot be had`, retryable: false },
        ]);
      }
    });

    it('uses what it has opened, though another directory is put in its place at the last moment', async () => {
      const files = await makeImageFiles('opened');
      const others = dirname((await makeImageFiles('swapped-in')).directory);
      const place = dirname(files.directory);
      const { environment = {}, images } = localSettings(engine(), workDir);
      const inFront = join(workDir, 'in-front');
      await fs.mkdir(inFront, { recursive: true });
      const swap = `[ -e '${place}.moved' ] || { mv '${place}' '${place}.moved' && ln -s '${others}' '${place}'; }`;
      const words = "*' load '* | *' import '* | *' build '* | *' exec '*' /who '*";
      const program = `#!/bin/sh\ncase " $* " in ${words}) ${swap}; ;; esac\nPATH=\${PATH#*:} exec ${engine().name} "$@"\n`;
      await fs.writeFile(join(inFront, engine().name), program, { mode: 0o755 });
      const raced = await driverWith({
        images: { ...images, allowed: [place] },
        environment: { ...environment, PATH: `${inFront}:${environment['PATH'] ?? ''}` },
      });
      for (const [form, file] of Object.entries(files)) {
        const ended = await raced.carryOut(raced.job({ executors: [{ image: file, command: SAY_WHO }] }));
        expect([form, stdoutOf(ended), (await fs.lstat(place)).isSymbolicLink()]).toEqual([form, 'opened\n', true]);
        await fs.rm(place);
        await fs.rename(`${place}.moved`, place);
      }
    });

    it('refuses an image file outside the directories that the settings allow, also behind a link', async () => {
      const allowed = join(workDir, 'allowed');
      await fs.mkdir(allowed, { recursive: true });
      await fs.symlink('/etc/passwd', join(allowed, 'link.sif'));
      const narrow = await driverWith({ images: { allowed: [allowed], map: {}, pull: 'never' } });
      const outside = narrow.job({ executors: [{ image: '/etc/passwd', command: ['true'] }] });
      expect(narrow.backend.check(outside.request, outside.needs)).toHaveLength(1);
      const dots = narrow.job({ executors: [{ image: `${allowed}/../x.sif`, command: ['true'] }] });
      expect(narrow.backend.check(dots.request, dots.needs)).toHaveLength(1);
      const behind = narrow.job({ executors: [{ image: join(allowed, 'link.sif'), command: ['true'] }] });
      await expect(narrow.start(behind)).rejects.toMatchObject({ retryable: false });
    });
  });
}

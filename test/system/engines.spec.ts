import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describeEngine, type Engine, type EngineImages } from './engines';

const run = promisify(execFile);
type Command = (engine: Engine, image: string, argv: readonly string[]) => [string, string[]];

const inContainers: Command = (engine, image, argv) => [engine.name, ['run', '--rm', image, ...argv]];
const inApptainer: Command = (_engine, image, argv) => [
  'apptainer',
  ['-q', 'exec', '--containall', '--no-home', '--no-eval', image, ...argv],
];

const commands = { docker: inContainers, podman: inContainers, apptainer: inApptainer } as const;

for (const name of ['docker', 'podman', 'apptainer'] as const) {
  describeEngine(name, 'the engine that the tests start', (engine) => {
    const output = async (image: keyof EngineImages, ...argv: string[]): Promise<string> => {
      const [program, args] = commands[name](engine(), engine().images[image], argv);
      return (await run(program, args, { env: engine().environment })).stdout;
    };

    it('runs a shell in busybox', async () => {
      expect(await output('busybox', 'sh', '-c', 'echo "$0"', 'a  b')).toBe('a  b\n');
    });

    it('runs the one program of an image without /bin/sh', async () => {
      expect(await output('noShell', '/busybox', 'echo', 'hi')).toBe('hi\n');
      await expect(output('noShell', '/bin/sh', '-c', 'true')).rejects.toThrow();
    });

    it('has an image that fills /app and /opt/tool itself', async () => {
      expect(await output('filled', 'cat', '/app/own.txt', '/app/lib/module.txt')).toBe('from the image: app\nfrom the image: module\n');
      expect(await output('filled', '/opt/tool/bin/tool')).toBe('from the image: tool\n');
    });

    it('does not have the missing image', async () => {
      await expect(output('missing', 'true')).rejects.toThrow();
    });

    if (name !== 'apptainer') {
      it('starts that image as its own user', async () => {
        expect(await output('filled', 'id', '-u')).toBe('1000\n');
      });
    }
  });
}

describeEngine('bubblewrap', 'the engine that the tests start', (engine) => {
  it('runs a program of the host', async () => {
    const { stdout } = await run('bwrap', ['--ro-bind', '/', '/', '--unshare-pid', '--die-with-parent', 'sh', '-c', 'echo hi'], {
      env: engine().environment,
    });
    expect(stdout).toBe('hi\n');
  });
});

import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, describeEngine, type Engine, runScript } from './engines';
import { FreshClone, programOnPath } from './fresh-clone';
import { eventually } from './tes-client';

const run = promisify(execFile);
const EXAMPLE_IMAGE = 'docker.io/library/busybox:1.36';
const NOBODY = 'unix:///nowhere/docker.sock';
const LONG = 300_000;

let clone: FreshClone;
beforeAll(() => {
  clone = new FreshClone();
}, LONG);
afterAll(() => clone.remove(), LONG);

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

/** The exit code of `npm run quickstart -- --once`, what it printed, and the port it was given. */
async function once(machine: string, env: Readonly<Record<string, string>> = {}) {
  const port = await freePort();
  const typed = clone.quickstart(machine, ['--once', '--port', port], env);
  const code = await typed.ended;
  return { code, output: typed.output(), port };
}

/** The words that the example prints when all is well, in their order. */
const WELL = [
  /Starting the server on http:\/\/127\.0\.0\.1:\d+/,
  /Task \w+/,
  /s {2}(QUEUED|INITIALIZING)/,
  /s {2}RUNNING/,
  /s {2}COMPLETE/,
  /exit code: {2}0/,
  /stdout: +sorting 5 kinds of fruit/,
  /Output file \S+\n {2}apple\n {2}cherry\n {2}pear\n {2}plum\n {2}quince/,
  /The output is right\./,
];

function expectInOrder(output: string, words: readonly RegExp[]): void {
  let rest = output;
  for (const word of words) {
    const found = word.exec(rest);
    if (!found) throw new Error(`${String(word)} is not in its place in:\n${output}`);
    rest = rest.slice(found.index + found[0].length);
  }
}

/** Gives the image of the tests the name that quickstart asks for, so that no registry is asked. */
const nameImage = (engine: Engine): Promise<unknown> =>
  run(engine.name, ['tag', engine.images.busybox, EXAMPLE_IMAGE], { env: engine.environment });

describeEngine('bubblewrap', 'quickstart in a fresh clone', () => {
  const bwrap = (): string => clone.machine({ bwrap: programOnPath('bwrap') });

  it(
    'installs, builds, falls back to bubblewrap, shows the example task, ends its server, and exits with 0',
    async () => {
      const { code, output, port } = await once(bwrap());
      expectInOrder(output, [
        /Installing packages \(npm ci\)\n/,
        /done in [\d.]+ s/,
        /Building/,
        /done in [\d.]+ s/,
        /Choosing a container runtime\n {2}bubblewrap: programs of this machine/,
        ...WELL,
      ]);
      expect(code).toBe(0);
      expect(output).not.toContain('Serving until');
      expect(readdirSync(join(clone.directory, 'data', 'compile-cache'))).toHaveLength(1);
      await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
    },
    LONG,
  );

  it(
    'installs and builds once, and exits with 1 when the output is not what it should be',
    async () => {
      // Answers, but carries nothing out.
      const idle = `#!/bin/sh\nfor last; do :; done\ncase $last in true|--version) exec '${programOnPath('bwrap')}' "$@" ;; esac\n`;
      const { code, output } = await once(clone.machine({ bwrap: idle }));
      expect(output).not.toContain('Installing packages');
      expect(output).not.toContain('Building');
      expect(output).toContain('The output is NOT what it should be.');
      expect(code).toBe(1);
    },
    LONG,
  );

  it(
    'goes on serving without --once, Swagger UI included, until Ctrl-C',
    async () => {
      const port = await freePort();
      const typed = clone.quickstart(bwrap(), ['--port', port]);
      await eventually('the last line', () => (typed.output().includes('Serving until Ctrl-C.') ? true : undefined), LONG).catch(() => {
        throw new Error(typed.output());
      });
      for (const path of ['/docs', '/docs/swagger-ui.css', '/docs-json', '/ga4gh/tes/v1/service-info']) {
        expect([path, (await fetch(`http://127.0.0.1:${port}${path}`)).status]).toEqual([path, 200]);
      }
      expect(typed.output()).toContain(`Swagger UI      http://127.0.0.1:${port}/docs`);
      expect(typed.output()).toContain(`curl -X POST http://127.0.0.1:${port}/ga4gh/tes/v1/tasks`);
      process.kill(-(typed.child.pid ?? NaN), 'SIGINT');
      // npm itself ends by the signal; what counts is that the server ended in order.
      await typed.ended;
      await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
      expect(readFileSync(join(clone.directory, 'data', 'gateway.log'), 'utf8').trimEnd()).toMatch(/"msg":"stopped"}$/);
    },
    LONG,
  );

  it('says in one sentence what to install where there is no runtime at all', async () => {
    const { code, output } = await once(clone.machine({}));
    expect(output).toMatch(/^No container runtime works here: install docker, podman, apptainer or bubblewrap .*\.$/m);
    expect(code).toBe(1);
  });

  it('says that something answers on the port already, before it does anything', async () => {
    const other = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const port = String((other.address() as AddressInfo).port);
    const typed = clone.quickstart(bwrap(), ['--once', '--port', port]);
    expect(await typed.ended).toBe(1);
    expect(typed.output()).toContain(`Something answers on port ${port} already`);
    expect(typed.output()).not.toContain('Choosing');
    await new Promise((resolve) => other.close(resolve));
  });
});

describeEngine('docker', 'quickstart', (engine) => {
  it(
    'takes docker before any other one',
    async () => {
      await nameImage(engine());
      const others = { podman: '#!/bin/sh\nexit 0\n', apptainer: '#!/bin/sh\nexit 0\n', bwrap: '#!/bin/sh\nexit 0\n' };
      const { code, output } = await once(clone.machine({ docker: programOnPath('docker'), ...others }), engine().env);
      expectInOrder(output, [/Choosing a container runtime\n {2}docker\n/, ...WELL]);
      expect(code).toBe(0);
    },
    LONG,
  );
});

describeEngine('podman', 'quickstart', (engine) => {
  it(
    'takes podman where the daemon of docker does not answer',
    async () => {
      await nameImage(engine());
      const docker = `#!/bin/sh\necho "Cannot connect to the Docker daemon at ${NOBODY}." >&2\nexit 1\n`;
      const { code, output } = await once(clone.machine({ docker, podman: programOnPath('podman') }), engine().env);
      expectInOrder(output, [/Choosing a container runtime\n {2}docker: does not answer\n {2}podman\n/, ...WELL]);
      expect(code).toBe(0);
    },
    LONG,
  );

  it(
    'passes over a podman that cannot obtain the image of the example',
    async () => {
      const directory = join(cacheDirectory, 'podman-empty');
      const variables = (await runScript('podman/start.sh', [directory])).split('\n').map((line) => line.split('=', 2));
      const registries = join(directory, 'registries.conf');
      writeFileSync(registries, '[[registry]]\nlocation = "docker.io"\nblocked = true\n');
      const env = { ...Object.fromEntries(variables), CONTAINERS_REGISTRIES_CONF: registries } as Record<string, string>;
      const machine = clone.machine({ podman: programOnPath('podman'), bwrap: programOnPath('bwrap') });
      const { code, output } = await once(machine, env);
      expectInOrder(output, [
        /Choosing a container runtime\n {2}podman: cannot run docker\.io\/library\/busybox:1\.36: \S.*\n {2}bubblewrap: /,
        ...WELL,
      ]);
      expect(code).toBe(0);
    },
    LONG,
  );
});

describeEngine('apptainer', 'quickstart', (engine) => {
  it(
    'takes apptainer where it is all there is',
    async () => {
      const [first = ''] = (engine().env['PATH'] ?? '').split(':');
      const own = join(first, 'apptainer');
      const program = existsSync(own) ? own : programOnPath('apptainer');
      // What a registry would answer to this one name.
      const apptainer = `#!/bin/sh
for word; do
  shift
  [ "$word" != 'docker://${EXAMPLE_IMAGE}' ] || word='${engine().images.busybox}'
  set -- "$@" "$word"
done
exec '${program}' "$@"
`;
      const { code, output } = await once(clone.machine({ apptainer }));
      expectInOrder(output, [/Choosing a container runtime\n {2}apptainer\n/, ...WELL]);
      expect(code).toBe(0);
      expect(readFileSync(join(clone.directory, 'data', 'files', 'quickstart', 'sorted.txt'), 'utf8')).toMatch(/^apple\n/);
    },
    LONG,
  );
});

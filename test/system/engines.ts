import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** The real engines that tests use. `test/system/README.md` says how each is had. */
export const ENGINE_NAMES = ['docker', 'podman', 'apptainer', 'bubblewrap'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Image references that need no registry. For apptainer they are absolute paths of SIF files; for bubblewrap names that nothing reads. */
export interface EngineImages {
  /** busybox with all its links; `/bin/sh` is there. */
  readonly busybox: string;
  /** One static program, `/busybox` (`/busybox echo hi`), and nothing else. */
  readonly noShell: string;
  /** Brings `/app/own.txt` and `/app/lib/module.txt` (owned by 1000) and `/opt/tool/bin/tool`; USER 1000, WORKDIR /app (a SIF has neither). */
  readonly filled: string;
  /** Is nowhere. */
  readonly missing: string;
}

export interface Engine {
  readonly name: EngineName;
  /** What a process needs beside its own environment to reach this engine (DOCKER_HOST, CONTAINERS_CONF, PATH ...). */
  readonly env: Readonly<Record<string, string>>;
  /** The whole environment for such a process: this one's and `env`. */
  readonly environment: NodeJS.ProcessEnv;
  readonly images: EngineImages;
  /** The directory that holds local image files; apptainer only. */
  readonly imagesDirectory?: string;
}

const runFile = promisify(execFile);

/** Where engines, images and the tests' own servers keep their files: outside the checkout and outside the temporary directory. */
export const cacheDirectory = process.env['TES_GATEWAY_CACHE'] ?? join(homedir(), '.cache', 'tes-gateway');

/** Runs a script of this folder to its end; its progress goes to stderr. */
export async function runScript(script: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { stdout } = await runFile(join(__dirname, script), [...args], {
    env: { ...process.env, ...env },
    maxBuffer: 16 * 1024 * 1024,
    timeout: 900_000,
  });
  return stdout.trim();
}

const onPath = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(':').some((directory) => directory !== '' && existsSync(join(directory, program)));
const isRoot = process.getuid?.() === 0;
const answers = (program: string, ...args: string[]): boolean =>
  spawnSync(program, args, { stdio: 'ignore', timeout: 20_000 }).status === 0;

/** Why an engine cannot be had on this machine; `undefined` when it can. Starts nothing. */
function whyAbsent(name: EngineName): string | undefined {
  if (!onPath('busybox')) return 'busybox (busybox-static) is not installed';
  switch (name) {
    case 'docker':
      if (!onPath('docker')) return 'docker is not installed';
      return (isRoot && onPath('dockerd')) || answers('docker', 'version')
        ? undefined
        : 'no dockerd can be started (needs root) and none answers';
    case 'podman':
      return onPath('podman') ? undefined : 'podman is not installed';
    case 'apptainer':
      return onPath('apptainer') || (isRoot && onPath('apt-get')) ? undefined : 'apptainer is not installed';
    case 'bubblewrap':
      return onPath('bwrap') ? undefined : 'bwrap (bubblewrap) is not installed';
    default: {
      const never: never = name;
      throw new Error(`no such engine: ${String(never)}`);
    }
  }
}

const named = (repository: string): EngineImages => ({
  busybox: `${repository}/busybox:latest`,
  noShell: `${repository}/no-shell:latest`,
  filled: `${repository}/filled:latest`,
  missing: `${repository}/is-nowhere:latest`,
});

const variables = (lines: string): Record<string, string> =>
  Object.fromEntries(lines.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));

/** The process that lives as long as the whole jest run: jest itself, which forks its workers. A started daemon ends when it has gone. */
const jestProcess = process.send === undefined ? process.pid : process.ppid;

const makeEngine = (
  name: EngineName,
  env: Readonly<Record<string, string>>,
  images: EngineImages,
  more: { imagesDirectory?: string } = {},
): Engine => ({
  name,
  env,
  environment: { ...process.env, ...env },
  images,
  ...more,
});

/**
 * docker or podman with all that it keeps in this directory of the cache, and the images. Called again it finds what it made, and starts a
 * daemon that has gone. A spec that does it harm has one of its own.
 */
export async function startContainerEngine(name: 'docker' | 'podman', directory: string = name): Promise<Engine> {
  const place = join(cacheDirectory, directory);
  // Root starts a daemon of the tests' own; anybody else uses the one that answers.
  const isOwn = name === 'podman' || (isRoot && onPath('dockerd'));
  const owner = name === 'docker' ? ['--owner', String(jestProcess)] : [];
  const env = isOwn ? variables(await runScript(`${name}/start.sh`, [...owner, place])) : {};
  await runScript('images/load.sh', [name], env);
  return makeEngine(name, env, named('localhost'));
}

async function startEngine(name: EngineName): Promise<Engine> {
  switch (name) {
    case 'docker':
    case 'podman':
      return startContainerEngine(name);
    case 'apptainer': {
      const home = await runScript('apptainer/build.sh', []);
      const images = join(home, 'sif');
      const sif = (image: string): string => join(images, `${image}.sif`);
      return makeEngine(
        name,
        { PATH: `${join(home, 'bin')}:${process.env['PATH'] ?? ''}` },
        { busybox: sif('busybox'), noShell: sif('no-shell'), filled: sif('filled'), missing: sif('is-nowhere') },
        { imagesDirectory: images },
      );
    }
    case 'bubblewrap':
      return makeEngine(name, {}, named('localhost'));
    default: {
      const never: never = name;
      throw new Error(`no such engine: ${String(never)}`);
    }
  }
}

const started = new Map<EngineName, Promise<Engine>>();

/**
 * The engine, started and with its images; started once in a process, and shared between processes. It ends by itself with jest.
 * Rejects when the machine cannot have it.
 */
export function requireEngine(name: EngineName): Promise<Engine> {
  const absent = whyAbsent(name);
  if (absent !== undefined) return Promise.reject(new Error(`${name}: ${absent}`));
  const known = started.get(name) ?? startEngine(name);
  started.set(name, known);
  return known;
}

/**
 * A suite on a real engine: `engine()` is it, from `beforeAll` on. Where the machine cannot have the engine the suite is one skipped line
 * with the engine's name and the reason; with CI=true it is a failure. This is the one place where a suite may be skipped.
 */
export function describeEngine(name: EngineName, title: string, body: (engine: () => Engine) => void): void {
  const absent = whyAbsent(name);
  if (absent !== undefined && process.env['CI'] !== 'true') {
    describe.skip(`${name}: ${title}`, () => {
      it(`cannot be had here: ${absent}`, () => undefined);
    });
    return;
  }
  describe(`${name}: ${title}`, () => {
    let found: Engine | undefined;
    beforeAll(async () => {
      found = await requireEngine(name);
    }, 900_000);
    body(() => {
      if (found === undefined) throw new Error(`${name} is used before it was started`);
      return found;
    });
  });
}

/** Brings the image with Snakemake 7 into docker or podman; gives its name and the directory in which it lies unpacked. */
export async function loadSnakemakeImage(engine: Engine): Promise<{ readonly image: string; readonly root: string }> {
  const tar = await runScript('images/snakemake.sh', []);
  await runScript('images/load.sh', [engine.name, 'snakemake'], engine.env);
  return { image: 'localhost/snakemake:latest', root: join(dirname(tar), 'root') };
}

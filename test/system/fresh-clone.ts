import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, chmodSync, constants, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { cacheDirectory } from './engines';
import { eventually } from './tes-client';

const checkout = join(__dirname, '..', '..');
/** What a clone does not have: see `.gitignore`. */
const NOT_IN_A_CLONE = new Set(['.git', 'node_modules', 'dist', 'coverage', 'data', 'work']);
/** Found by nobody unless a test puts them there; `apt-get` would install bubblewrap. */
const NOT_ON_PATH = /^(docker.*|podman.*|apptainer|singularity|bwrap|apt-get|npm)$/;

/** As a user types it, with what it printed so far. */
export interface Typed {
  readonly child: ChildProcess;
  readonly ended: Promise<number | string>;
  output(): string;
}

/**
 * The files of this checkout as somebody who has just cloned it has them, on a machine that has Node and npm, all the programs of this one,
 * but no container runtime other than those a test names.
 */
export class FreshClone {
  readonly directory: string;
  private readonly programs: string;
  private machines = 0;
  private readonly started: ChildProcess[] = [];

  constructor() {
    mkdirSync(cacheDirectory, { recursive: true });
    const top = mkdtempSync(join(cacheDirectory, 'quickstart-'));
    this.directory = join(top, 'clone');
    this.programs = join(top, 'programs');
    cpSync(checkout, this.directory, { recursive: true, filter: (from) => !NOT_IN_A_CLONE.has(relative(checkout, from)) });
    this.collectPrograms();
  }

  /** A directory with the given programs: the path of the real one, or the text of a script. It is the first of PATH. */
  machine(programs: Readonly<Record<string, string>>): string {
    const directory = join(this.directory, '..', `machine-${this.machines++}`);
    mkdirSync(directory);
    for (const [name, program] of Object.entries(programs)) {
      if (program.startsWith('#!')) this.script(join(directory, name), program);
      else symlinkSync(program, join(directory, name));
    }
    return directory;
  }

  /** `npm run quickstart -- ...` on such a machine. */
  quickstart(machine: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Typed {
    const own = Object.entries(process.env).filter(([name]) => !/^(npm_|JEST_|NODE_|TES_GATEWAY_|DOCKER_|CI$)/i.test(name));
    const child = spawn('npm', ['run', 'quickstart', '--', ...args], {
      cwd: this.directory,
      env: { ...Object.fromEntries(own), ...env, PATH: `${machine}:${this.programs}` },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that a Ctrl-C can be sent to all of it, as a terminal does.
      detached: true,
    });
    this.started.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    const ended = new Promise<number | string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(code ?? signal ?? 'gone'));
    });
    return { child, ended, output: () => output };
  }

  /** Ends what still goes on, and removes everything. */
  async remove(): Promise<void> {
    for (const child of this.started) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue;
      process.kill(-child.pid, 'SIGINT');
      await eventually('quickstart to end', () => (child.exitCode ?? child.signalCode ?? undefined) !== undefined || undefined);
    }
    rmSync(join(this.directory, '..'), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  /** Links to what PATH finds now; npm brings the packages of the checkout, as a registry would bring the same ones. */
  private collectPrograms(): void {
    mkdirSync(this.programs);
    const found = new Map<string, string>();
    for (const directory of (process.env['PATH'] ?? '').split(':')) {
      if (directory === '' || directory.includes('node_modules')) continue;
      for (const name of namesIn(directory)) if (!found.has(name)) found.set(name, join(directory, name));
    }
    const npm = found.get('npm');
    if (npm === undefined) throw new Error('npm is not on PATH');
    for (const [name, program] of found) if (!NOT_ON_PATH.test(name)) symlinkSync(program, join(this.programs, name));
    const packages = join(checkout, 'node_modules', '.');
    this.script(
      join(this.programs, 'npm'),
      `#!/bin/sh
[ "$1" = ci ] || exec '${npm}' "$@"
mkdir node_modules && { cp -al '${packages}/.' node_modules/ 2>/dev/null || cp -a '${packages}/.' node_modules/; }
`,
    );
  }

  private script(path: string, text: string): void {
    writeFileSync(path, text);
    chmodSync(path, 0o755);
  }
}

/** Where PATH finds a program now; throws when it does not. */
export function programOnPath(name: string): string {
  for (const directory of (process.env['PATH'] ?? '').split(':')) {
    if (directory !== '' && namesIn(directory).includes(name)) return join(directory, name);
  }
  throw new Error(`${name} is not on PATH`);
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => isProgram(join(directory, name)));
  } catch {
    return []; // PATH may name what is not there.
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

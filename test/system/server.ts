import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, type Engine } from './engines';
import { eventually, TesClient } from './tes-client';

export interface ServerOptions {
  /** The runtime of the one backend, `local`. */
  readonly engine: Engine;
  /** Members of the one backend beside `name`, `type` and `runtime`. */
  readonly backend?: Readonly<Record<string, unknown>>;
  /** Settings beside those that place the server; the members of `storage`, `server` ... are merged one level deep. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Beside this process's environment and the engine's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Makes data or work directory elsewhere, such as on a small file system. Absolute. */
  readonly dataDirectory?: string;
  readonly workDirectory?: string;
}

/** A process that somebody started, as `/proc` shows it. */
export interface SeenProcess {
  readonly pid: number;
  readonly commandLine: string;
}

const readOrNothing = (read: () => string): string => {
  try {
    return read();
  } catch {
    return ''; // It ended meanwhile.
  }
};

/** Processes, this one aside, in whose command line, environment, working directory, root or open files one of the texts occurs. */
export function processesNaming(texts: readonly string[]): readonly SeenProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      const link = (path: string): string => readOrNothing(() => readlinkSync(`/proc/${name}/${path}`));
      const text = (path: string): string =>
        readOrNothing(() => readFileSync(`/proc/${name}/${path}`, 'utf8').replaceAll('\0', ' ').trim());
      const commandLine = text('cmdline');
      const open = readOrNothing(() =>
        readdirSync(`/proc/${name}/fd`)
          .map((descriptor) => link(`fd/${descriptor}`))
          .join(' '),
      );
      const held = [commandLine, text('environ'), link('cwd'), link('root'), open];
      return texts.some((wanted) => held.some((part) => part.includes(wanted))) ? [{ pid: Number(name), commandLine }] : [];
    });
}

/** Ends a process by SIGKILL; one that has gone already, perhaps with another, is as good. */
export function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function isThere(pid: number): boolean {
  const stat = readOrNothing(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return stat !== '' && !/^\d+ \(.*\) Z/s.test(stat);
}

/** Ends processes by SIGKILL and resolves when they are gone: a start script takes one that is still ending for one that is up. */
export async function endForGood(...pids: readonly number[]): Promise<void> {
  for (const pid of pids) endNow(pid);
  await eventually('what was killed to be gone', () => (pids.some(isThere) ? undefined : true));
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

const nodeProgram = process.execPath;
let built: Promise<string> | undefined;

/** `dist/main.js`, built first when the sources are newer; TES_GATEWAY_MAIN names another one. */
function builtServer(): Promise<string> {
  const given = process.env['TES_GATEWAY_MAIN'];
  if (given !== undefined) return Promise.resolve(given);
  built ??= promisify(execFile)(join(__dirname, 'build-server.sh'), [], { timeout: 300_000 }).then(({ stdout }) => stdout.trim());
  return built;
}

/** Another program of the same build, such as `stager.main.js`. */
export async function builtProgram(name: string): Promise<string> {
  return join(dirname(await builtServer()), name);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function merged(base: Record<string, unknown>, over: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isObject(below) && isObject(value) ? merged(below, value) : value;
  }
  return result;
}

/**
 * The built server as a user starts it: a child process with its own directory, settings file and port, which `restart` keeps.
 * Its output goes to `log()`. Whoever starts one calls `remove()` at the end.
 */
export class RunningServer {
  private child: ChildProcess | undefined;
  private ended: Promise<number | string> = Promise.resolve(0);

  constructor(
    /** Everything of this server lies below it. */
    readonly directory: string,
    readonly port: number,
    readonly dataDirectory: string,
    readonly workDirectory: string,
    private readonly main: string,
    private readonly environment: NodeJS.ProcessEnv,
  ) {}

  /** Without a base path. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
  get client(): TesClient {
    return new TesClient(`${this.url}/ga4gh/tes/v1`);
  }
  /** A directory that `file://` URLs may name. */
  get files(): string {
    return join(this.directory, 'files');
  }
  get pid(): number {
    if (this.child?.pid === undefined) throw new Error('the server is not running');
    return this.child.pid;
  }
  log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** Starts the process and waits until it is ready. `prefix` is put before it (`prlimit`, `faketime`); `ready: false` does not wait. */
  async start({ prefix = [], ready = true }: { prefix?: readonly string[]; ready?: boolean } = {}): Promise<void> {
    const log = openSync(join(this.directory, 'log'), 'a');
    const [program = nodeProgram, ...args] = [...prefix, nodeProgram, this.main, '--config', join(this.directory, 'settings.yaml')];
    const child = spawn(program, args, { cwd: this.directory, env: this.environment, stdio: ['ignore', log, log] });
    closeSync(log);
    this.child = child;
    let gone: number | string | undefined;
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve((gone = error.message)));
      child.once('exit', (code, signal) => resolve((gone = code ?? signal ?? 'gone')));
    });
    if (!ready) return;
    await eventually(
      'the server to be ready',
      async () => {
        if (gone !== undefined) return 'gone';
        return (await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(5000) })).ok ? 'ready' : undefined;
      },
      60_000,
    ).catch((error: unknown) => {
      throw new Error(`the server did not become ready:\n${this.log().slice(-4000)}`, { cause: error });
    });
    if (gone !== undefined) throw new Error(`the server ended (${gone}):\n${this.log().slice(-4000)}`);
  }

  /** Exit code or signal name, once it has ended. */
  exit(): Promise<number | string> {
    return this.ended;
  }
  /** SIGTERM; resolves with the exit code when it has ended. */
  stop(): Promise<number | string> {
    return this.signal('SIGTERM');
  }
  kill9(): Promise<number | string> {
    return this.signal('SIGKILL');
  }
  private signal(name: NodeJS.Signals): Promise<number | string> {
    if (this.child?.exitCode === null && this.child.signalCode === null) this.child.kill(name);
    return this.ended;
  }
  /** Ends it in this way and starts it again on the same directories and port. */
  async restart(how: 'stop' | 'kill9' = 'stop'): Promise<void> {
    await this[how]();
    await this.start();
  }

  /** `npm run store` with this server's settings. */
  async storeCommand(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
    const program = join(dirname(this.main), 'store.main.js');
    const all = [program, ...args, '--config', join(this.directory, 'settings.yaml')];
    try {
      const { stdout, stderr } = await promisify(execFile)(nodeProgram, all, { env: this.environment, timeout: 120_000 });
      return { code: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
      return { code: code ?? -1, output: stdout + stderr };
    }
  }

  /** What `--check-config` prints. */
  async shownSettings(): Promise<string> {
    const args = [this.main, '--check-config', '--config', join(this.directory, 'settings.yaml')];
    return (await promisify(execFile)(nodeProgram, args, { env: this.environment })).stdout;
  }

  /** Processes of this server's jobs: something of its directories is in their command line, environment, working directory, root or open files. */
  processes(): readonly SeenProcess[] {
    return processesNaming([this.directory, this.dataDirectory, this.workDirectory]).filter(({ pid }) => pid !== this.child?.pid);
  }

  /** Ends the server and what its jobs left, and removes its directories (TES_GATEWAY_KEEP=1 keeps them, to look at the log). */
  async remove(): Promise<void> {
    await this.kill9();
    for (const { pid } of this.processes()) endNow(pid);
    if (process.env['TES_GATEWAY_KEEP'] !== undefined) return;
    for (const directory of [this.directory, this.dataDirectory, this.workDirectory]) {
      rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
  }
}

/** Makes the directories and settings of a server, and does not start it. */
export async function prepareServer(options: ServerOptions): Promise<RunningServer> {
  const main = await builtServer();
  mkdirSync(join(cacheDirectory, 'servers'), { recursive: true });
  const directory = mkdtempSync(join(cacheDirectory, 'servers', 's-'));
  const port = await freePort();
  const dataDirectory = options.dataDirectory ?? join(directory, 'data');
  const workDirectory = options.workDirectory ?? join(directory, 'work');
  mkdirSync(join(directory, 'files'));
  const { engine } = options;
  const settings = merged(
    {
      server: { host: '127.0.0.1', port },
      data_dir: dataDirectory,
      work_dir: workDirectory,
      storage: { file: { allowed: [join(directory, 'files')] } },
      backends: [{ name: 'local', type: 'local', runtime: engine.name, ...options.backend }],
      ...(engine.imagesDirectory === undefined ? {} : { images: { allowed: [engine.imagesDirectory] } }),
    },
    options.settings ?? {},
  );
  // JSON is YAML.
  writeFileSync(join(directory, 'settings.yaml'), JSON.stringify(settings, undefined, 2));
  return new RunningServer(directory, port, dataDirectory, workDirectory, main, { ...engine.environment, ...options.env });
}

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const server = await prepareServer(options);
  await server.start();
  return server;
}

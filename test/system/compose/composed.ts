import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, runScript } from '../engines';

const checkout = join(__dirname, '..', '..', '..');
/** What a clone does not have: see `.gitignore`. */
const NOT_IN_A_CLONE = new Set(['.git', 'node_modules', 'dist', 'coverage', 'data', 'work', 'secrets', '.env', 'gateway.env']);
const daemonDirectory = join(cacheDirectory, 'compose', 'docker');
/** The process that lives as long as the whole jest run: jest itself, which forks its workers. */
const jestProcess = process.send === undefined ? process.pid : process.ppid;
const runFile = promisify(execFile);

/** What a container says of itself, as much as tests look at. */
export interface Inspected {
  readonly Config: { readonly User: string; readonly Image: string; readonly Labels: Readonly<Record<string, string>> };
  readonly State: { readonly Running: boolean; readonly StartedAt: string; readonly Health?: { readonly Status: string } };
}

/**
 * A clone of this checkout in which a user types `docker compose ...`, on a docker daemon of the tests' own. Images are built while that
 * daemon has the machine's network, for the packages; everything else happens in a network of its own, with the addresses and names that
 * docker gives, so that the file is used as it stands and no port of the machine is taken.
 */
export class Composed {
  /** Held until `remove`: there is one daemon, and two suites at once would stop it under each other. */
  private turn: ChildProcess | undefined;
  private readonly doors = new Map<number, { server: Server; child: ChildProcess; port: number }>();

  static async prepare(): Promise<Composed> {
    mkdirSync(join(cacheDirectory, 'compose'), { recursive: true });
    const directory = mkdtempSync(join(cacheDirectory, 'compose', 'clone-'));
    cpSync(checkout, directory, { recursive: true, filter: (from) => !NOT_IN_A_CLONE.has(relative(checkout, from)) });
    return new Composed(directory, join(await runScript('compose/install.sh', []), 'config'));
  }

  private constructor(
    readonly directory: string,
    private readonly dockerConfig: string,
  ) {}

  /**
   * Waits until no other suite uses the daemon; then `docker compose build` of these services, with stand-ins for the base images, and the
   * images of the test tasks.
   */
  async build(services: readonly string[] = ['gateway']): Promise<void> {
    await this.takeTurn();
    await runScript('docker/stop.sh', [daemonDirectory]).catch(() => undefined);
    await runScript('docker/start.sh', ['--owner', String(jestProcess), daemonDirectory]);
    const env = { DOCKER_HOST: this.host };
    await runScript('compose/images.sh', [], env);
    await runScript('images/load.sh', ['docker'], env);
    // The daemon has no bridge now; a package mirror and an authority of the machine's own are handed on as a user would.
    const host = Object.fromEntries(services.map((service) => [service, { build: { network: 'host' } }]));
    writeFileSync(join(this.directory, 'build.yaml'), JSON.stringify({ services: host }));
    const npmrc = join(process.env['HOME'] ?? '/', '.npmrc');
    const authorities = process.env['NODE_EXTRA_CA_CERTS'];
    const files = ['-f', 'docker-compose.yaml', '-f', 'build.yaml', '--profile', '*'];
    await this.type('sh', ['docker/prepare.sh']);
    await this.type('docker', ['compose', '--progress', 'plain', ...files, 'build', ...services], {
      ...(existsSync(npmrc) && { NPMRC: npmrc }),
      ...(authorities !== undefined && { CA_FILE: authorities }),
    });
    // What earlier calls left; the packages and the last build stay.
    await this.type('docker', ['image', 'prune', '--force']);
    await this.type('docker', ['builder', 'prune', '--force', '--keep-storage', '3GB'], { DOCKER_BUILDKIT: '0' });
    await runScript('docker/stop.sh', [daemonDirectory]);
    await runScript('docker/start.sh', ['--owner', String(jestProcess), '--own-network', daemonDirectory]);
  }

  /** `docker compose ...`, as typed in the clone; what it printed. */
  compose(...args: string[]): Promise<string> {
    return this.type('docker', ['compose', ...args]);
  }

  docker(...args: string[]): Promise<string> {
    return this.type('docker', args);
  }

  /** Standard output of a command in the clone. Rejects, with all that was said, when it fails. */
  async type(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const { stdout } = await runFile(command, args, {
      cwd: this.directory,
      env: {
        ...process.env,
        DOCKER_HOST: this.host,
        DOCKER_SOCKET: join(daemonDirectory, 'docker.sock'),
        DOCKER_CONFIG: this.dockerConfig,
        ...env,
      },
      maxBuffer: 64 * 1024 * 1024,
      timeout: 600_000,
    });
    return stdout.trim();
  }

  async inspect(service: string): Promise<Inspected> {
    const [seen] = JSON.parse(await this.docker('inspect', await this.compose('ps', '-aq', service))) as Inspected[];
    if (seen === undefined) throw new Error(`${service} has no container`);
    return seen;
  }

  /** A port of this machine behind which a published port of the daemon's own network answers. */
  async port(published: number): Promise<number> {
    const known = this.doors.get(published);
    if (known !== undefined) return known.port;
    const socket = join(this.directory, `door-${published}`);
    const pid = readFileSync(join(daemonDirectory, 'docker.pid'), 'utf8').trim();
    const door = [pid, process.execPath, socket, String(published)];
    const child = spawn(join(__dirname, 'door.sh'), door, { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve, reject) => child.once('error', reject).stdout.once('data', resolve));
    const server = createServer((near) => {
      const far = connect(socket);
      near.on('error', () => far.destroy());
      far.on('error', () => near.destroy());
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    this.doors.set(published, { server, child, port });
    return port;
  }

  /** Ends the containers and removes volumes and clone; the daemon ends with jest. */
  async remove(): Promise<void> {
    for (const { server, child } of this.doors.values()) {
      child.stdin?.end();
      server.close();
    }
    try {
      await this.compose('--profile', '*', 'down', '--volumes', '--timeout', '2');
    } finally {
      this.turn?.stdin?.end();
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  /** A lock that ends with this process, however it ends. */
  private async takeTurn(): Promise<void> {
    const file = join(cacheDirectory, 'compose', 'turn');
    const turn = spawn(join(__dirname, 'turn.sh'), [file], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve, reject) => turn.once('error', reject).stdout.once('data', resolve));
    this.turn = turn;
  }

  private get host(): string {
    return `unix://${daemonDirectory}/docker.sock`;
  }
}

function whyAbsent(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return "a docker daemon of the tests' own needs Linux and root";
  const found = (process.env['PATH'] ?? '').split(':').some((directory) => directory !== '' && existsSync(join(directory, 'dockerd')));
  return found ? undefined : 'dockerd is not installed';
}

/** A suite on `docker compose`; where it cannot be had it is one skipped line with the reason, and with CI=true a failure. */
export function describeComposed(title: string, body: () => void): void {
  const absent = whyAbsent();
  if (absent === undefined || process.env['CI'] === 'true') {
    describe(`docker compose: ${title}`, body);
    return;
  }
  describe.skip(`docker compose: ${title}`, () => {
    it(`cannot be had here: ${absent}`, () => undefined);
  });
}

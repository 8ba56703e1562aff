import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

jest.setTimeout(120_000);

const top = join(__dirname, '../..');
const scratch = process.env['TES_GATEWAY_CACHE'] ?? join(homedir(), '.cache', 'tes-gateway');
const run = promisify(execFile);

let main: string;
let folder: string;
const children: ChildProcess[] = [];
const servers: Server[] = [];

beforeAll(async () => {
  main = (await run(join(top, 'test/system/build-server.sh'), [], { timeout: 300_000 })).stdout.trim();
}, 300_000);
beforeEach(() => {
  mkdirSync(scratch, { recursive: true });
  folder = mkdtempSync(join(scratch, 'process-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
    }
  }
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

/** The gateway as a process of its own, on a free port, with the host's own programs as its runtime. */
class Gateway {
  output = '';
  readonly ended: Promise<number | NodeJS.Signals | null>;
  readonly child: ChildProcess;

  constructor(flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}, program = main) {
    const place = ['--server.port', '0', '--data_dir', join(folder, 'data'), '--work_dir', join(folder, 'work')];
    const backends = ['--backends', '[{name: local, type: local, runtime: bubblewrap}]'];
    this.child = spawn(process.execPath, [program, ...place, ...backends, ...flags], { cwd: folder, env: { ...process.env, ...env } });
    children.push(this.child);
    this.child.stdout?.on('data', (chunk) => (this.output += String(chunk)));
    this.child.stderr?.on('data', (chunk) => (this.output += String(chunk)));
    this.ended = new Promise((resolve) => this.child.once('close', (code, signal) => resolve(code ?? signal)));
  }

  /** Waits for words in the log. */
  async says(words: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const found = words.exec(this.output);
      if (found) return found;
      if (Date.now() > deadline || this.child.exitCode !== null) throw new Error(`it never said ${String(words)}:\n${this.output}`);
      await setTimeout(10);
    }
  }
  async url(): Promise<string> {
    return (await this.says(/serving on (http:[^"]+)/))[1] ?? '';
  }
  create(url: string, task: object): Promise<Response> {
    return fetch(`${url}/v1/tasks`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(task) });
  }
}

/** A port that is taken. */
async function listening(): Promise<number> {
  const other = createServer().listen(0, '127.0.0.1');
  servers.push(other);
  await new Promise((resolve) => other.once('listening', resolve));
  return (other.address() as AddressInfo).port;
}

/** A gateway that writes into a pipe that is full, and nobody reads from. */
function unread(flags: readonly string[]): { readonly signal: (signal: NodeJS.Signals) => void; readonly code: () => Promise<string> } {
  const place = ['--data_dir', join(folder, 'data'), '--work_dir', join(folder, 'work')];
  const backends = ['--backends', '[{name: local, type: local, runtime: bubblewrap}]'];
  const [ended, pid, reader] = [join(folder, 'ended'), join(folder, 'pid'), join(folder, 'reader')];
  const script = `{ head -c 65536 /dev/zero; "$@" 2>&1 & echo $! >${pid}; wait $!; echo $? >${ended}.new; mv ${ended}.new ${ended}; kill $(cat ${reader}); } |
    sh -c 'echo $$ >${reader}; exec sleep 600'`;
  const options = { cwd: folder, stdio: 'ignore', detached: true } as const;
  const child = spawn('sh', ['-c', script, 'sh', process.execPath, main, ...place, ...backends, ...flags], options);
  child.kill = () => process.kill(-Number(child.pid), 'SIGKILL');
  children.push(child);
  return {
    signal: (signal) => process.kill(Number(readFileSync(pid, 'utf8')), signal),
    code: async () => {
      await new Promise((resolve) => child.once('close', resolve));
      return readFileSync(ended, 'utf8');
    },
  };
}

const commandLine = ({ child }: Gateway): readonly string[] => readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0');
const tell = (...flags: string[]) =>
  run(process.execPath, [main, ...flags]).catch((error: { code: number; stdout: string; stderr: string }) => error);
const TASK = { executors: [{ image: 'busybox', command: ['true'] }] };

describe('the command', () => {
  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as { version: string };
    expect((await tell('--version')).stdout).toBe(`${version}\n`);
  });

  it('is one program with the store command and the stager, each by its word', async () => {
    expect((await tell('stager', '--version')).stdout).toMatch(/^tes-gateway-stager \d+\n$/);
    expect((await tell('store', '--help')).stdout).toContain('restore-outputs');
    expect((await tell('--help')).stdout).toContain('store COMMAND');
  });

  it('prints the effective settings, and starts nothing', async () => {
    const file = join(folder, 'my.yaml');
    writeFileSync(file, 'server: {port: 1}\nlogs: {level: warn}\n');
    const { stdout } = await tell('--check-config', '--config', file, '--server.port', '2', '--data_dir', join(folder, 'none'));
    expect(stdout).toContain('  port: 2\n');
    expect(stdout).toContain('  level: warn\n');
  });

  it.each([['--check-config'], ['--server.host=127.0.0.1']])(
    'ends with one line per fault and code 1 when settings are wrong (%s)',
    async (flag) => {
      const file = join(folder, 'my.yaml');
      writeFileSync(file, 'server: {prot: 1, host: 7}\n');
      expect(await tell(flag, '--config', file)).toMatchObject({
        code: 1,
        stdout: '',
        stderr:
          flag === '--check-config'
            ? `${file}: there is no setting server.prot\n${file}: server.host: must be text: value was 7\n`
            : `${file}: there is no setting server.prot\n`,
      });
    },
  );

  it('lets in whom the settings name with what hash-password printed for the password', async () => {
    const child = spawn(process.execPath, [main, 'hash-password']);
    children.push(child);
    let hash = '';
    child.stdout.on('data', (chunk) => (hash += String(chunk)));
    child.stdin.end('correct: horse\n');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    const file = join(folder, 'my.yaml');
    writeFileSync(file, `auth: {schemes: [basic], basic: {users: [{name: ann, password_hash: "${hash.trim()}"}]}}\n`);
    const gateway = new Gateway(['--config', file]);
    const url = await gateway.url();
    const statusOf = async (password: string): Promise<number> => {
      const authorization = `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`;
      return (await fetch(`${url}/v1/tasks`, { headers: { authorization } })).status;
    };
    expect([await statusOf('correct: horse'), await statusOf('wrong')]).toEqual([200, 401]);
  });

  it('refuses to serve others without a login, in one line', async () => {
    const gateway = new Gateway(['--server.host', '0.0.0.0']);
    expect(await gateway.ended).toBe(1);
    expect(gateway.output).toMatch(/^settings: auth\.schemes: there is no login.*auth\.allow_anonymous: true\)\n$/);
  });

  it('begins a new audit log on SIGHUP, and goes on', async () => {
    const file = join(folder, 'audit.jsonl');
    const gateway = new Gateway(['--audit.file', file]);
    const url = await gateway.url();
    await gateway.create(url, {});
    renameSync(file, `${file}.1`);
    gateway.child.kill('SIGHUP');
    await gateway.says(/goes on in a new file/);
    await gateway.create(url, {});
    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    for (const one of [file, `${file}.1`])
      expect(JSON.parse(readFileSync(one, 'utf8'))).toMatchObject({ event: 'create', subject: 'anonymous', status: 400 });
  });

  it('does not start without the audit log that it is to write', async () => {
    const gateway = new Gateway(['--audit.file', join(folder, 'none', 'audit.jsonl')]);
    expect(await gateway.ended).toBe(1);
    expect(gateway.output).toContain('the audit log cannot be opened (setting audit.file): ENOENT');
  });

  it('names a port that is taken and ends', async () => {
    const gateway = new Gateway(['--server.port', String(await listening())]);
    expect(await gateway.ended).toBe(1);
    expect(gateway.output).toMatch(
      /the gateway cannot start: server\.port: another process listens on port [0-9]+ of 127\.0\.0\.1.*EADDRINUSE/,
    );
  });

  it('ends when its port is taken and whoever read what it says has gone', async () => {
    // The first that it says is why it cannot start.
    const gateway = new Gateway(['--server.port', String(await listening()), '--logs.level', 'error']);
    gateway.child.stdout?.destroy();
    gateway.child.stderr?.destroy();
    expect(await gateway.ended).toBe(1);
  });

  it('ends when its port is taken and nobody reads what it says', async () => {
    const { code } = unread(['--server.port', String(await listening())]);
    expect(await code()).toBe('1\n');
  });

  it.each(['data_dir', 'work_dir'])('names a %s that cannot be made, and ends', async (key) => {
    const gateway = new Gateway([`--${key}`, '/proc/none/of/it']);
    expect(await gateway.ended).toBe(1);
    expect(gateway.output).toMatch(
      new RegExp(`^settings: ${key}: the directory /proc/none/of/it.* cannot be made or written to: ENOENT.*\n$`),
    );
  });

  it('refuses a data directory that another gateway uses', async () => {
    const first = new Gateway();
    await first.url();
    const second = new Gateway(['--work_dir', join(folder, 'other')]);
    expect(await second.ended).toBe(1);
    expect(second.output).toMatch(/the gateway cannot start: .*(in use|another)/i);
  });
});

describe('a running gateway', () => {
  it('gives new objects little room of its own accord, under the pid it was started with, or what the operator gives', async () => {
    const plain = new Gateway();
    await plain.url();
    expect(commandLine(plain)).toContain('--max-semi-space-size=8');
    const given = new Gateway(['--data_dir', join(folder, 'other')], { NODE_OPTIONS: '--max-semi-space-size=16' });
    await given.url();
    expect(commandLine(given)).not.toContain('--max-semi-space-size=8');
  });

  it('is alive, ready and measured', async () => {
    const gateway = new Gateway();
    const url = await gateway.url();
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok' });
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ store: { ok: true }, disk: { ok: true }, backends: { local: {} } });
    const { id } = (await (await gateway.create(url, TASK)).json()) as { id: string };
    await fetch(`${url}/v1/tasks/${id}`);
    await fetch(`${url}/never/heard/of`);
    const metrics = await fetch(`${url}/metrics`);
    expect(metrics.headers.get('content-type')).toContain('text/plain');
    const text = await metrics.text();
    expect(text).toContain('route="/v1/tasks/:id",status="200"} 1');
    expect(text).toContain('route="unknown",status="404"} 1');
    expect(text).not.toContain(id);
  });

  it('answers, and hears a signal, while nobody reads what it says', async () => {
    const port = await listening();
    await new Promise((resolve) => servers.pop()?.close(resolve));
    const { signal, code } = unread(['--server.port', String(port), '--logs.level', 'trace']);
    const answer = (): Promise<Response> => fetch(`http://127.0.0.1:${port}/v1/tasks`).catch(() => setTimeout(20).then(answer));
    expect((await answer()).status).toBe(200);
    signal('SIGTERM');
    expect(await code()).toBe('0\n');
  });

  it('runs from its sources, as `npm run dev` starts it, and stops with it', async () => {
    const gateway = new Gateway([], {}, join(top, 'scripts/dev.mjs'));
    expect((await fetch(`${await gateway.url()}/readyz`)).status).toBe(200);
    gateway.child.kill('SIGTERM');
    await gateway.says(/"msg":"stopped"/);
    expect(await gateway.ended).toBe(0);
  });

  it('prints an address that can be opened', async () => {
    const gateway = new Gateway(['--server.host', '::1']);
    const url = await gateway.url();
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('keeps its name over restarts', async () => {
    const first = new Gateway();
    await first.url();
    const name = readFileSync(join(folder, 'data', 'instance'), 'utf8');
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    const second = new Gateway();
    await second.url();
    expect(readFileSync(join(folder, 'data', 'instance'), 'utf8')).toBe(name);
  });

  it('never writes what users send or who they are into its log, at any level', async () => {
    const gateway = new Gateway(['--logs.level', 'trace']);
    const url = await gateway.url();
    const secret = 'hunter2-hunter2';
    const executor = { image: 'busybox', command: ['true', secret], env: { KEY: secret } };
    const inputs = [
      { path: '/a', content: secret },
      { path: '/b', url: `http://user:${secret}@127.0.0.1:1/b` },
    ];
    const created = (await (await gateway.create(url, { executors: [executor], inputs, tags: { t: 'x' } })).json()) as { id: string };
    await fetch(`${url}/v1/tasks?tag_key=a&tag_value=${secret}`, { headers: { authorization: `Bearer ${secret}` } });
    await gateway.create(url, { executors: [{ image: 'x y', command: [secret] }], inputs: [{ path: secret, content: secret }] });
    await gateway.says(new RegExp(`"task":"${created.id}"`));
    await fetch(`${url}/v1/tasks/${created.id}:cancel`, { method: 'POST' });
    await gateway.says(/task cancel/);
    gateway.child.kill('SIGTERM');
    await gateway.ended;
    expect(gateway.output).not.toContain(secret);
  });
});

describe('a stop', () => {
  /** A gateway with a task whose input never arrives completely. */
  async function staging(flags: readonly string[]): Promise<{ gateway: Gateway; url: string; finish: () => void }> {
    let finish: () => void = () => undefined;
    const reading = new Promise<void>((resolve) => {
      const source = createServer((request, response) => {
        response.writeHead(200, { 'content-length': '4' });
        if (request.method === 'HEAD') {
          response.end();
          return;
        }
        response.write('ab');
        finish = () => response.end('cd');
        resolve();
      }).listen(0, '127.0.0.1');
      servers.push(source);
    });
    const source = servers.at(-1);
    if (source && !source.listening) await new Promise((resolve) => source.once('listening', resolve));
    const gateway = new Gateway(flags);
    const url = await gateway.url();
    const input = { url: `http://127.0.0.1:${(source?.address() as AddressInfo).port}/file`, path: '/in' };
    expect((await gateway.create(url, { ...TASK, inputs: [input] })).status).toBe(200);
    await reading;
    return { gateway, url, finish: () => finish() };
  }

  it('refuses creates at once, still answers, waits for the transfer, and ends with code 0', async () => {
    const { gateway, url, finish } = await staging(['--server.shutdown_grace_seconds', '60']);
    gateway.child.kill('SIGTERM');
    await gateway.says(/stopping/);
    const refused = await gateway.create(url, TASK);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect((await fetch(`${url}/v1/tasks`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expect(gateway.child.exitCode).toBeNull();
    finish();
    expect(await gateway.ended).toBe(0);
  });

  it('is none that failed while the store is still away, which a log of warnings says', async () => {
    const gateway = new Gateway(['--store.type', 'mongodb', '--store.url', 'mongodb://127.0.0.1:1/', '--logs.level', 'warn']);
    await gateway.says(/MongoDB is not reached/);
    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(gateway.output).not.toContain('fatal');
  });

  it('ends a transfer when its grace is over, and the task goes on after the next start', async () => {
    const { gateway } = await staging(['--server.shutdown_grace_seconds', '0.1']);
    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    const next = new Gateway();
    const url = await next.url();
    const { tasks } = (await (await fetch(`${url}/v1/tasks`)).json()) as { tasks: { state: string }[] };
    expect(tasks).toEqual([expect.objectContaining({ state: expect.stringMatching(/QUEUED|INITIALIZING/) })]);
  });

  it('is not held up by a client that never finishes its request', async () => {
    const gateway = new Gateway();
    const { port } = new URL(await gateway.url());
    const socket = connect(Number(port), '127.0.0.1');
    const cut = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.write('POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{');
    await fetch(`http://127.0.0.1:${port}/healthz`);
    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    await cut;
  });

  it('takes two signals in a row as one, and a later one as "at once"', async () => {
    const { gateway } = await staging(['--server.shutdown_grace_seconds', '60']);
    gateway.child.kill('SIGINT');
    gateway.child.kill('SIGINT');
    await gateway.says(/stopping/);
    await setTimeout(600);
    expect(gateway.child.exitCode).toBeNull();
    gateway.child.kill('SIGINT');
    expect(await gateway.ended).toBe(1);
    expect(gateway.output).toContain('stopping at once');
  });
});

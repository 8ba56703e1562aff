import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { makeCertificates } from '../support/certificates';
import { SECRET, startProvider, type OpenIdProvider } from '../support/openid-provider';
import { cacheDirectory, describeEngine, runScript } from './engines';
import { builtProgram, freePort } from './server';
import { eventually } from './tes-client';

const top = join(__dirname, '..', '..');
const GUIDE = readFileSync(join(top, 'docs', 'login.md'), 'utf8');
const PASSWORD = 'päss: word';

interface Block {
  readonly language: string;
  readonly text: string;
}

/** The blocks under a heading, in their order. */
function blocksUnder(heading: string): readonly Block[] {
  const [, rest = ''] = GUIDE.split(`\n## ${heading}\n`);
  const [section = ''] = rest.split('\n## ');
  return [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({ language, text }));
}

/** Somebody who types what a section says, in a directory that looks as the gateway's own. */
class Reader {
  private readonly children: ChildProcess[] = [];
  private constructor(
    readonly directory: string,
    readonly port: number,
    private readonly programs: string,
  ) {}

  static async sitDown(): Promise<Reader> {
    const programs = await runScript('web/install.sh', []);
    const dist = dirname(await builtProgram('main.js'));
    mkdirSync(join(cacheDirectory, 'servers'), { recursive: true });
    const directory = mkdtempSync(join(cacheDirectory, 'servers', 'guide-'));
    for (const name of ['package.json', 'node_modules']) symlinkSync(join(top, name), join(directory, name));
    symlinkSync(dist, join(directory, 'dist'));
    return new Reader(directory, await freePort(), programs);
  }

  /** What curl does where a name of the guide is looked up. */
  setCurl(...lines: readonly string[]): void {
    writeFileSync(join(this.directory, '.curlrc'), ['silent', ...lines, ''].join('\n'));
  }

  /** Goes through the section, with what differs on this machine in place of what it says; gives what each command printed. */
  async follow(heading: string, elsewhere: Readonly<Record<string, string>> = {}): Promise<string[]> {
    const printed: string[] = [];
    const blocks = blocksUnder(heading);
    for (const said of Object.keys(elsewhere)) {
      if (!blocks.some(({ text }) => text.includes(said))) throw new Error(`the guide does not say ${said}`);
    }
    for (const { language, text: original } of blocks) {
      const text = Object.entries(elsewhere).reduce((all, [said, here]) => all.replaceAll(said, here), original);
      const [, file] = /^# (\S+)\n/.exec(text) ?? [];
      if (file !== undefined) writeFileSync(join(this.directory, file), text);
      if (file !== undefined && language === 'nginx') await this.startProxy(file);
      else if (file !== undefined) continue;
      else if (language !== 'sh') throw new Error(`nobody knows what to do with ${text}`);
      else if (text.startsWith('npm start')) await this.serve(text.trim());
      else for (const line of text.trim().split('\n')) printed.push(await this.type(line));
    }
    return printed;
  }

  /** One line; who asks for a password is given it. */
  async type(line: string): Promise<string> {
    const child = spawn('sh', ['-c', line], { ...this.place, stdio: ['pipe', 'pipe', 'pipe'] });
    // Most lines ask for none, and may have ended before it comes: what they print and their code are looked at.
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${PASSWORD}\n`.repeat(line.startsWith('htpasswd') ? 2 : 1));
    let output = '';
    let trouble = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (trouble += chunk.toString('utf8')));
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`${line}\n${String(code)}: ${output}${trouble}`);
    return output;
  }

  private async serve(line: string): Promise<void> {
    await this.start('sh', '-c', `exec ${line}`);
    await eventually('the server to listen', () => this.log().includes('serving on') || undefined).catch(() => {
      throw new Error(this.log());
    });
  }

  /** The system's nginx, with this file among those of its own. */
  private startProxy(file: string): Promise<unknown> {
    const kept = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`).join(' ');
    const own = `daemon off; pid nginx.pid; error_log stderr; events {} http { access_log off; ${kept} include ${file}; }`;
    writeFileSync(join(this.directory, 'nginx.conf'), own);
    return this.start('nginx', '-p', this.directory, '-c', join(this.directory, 'nginx.conf'));
  }

  private log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  private start(program: string, ...args: string[]): Promise<unknown> {
    const log = openSync(join(this.directory, 'log'), 'a');
    const child = spawn(program, args, { ...this.place, stdio: ['ignore', log, log] });
    this.children.push(child);
    return new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  }

  /** Without a terminal, so that who asks for a password reads it from the pipe. */
  private get place() {
    const env = {
      ...process.env,
      PATH: `${this.programs}:${process.env['PATH'] ?? ''}`,
      CURL_HOME: this.directory,
      // Where it listens, and what it runs tasks with, on this machine.
      TES_GATEWAY__SERVER__PORT: String(this.port),
      TES_GATEWAY__BACKENDS: '[{name: local, type: local, runtime: bubblewrap}]',
      CLIENT_ID: 'robot',
      CLIENT_SECRET: SECRET,
      FILES_PASSWORD: 'only-of-ann',
    };
    return { cwd: this.directory, env, detached: true };
  }

  async standUp(): Promise<void> {
    for (const { pid, exitCode, signalCode } of this.children) {
      if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGTERM');
    }
    for (const child of this.children) {
      if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

const json = (text: string | undefined): unknown => JSON.parse(text ?? '');
const AN_ID = { id: expect.any(String) as string };

describeEngine('bubblewrap', 'the set-ups of docs/login.md', () => {
  let reader: Reader;
  beforeEach(async () => {
    reader = await Reader.sitDown();
  }, 300_000);
  afterEach(() => reader.standUp());

  it('one user on a laptop', async () => {
    reader.setCurl(`connect-to = "127.0.0.1:8080:127.0.0.1:${reader.port}"`);
    const [created, listed] = await reader.follow('One user on a laptop');
    expect(json(created)).toEqual(AN_ID);
    expect(json(listed)).toMatchObject({ tasks: [json(created)] });
  });

  it('a laboratory with htpasswd', async () => {
    reader.setCurl(`connect-to = "tes.lab.example:8443:127.0.0.1:${reader.port}"`);
    const printed = await reader.follow('A laboratory with htpasswd');
    const [created, made, me] = printed.slice(-3).map(json);
    expect(created).toEqual(AN_ID);
    expect(me).toMatchObject({ owner: 'basic|bob', groups: ['basic|sequencing'], roles: ['user'] });

    const url = 'https://tes.lab.example:8443/ga4gh/tes/v1/tasks';
    const ask = (args: string): Promise<string> => reader.type(`curl --cacert tes.crt ${args}`);
    const mine = { tasks: [created] };
    expect(json(await ask(`-H 'Authorization: Bearer ${(made as { token: string }).token}' ${url}`))).toMatchObject(mine);
    expect(json(await ask(`--user ann ${url}`))).toMatchObject(mine);
    expect(json(await ask(`--user eve ${url}`))).toMatchObject({ tasks: [] });
    expect(await ask(`-o answer -w '%{http_code}' ${url}`)).toBe('401');
    expect(await ask(`-o answer -w '%{http_code}' --insecure https://127.0.0.2:${reader.port}/v1/tasks -H 'Host: evil.example'`)).toBe(
      '421',
    );
    expect(readFileSync(join(reader.directory, 'audit.jsonl'), 'utf8')).toContain('"subject":"bob"');
  });

  it('credentials of the users', async () => {
    const files = createServer(({ headers }, response) => {
      const isAnn = headers.authorization === `Basic ${Buffer.from('ann:only-of-ann').toString('base64')}`;
      response.writeHead(isAnn ? 200 : 401).end(isAnn ? 'ACGT' : undefined);
    });
    await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
    const storage = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
    try {
      reader.setCurl(`connect-to = "127.0.0.1:8080:127.0.0.1:${reader.port}"`);
      const printed = await reader.follow('Credentials of the users', { 'https://files.example': storage });
      const [listed, created] = printed.slice(-2).map(json);
      expect(listed).toEqual({ credentials: [{ prefix: `${storage}/lab`, saved_at: expect.any(String) as string }] });
      const task = `curl --user ann http://127.0.0.1:8080/v1/tasks/${(created as { id: string }).id}?view=FULL`;
      const ended = await eventually('the task to end', async () => {
        const shown = await reader.type(task);
        return /"state":"(?:COMPLETE|[A-Z]+_ERROR)"/.test(shown) ? shown : undefined;
      });
      expect(json(ended)).toMatchObject({ state: 'COMPLETE', logs: [{ logs: [{ stdout: 'ACGT' }] }] });
      expect(printed.join() + ended).not.toContain('only-of-ann');
    } finally {
      files.close();
    }
  });

  describe('a campus with OIDC behind a proxy', () => {
    let provider: OpenIdProvider;
    beforeAll(async () => {
      provider = await startProvider();
    });
    afterAll(async () => {
      await provider.stop();
      jest.restoreAllMocks();
    });

    it('has users of the provider, and knows from where they ask', async () => {
      const port = await freePort();
      makeCertificates(reader.directory, 'DNS:tes.campus.example');
      reader.setCurl(`connect-to = "tes.campus.example:443:127.0.0.1:${port}"`, `cacert = "${reader.directory}/ca.pem"`);
      const printed = await reader.follow('A campus with OIDC behind a proxy', {
        'https://login.campus.example': provider.url,
        'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
        '/etc/ssl/campus/tes.crt': join(reader.directory, 'server.crt'),
        '/etc/ssl/campus/tes.key': join(reader.directory, 'server.key'),
        'http://127.0.0.1:8080': `http://127.0.0.1:${reader.port}`,
      });
      const [created, me] = printed.slice(-2);
      expect(json(created)).toEqual(AN_ID);
      expect(json(me)).toMatchObject({ owner: `${provider.url}|robot`, groups: [`${provider.url}|lab`], roles: ['user'] });

      const url = 'https://tes.campus.example/v1/tasks';
      const refused = `-o answer -w '%{http_code}'`;
      expect(await reader.type(`curl --interface 127.0.0.9 ${refused} -H 'Authorization: Bearer x.y.z' ${url}`)).toBe('401');
      expect(await reader.type(`curl ${refused} -H 'Host: evil.example' ${url}`)).toBe('421');
      const audit = readFileSync(join(reader.directory, 'audit.jsonl'), 'utf8');
      expect(audit).toContain('"subject":"robot"');
      expect(audit).toContain('"127.0.0.9"');
    });
  });
});

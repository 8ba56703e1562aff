import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeEngine, runScript } from '../engines';
import { LOGIN, PASSWORD, tokenOf, USER } from '../login';
import { type RunningServer, startServer } from '../server';

const run = promisify(execFile);

describeEngine('podman', 'py-tes', (engine) => {
  let server: RunningServer;
  const start = async (settings: Record<string, unknown> = {}): Promise<void> => {
    server = await startServer({ engine: engine(), settings });
    writeFileSync(join(server.files, 'in.txt'), 'one\ntwo\n');
  };
  afterEach(() => server.remove());

  const expectUsable = async (version: string, login: object): Promise<void> => {
    const clients = await runScript('clients/install.sh', []);
    const { stdout } = await run(join(clients, `py-tes-${version}`, 'bin', 'python'), [
      join(__dirname, 'py_tes.py'),
      server.url,
      server.files,
      engine().images.busybox,
      JSON.stringify(login),
    ]);
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toEqual({
      service_name: expect.any(String) as string,
      wait_state: 'COMPLETE',
      state: 'COMPLETE',
      exit_codes: [0, 0],
      stderr: 'good day\n',
      stdout: '3\n',
      outputs: ['/data/out.txt', '/data/tree/sub/both'],
      tags: { project: 'py-tes', empty: '' },
      created: true,
      content_in_full: [null, 'héllo\n'],
      content_in_basic: [null, null],
      minimal_executors: null,
      failed_state: 'EXECUTOR_ERROR',
      failed_exit_code: 3,
      canceled_state: 'CANCELED',
      listed_newest_first: true,
      unknown: 404,
      refused: 400,
    });
    expect(readFileSync(join(server.files, 'out.txt'), 'utf8')).toBe('3\n');
    expect(readFileSync(join(server.files, 'tree/sub/both'), 'utf8')).toBe('one\ntwo\nhéllo\n');
  };

  it.each(['1.1.4', '0.4.2'])(
    'version %s creates, waits, reads every view, pages, cancels and is refused as its users expect',
    async (version) => {
      await start();
      await expectUsable(version, {});
    },
    180_000,
  );

  it('1.1.4 and 0.4.2 do so with the name and password of a user, and with a token', async () => {
    await start(LOGIN);
    await expectUsable('1.1.4', { user: USER, password: PASSWORD });
    await server.remove();
    await start(LOGIN);
    await expectUsable('0.4.2', { token: await tokenOf(server) });
  }, 180_000);
});

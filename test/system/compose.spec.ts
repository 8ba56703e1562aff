import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Composed, describeComposed } from './compose/composed';
import { TesClient, eventually } from './tes-client';

const BUSYBOX = 'localhost/busybox:latest';

/** Counts the words of its input; the count is a file that `file:` URLs may name. */
const counting = (name: string) => ({
  name,
  inputs: [{ path: '/in/words.txt', content: 'three small words' }],
  outputs: [{ path: '/out/count.txt', url: `file:///files/${name}.txt` }],
  executors: [{ image: BUSYBOX, command: ['wc', '-w', '/in/words.txt'], stdout: '/out/count.txt' }],
});
/** Runs for long enough that something can be restarted under it. */
const lasting = (name: string, seconds: number) => ({
  name,
  executors: [{ image: BUSYBOX, command: ['sh', '-c', `sleep ${seconds}; echo done`] }],
});

describeComposed("the project's own file", () => {
  let composed: Composed;
  let gateway: TesClient;
  let balanced: TesClient;

  const client = async (published: number): Promise<TesClient> =>
    new TesClient(`http://127.0.0.1:${await composed.port(published)}/ga4gh/tes/v1`);
  const fetchFrom = async (published: number, path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${await composed.port(published)}${path}`, { signal: AbortSignal.timeout(10_000) });
  const healthy = (service: string): Promise<unknown> =>
    eventually(
      `${service} to be healthy`,
      async () => (await composed.inspect(service)).State.Health?.Status === 'healthy' || undefined,
      90_000,
    );
  const ready = (published: number): Promise<unknown> =>
    eventually(
      `port ${published} to be ready`,
      async () => ((await fetchFrom(published, '/readyz')).status === 200 ? true : undefined),
      90_000,
    );

  beforeAll(async () => {
    composed = await Composed.prepare();
    await composed.build();
    await composed.compose('--profile', 'two', 'up', '--detach', '--quiet-pull');
    gateway = await client(8080);
    balanced = await client(8000);
    await ready(8080);
    await ready(8000);
  }, 900_000);
  afterAll(async () => composed.remove(), 120_000);

  it('serves, with Swagger UI, and every container is healthy', async () => {
    await healthy('gateway');
    await healthy('gateway-2');
    await healthy('mongo');
    expect(await (await fetchFrom(8080, '/docs/')).text()).toContain('swagger-ui');
    expect((await fetchFrom(8080, '/docs/swagger-ui-bundle.js')).status).toBe(200);
  });

  it('carries a task out, from inline input to a file among /files', async () => {
    await gateway.until(await gateway.create(counting('counted')), ['COMPLETE']);
    expect(await composed.compose('exec', '-T', 'gateway', 'cat', '/files/counted.txt')).toBe('3 /in/words.txt');
  });

  it('gives its containers no root, no capability and nothing of the image to write on', async () => {
    for (const service of ['gateway', 'mongo', 'balancer']) {
      const status = await composed.compose('exec', '-T', service, 'cat', '/proc/1/status');
      expect(status).toMatch(/^Uid:\t(?!0\t)/m);
      expect(status).toMatch(/^CapBnd:\t0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      await expect(composed.compose('exec', '-T', '--user', '0', service, 'sh', '-c', 'echo >/usr/bin/written')).rejects.toThrow(
        'Read-only file system',
      );
    }
    expect((await composed.inspect('gateway')).Config.User).toBe('1000:1000');
  });

  it('shows its secrets neither in docker inspect nor in a log', async () => {
    const read = (name: string): string => readFileSync(join(composed.directory, 'secrets', name), 'utf8');
    const password = new URL(read('store_url').replace(/^mongodb:/, 'http:')).password;
    expect(password).toHaveLength(32);
    const shown = [
      await composed.docker('inspect', ...(await composed.compose('--profile', 'two', 'ps', '-aq')).split('\n')),
      await composed.docker('image', 'inspect', 'tes-gateway:0.1.0'),
      await composed.docker('history', '--no-trunc', 'tes-gateway:0.1.0'),
      await composed.compose('logs', '--no-color'),
    ].join('\n');
    expect(shown).toContain('serving on');
    for (const secret of [password, read('mongo_admin_password'), read('mongo_key')]) expect(shown).not.toContain(secret);
  });

  it('does not start by itself where nobody has to log in, and says what to do', async () => {
    await expect(composed.docker('run', '--rm', '--network', 'none', 'tes-gateway:0.1.0')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^settings: auth\.schemes: there is no login.*auth\.allow_anonymous: true\)\n$/) as string,
    });
  });

  it('asks for a login once there are users, and takes the tokens that they make at either gateway', async () => {
    const hash = await composed.type('sh', ['-c', 'echo secret | docker run -i --rm --network none tes-gateway:0.1.0 hash-password']);
    writeFileSync(join(composed.directory, 'users.htpasswd'), `ann:${hash}\n`);
    writeFileSync(join(composed.directory, 'gateway.env'), 'TES_GATEWAY__AUTH__SCHEMES=[basic, token]\n');
    const up = (): Promise<string> =>
      composed.type('docker', ['compose', '--profile', 'two', 'up', '--detach'], { TES_USERS: './users.htpasswd' });
    const ask = async (port: number, method: string, path: string, authorization: string, body?: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${await composed.port(port)}${path}`, { method, headers: { authorization }, ...(body && { body }) });
    const basic = `Basic ${Buffer.from('ann:secret').toString('base64')}`;
    try {
      await up();
      await ready(8080);
      await ready(8000);
      expect((await fetchFrom(8080, '/v1/tasks')).status).toBe(401);
      const made = await ask(8080, 'POST', '/ext/v1/me/tokens', basic, '{"name":"x"}');
      expect(made.status).toBe(201);
      const { token } = (await made.json()) as { token: string };
      for (let at = 0; at < 4; at += 1) expect((await ask(8000, 'GET', '/v1/tasks', `Bearer ${token}`)).status).toBe(200);
    } finally {
      rmSync(join(composed.directory, 'gateway.env'));
      await composed.compose('--profile', 'two', 'up', '--detach');
    }
    await ready(8080);
    await ready(8000);
  }, 300_000);

  it('keeps its tasks, and a running one runs on, when the database is restarted', async () => {
    const before = await gateway.create(counting('before-mongo'));
    await gateway.ended(before);
    const running = await gateway.create(lasting('over-mongo', 15));
    await gateway.until(running, ['RUNNING']);
    await composed.compose('restart', 'mongo');
    await ready(8080);
    const ids = (await gateway.list()).tasks.map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining([before, running]));
    const task = await gateway.until(running, ['COMPLETE']);
    expect(task.logs).toHaveLength(1);
  });

  it('keeps its tasks, and a running one is tried again and completes, when the gateway is restarted', async () => {
    const running = await gateway.create(lasting('over-gateway', 5));
    await gateway.until(running, ['RUNNING']);
    const listed = (await gateway.list()).tasks.map(({ id }) => id);
    await composed.compose('restart', 'gateway');
    await ready(8080);
    expect((await gateway.list()).tasks.map(({ id }) => id)).toEqual(listed);
    await gateway.until(running, ['COMPLETE']);
    expect(await composed.docker('ps', '-q', '--filter', 'label=tes-gateway.job')).toBe('');
  });

  it('goes on behind the balancer while one of two gateways is dead, and does its task when it is declared gone', async () => {
    const lost = await balanced.create(lasting('lost', 20));
    await balanced.until(lost, ['RUNNING']);
    const holders = ['ps', '--filter', 'label=tes-gateway.job', '--format', '{{.Label "tes-gateway.instance"}}'];
    const holder = await eventually('the container of the task', async () => (await composed.docker(...holders)) || undefined);
    const [dead, other] = holder === 'gateway-1' ? ['gateway', 'gateway-2'] : ['gateway-2', 'gateway'];
    await composed.compose('kill', dead);
    const ids = [];
    for (let index = 0; index < 6; index++) ids.push(await balanced.create(counting(`balanced-${index}`)));
    for (const id of ids) await balanced.until(id, ['COMPLETE'], 90_000);
    expect((await balanced.get(lost)).state).toBe('RUNNING');
    const store = ['exec', '-T', other, 'node', '/app/dist/store.main.js'];
    expect(await composed.compose(...store, 'gone', '--force', holder)).toContain(`1 tasks released from ${holder}`);
    await balanced.until(lost, ['COMPLETE'], 90_000);
    await composed.compose(...store, 'export', '--finished', '/files/tasks.jsonl');
    expect(await composed.compose('exec', '-T', other, 'cat', '/files/tasks.jsonl')).toContain(lost);
    await composed.compose('start', dead);
    await ready(8080);
    expect((await gateway.list('name_prefix=balanced-')).tasks).toHaveLength(6);
  }, 300_000);
});

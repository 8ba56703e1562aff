import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TesTask } from '../../../src/task/tes';
import { Random, SEED } from '../../support/random';
import { describeEngine } from '../engines';
import { processesNaming, type RunningServer, startServer } from '../server';
import { shiftedClock } from '../shifted-clock';
import { eventually, TesClient } from '../tes-client';
import { Witness } from '../witness';
import { type Fault, HttpProxy } from './http-proxy';
import { OwnPulsar } from './pulsar';

const PAGE: Fault = { kind: 'say', status: 200, body: '<html><body>Please log in</body></html>' };
const GATEWAY: Fault = { kind: 'say', status: 502, body: '<html><body>502 Bad Gateway</body></html>' };
/** How long the proxy says 502 to everything. */
const AWAY_MS = 60_000;

describeEngine('bubblewrap', 'a Pulsar that answers wrongly, through the whole server', (engine) => {
  let witness: Witness;
  let pulsar: OwnPulsar;
  let proxy: HttpProxy;
  let server: RunningServer;

  const entry = (more: object = {}): object => ({
    ...{ name: 'far', type: 'pulsar', url: proxy.url, token: pulsar.token, runtime: 'bubblewrap', network: 'host' },
    ...{ slots: 16, cpus: 32, ram_gb: 64, ...more },
  });
  const serve = async (...backends: readonly object[]): Promise<void> => {
    server = await startServer({
      engine: engine(),
      settings: {
        backends,
        local: { kill_grace_seconds: 1 },
        retry: { first_delay_seconds: 0.1, longest_delay_seconds: 1, attempts: 10 },
      },
    });
  };
  const shell = (script: string, more: object = {}): object => ({
    resources: { cpu_cores: 1, ram_gb: 0.1 },
    executors: [{ image: 'none', command: ['sh', '-c', script] }],
    ...more,
  });
  const readyz = async (name: string): Promise<{ ok: boolean; detail: string }> => {
    const answer = (await (await fetch(`${server.url}/readyz`)).json()) as { backends: Record<string, { ok: boolean; detail: string }> };
    return answer.backends[name] ?? { ok: false, detail: 'unknown' };
  };
  const attemptOf = async (id: string): Promise<number> =>
    (await new TesClient(server.url).json<{ attempt: number }>('GET', `/ext/v1/tasks/${id}`)).attempt;
  const nothingIsLeft = (ids: readonly string[]): Promise<true> =>
    eventually('no directory and no process of the tasks', () =>
      pulsar.jobs().some((name) => ids.some((id) => name.includes(id))) || processesNaming(ids).length > 0 ? undefined : true,
    );
  const complete = async (id: string): Promise<TesTask> => {
    const task = await server.client.ended(id, 120_000);
    expect([task.state, task.logs]).toEqual(['COMPLETE', expect.anything()]);
    return task;
  };

  beforeAll(async () => {
    witness = await new Witness().start();
    pulsar = await OwnPulsar.start();
    proxy = await new HttpProxy(() => pulsar.url).start();
  }, 300_000);
  afterEach(async () => {
    proxy.fault = () => undefined;
    await server.remove();
  });
  afterAll(async () => {
    await proxy.stop();
    await pulsar.remove();
    await witness.stop();
  });

  it('with a wrong token or an unknown manager takes no task and fails none; it says why, and never the token', async () => {
    await serve(entry(), entry({ name: 'wrong', token: 'not-the-token' }), entry({ name: 'unknown', manager: 'nobody' }));
    const bound = (backend: string): Promise<string> =>
      server.client.create(shell('true', { resources: { backend_parameters: { backend } } }));
    const ids = [await bound('wrong'), await bound('unknown')];
    await complete(await server.client.create(shell('true')));
    await eventually('both to be found out', async () =>
      (await readyz('wrong')).detail.includes('does not take the token') && (await readyz('unknown')).detail.includes('(500)')
        ? true
        : undefined,
    );
    for (const id of ids) {
      expect((await server.client.get(id)).state).toBe('QUEUED');
      const { waiting } = await new TesClient(server.url).json<{ waiting: readonly string[] }>('GET', `/ext/v1/tasks/${id}`);
      expect(waiting.join()).toMatch(/does not take the token|reports an error of its own/);
      await server.client.cancel(id);
      await server.client.until(id, ['CANCELED']);
    }
    expect(server.log()).toMatch(/does not take the token/);
    expect([server.log().includes('not-the-token'), server.log().includes(pulsar.token)]).toEqual([false, false]);
  }, 120_000);

  it(`with pages, halves, 502s, cuts and silence among its answers carries every task through (TES_GATEWAY_SEED=${SEED})`, async () => {
    await serve(entry());
    const random = new Random(SEED);
    const faults: readonly [Fault, ...Fault[]] = [PAGE, GATEWAY, { kind: 'half' }, { kind: 'cut' }, { kind: 'hang-up' }];
    proxy.faults = 0;
    proxy.fault = () => (random.next() < 0.08 ? random.pick(faults) : undefined);
    const labels = Array.from({ length: 20 }, (_, index) => `odd${index}`);
    const ids = await Promise.all(
      labels.map((label) =>
        server.client.create(
          shell(`${witness.visit('hit', label)}; cat /data/in >/data/out; echo said`, {
            inputs: [{ content: label, path: '/data/in' }],
            outputs: [{ url: join(server.files, label), path: '/data/out' }],
          }),
        ),
      ),
    );
    for (const [index, id] of ids.entries()) {
      const label = labels[index] ?? '';
      const task = await complete(id);
      expect([task.logs?.at(-1)?.logs?.[0]?.stdout?.endsWith('said\n'), readFileSync(join(server.files, label), 'utf8')]).toEqual([
        true,
        label,
      ]);
      expect(witness.count('hit', label)).toBeLessThanOrEqual(await attemptOf(id));
    }
    expect(proxy.faults).toBeGreaterThan(20);
    proxy.fault = () => undefined;
    await nothingIsLeft(ids);
  }, 240_000);

  it(`behind a proxy that says 502 for ${AWAY_MS / 1000} s keeps what runs, takes nothing new and loses nothing`, async () => {
    await serve(entry());
    const running = await server.client.create(shell(witness.program('kept')));
    await witness.seen('gate', 'kept');
    await server.client.until(running, ['RUNNING']);
    proxy.fault = () => GATEWAY;
    const until = performance.now() + AWAY_MS;
    await eventually('it to count as away', async () => ((await readyz('far')).ok ? undefined : true));
    expect((await readyz('far')).detail).toContain('is away: 502');
    const queued = await server.client.create(shell('true'));
    witness.release('kept');
    await eventually('the time to pass', () => (performance.now() > until ? true : undefined));
    expect((await server.client.get(running)).state).toBe('RUNNING');
    expect((await server.client.get(queued)).state).toBe('QUEUED');
    expect(server.log()).toContain('is away: 502');
    proxy.fault = () => undefined;
    expect([await attemptOf(running), (await complete(running)).logs?.[0]?.logs?.[0]?.stdout]).toEqual([1, 'seenthrough kept']);
    await complete(queued);
    expect(witness.starts('kept')).toBe(1);
    await nothingIsLeft([running, queued]);
  }, 180_000);

  it('whose word for a job goes backwards is not believed', async () => {
    await serve(entry());
    const id = await server.client.create(shell(witness.program('back')));
    await witness.seen('gate', 'back');
    await server.client.until(id, ['RUNNING']);
    const words = ['preprocessing', 'queued', 'lost', 'complete', 'nonsense', null];
    let asked = 0;
    proxy.fault = ({ what }) => {
      if (!what.endsWith('/status')) return undefined;
      asked += 1;
      return { kind: 'say', status: 200, body: JSON.stringify({ status: words[asked % words.length], complete: 'true' }) };
    };
    // The script tells every second; to make the gateway ask for Pulsar's word, its report stands still too.
    const report = readFileSync(join(pulsar.staging, `tes-${id}-1`, 'metadata', 'tes', 'report'));
    const lying = proxy.fault;
    proxy.fault = (call) => (call.query.get('name') === 'tes/report' ? { kind: 'say', status: 200, body: report } : lying(call));
    await eventually('the word to be asked for', () => (asked >= 3 ? true : undefined));
    expect((await server.client.get(id, 'MINIMAL')).state).toBe('RUNNING');
    proxy.fault = () => undefined;
    witness.release('back');
    await complete(id);
    expect([witness.starts('back'), await attemptOf(id)]).toEqual([1, 1]);
  }, 120_000);

  it('behind a proxy that cuts downloads in the middle brings whole outputs', async () => {
    await serve(entry());
    const cuts: Fault[] = [{ kind: 'cut' }, { kind: 'half' }, { kind: 'cut' }];
    proxy.fault = ({ what, query }) =>
      what.startsWith('GET') && (query.get('name') ?? '').startsWith('tes/trees/') ? cuts.shift() : undefined;
    const id = await server.client.create(
      shell('head -c 3000000 /dev/urandom >/data/out; sha256sum </data/out', {
        outputs: [{ url: join(server.files, 'whole'), path: '/data/out' }],
      }),
    );
    const task = await complete(id);
    const sum = createHash('sha256')
      .update(readFileSync(join(server.files, 'whole')))
      .digest('hex');
    expect(task.logs?.[0]?.logs?.[0]?.stdout).toBe(`${sum}  -\n`);
    expect(cuts).toEqual([]);
  }, 120_000);

  it('whose reports of a job are not its own breaks nothing, and the right one counts', async () => {
    await serve(entry());
    const id = await server.client.create(shell(witness.program('hostile')));
    await witness.seen('gate', 'hostile');
    await server.client.until(id, ['RUNNING']);
    const head = 'tes-report 1 5.00 00000000-0000-0000-0000-000000000000\n';
    const hostile: (string | Buffer)[] = [
      'tes-report 2 nothing that we know\n',
      Buffer.alloc(40 << 20, 'x'),
      Buffer.alloc(1 << 20, 0),
      `${head}begin 1.00 4294967290\n\n--\n\n--\n`,
      `${head}begin 1.00 __proto__\nend 1.00 0 constructor\n\n--\n\n--\n`,
      `${head}begin 1.00 0\nend 2.00 0 99999999999999999999\n\n--\n\n--\n`,
      `${head}begin 1.00 0\n\n--\n0.stdout 99999999999999999999 5\n\n--\nabcde`,
      `${head}begin 1.00 0\n\n--\n0.stdout 5 999999999\n\n--\nabc`,
      `${head}done 1.00 toString\n\n--\n\n--\n`,
    ];
    let told = 0;
    proxy.fault = ({ query }) =>
      query.get('name') === 'tes/report' ? { kind: 'say', status: 200, body: hostile[told++ % hostile.length] ?? '' } : undefined;
    await eventually('all of them to be read', () => (told >= hostile.length ? true : undefined), 150_000);
    expect((await server.client.get(id, 'MINIMAL')).state).toBe('RUNNING');
    proxy.fault = () => undefined;
    witness.release('hostile');
    const task = await complete(id);
    expect([task.logs?.[0]?.logs?.length, witness.starts('hostile'), await attemptOf(id)]).toEqual([1, 1, 1]);
  }, 240_000);
});

/** The gateway's is shifted, not the worker's: there, files and processes have the machine's time. */
describeEngine('bubblewrap', 'a Pulsar whose clock is not that of the gateway', (engine) => {
  let witness: Witness;
  let pulsar: OwnPulsar;
  let server: RunningServer;
  const timeThere = async (): Promise<number> => Date.parse((await fetch(server.url)).headers.get('date') ?? '');

  beforeAll(async () => {
    witness = await new Witness().start();
    pulsar = await OwnPulsar.start();
  }, 300_000);
  afterEach(() => server.remove());
  afterAll(async () => {
    await pulsar.remove();
    await witness.stop();
  });

  it.each([
    ['two hours behind it', '+7200s'],
    ['a day ahead of it', '-86400s'],
  ])(
    '%s carries tasks through a kill of the gateway, with times of the gateway',
    async (_how, offset) => {
      const far = { name: 'far', type: 'pulsar', url: pulsar.url, token: pulsar.token, runtime: 'bubblewrap', network: 'host' };
      server = await startServer({
        engine: engine(),
        env: shiftedClock({ offset }),
        settings: { backends: [{ ...far, cpus: 8, ram_gb: 64 }], retry: { first_delay_seconds: 0.1 } },
      });
      expect(Math.abs(Date.now() + Number.parseInt(offset, 10) * 1000 - (await timeThere()))).toBeLessThan(60_000);
      const label = `skewed${offset.length}`;
      const before = await timeThere();
      const id = await server.client.create({
        executors: [{ image: 'none', command: ['sh', '-c', `echo begun; ${witness.program(label)}`] }],
        outputs: [{ url: join(server.files, 'none'), path: '/data/out' }],
        inputs: [{ content: 'x', path: '/data/out' }],
      });
      await witness.seen('gate', label);
      await eventually('its first words to be seen while it runs', async () => {
        const words = await (await fetch(`${server.url}/ext/v1/tasks/${id}/logs/0/stdout`)).text();
        return words.startsWith('begun\n') ? true : undefined;
      });
      await server.restart('kill9');
      expect((await server.client.until(id, ['RUNNING'])).state).toBe('RUNNING');
      witness.release(label);
      const task = await server.client.ended(id);
      const [log] = task.logs ?? [];
      expect([task.state, witness.starts(label), readFileSync(join(server.files, 'none'), 'utf8')]).toEqual(['COMPLETE', 1, 'x']);
      const times = [task.creation_time, log?.start_time, log?.logs?.[0]?.start_time, log?.logs?.[0]?.end_time, log?.end_time];
      const stamps = [before - 1000, ...times.map((time) => Date.parse(time ?? '')), (await timeThere()) + 2000];
      // An HTTP header gives the worker's time to the second.
      for (const [at, stamp] of stamps.slice(1).entries()) expect(stamp).toBeGreaterThan((stamps[at] ?? NaN) - 2000);
      await eventually('its directory to be gone', () => (pulsar.jobs().length === 0 ? true : undefined));
    },
    120_000,
  );
});

describeEngine('bubblewrap', 'a Pulsar whose jobs lie on a full disk', (engine) => {
  let pulsar: OwnPulsar;
  let server: RunningServer;

  beforeAll(async () => {
    pulsar = await OwnPulsar.start();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', pulsar.staging]);
    const far = { name: 'far', type: 'pulsar', url: pulsar.url, token: pulsar.token, runtime: 'bubblewrap', cpus: 8, ram_gb: 64 };
    server = await startServer({
      engine: engine(),
      settings: {
        backends: [far],
        retry: { attempts: 2, first_delay_seconds: 0.1, longest_delay_seconds: 0.5, backend_patience_seconds: 1 },
        transfers: { tries: 2 },
      },
    });
  }, 300_000);
  afterAll(async () => {
    await server.remove();
    await pulsar.stop();
    execFileSync('umount', ['-l', pulsar.staging]);
    await pulsar.remove();
  });

  const task = (script: string, more: object = {}): object => ({
    executors: [{ image: 'none', command: ['sh', '-c', script] }],
    resources: { cpu_cores: 1, ram_gb: 1 },
    ...more,
  });

  it.each([
    ['fails the task that filled it, and says so', task('head -c 200000000 /dev/zero >/data/big', { volumes: ['/data'] }), false],
    ['fails an input that does not fit, and says so', task('true'), true],
  ])(
    '%s, and then carries the next one through',
    async (_what, request, hasInput) => {
      const { client, files } = server;
      const large = join(files, 'large');
      if (hasInput) writeFileSync(large, Buffer.alloc(100_000_000, 'x'));
      const id = await client.create({ ...request, ...(hasInput && { inputs: [{ url: large, path: '/data/in' }] }) });
      const ended = await client.ended(id, 120_000);
      expect(['EXECUTOR_ERROR', 'SYSTEM_ERROR']).toContain(ended.state);
      expect(JSON.stringify(ended.logs)).toMatch(hasInput ? /cannot write \/data\/in on the worker/ : /the disk of the workspaces is full/);
      const next = await client.ended(
        await client.create(task('echo small >/data/x', { outputs: [{ url: join(files, 'x'), path: '/data/x' }] })),
      );
      expect([next.state, readFileSync(join(files, 'x'), 'utf8')]).toEqual(['COMPLETE', 'small\n']);
      await eventually('its directories to be gone', () => (pulsar.jobs().length === 0 ? true : undefined));
    },
    180_000,
  );
});

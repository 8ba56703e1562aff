import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FileServer, startFileServer } from '../../contract/storage/http-file-server';
import { cacheDirectory, describeEngine } from '../engines';
import { filesHolding } from '../leftovers';
import { OwnRabbit } from '../rabbitmq/rabbitmq';
import { builtProgram, processesNaming, type RunningServer, startServer } from '../server';
import { eventually } from '../tes-client';
import { Witness } from '../witness';
import { OwnPulsar } from './pulsar';

/** In the userinfo of URLs. */
const SECRET = 'kept-between-us';

describeEngine('bubblewrap', 'the whole server with a Pulsar to which nothing but a broker leads', (engine) => {
  let rabbit: OwnRabbit;
  let pulsar: OwnPulsar;
  let files: FileServer;
  let witness: Witness;
  let directory: string;
  let server: RunningServer;
  let stager: readonly string[];

  /** The gateways reach the broker over TLS; its authority is made known to them as Node's manual says. */
  const serve = (env: Readonly<Record<string, string>> = { NODE_EXTRA_CA_CERTS: rabbit.certificates?.authority ?? '' }) => {
    const far = {
      name: 'far',
      type: 'pulsar',
      amqp_url: rabbit.tlsUrl,
      runtime: 'bubblewrap',
      network: 'host',
      slots: 8,
      cpus: 16,
      ram_gb: 64,
    };
    return startServer({
      engine: engine(),
      env,
      settings: {
        backends: [{ ...far, staging: 'worker', stager }],
        storage: { http: { allowed_networks: ['127.0.0.0/8'] } },
        local: { kill_grace_seconds: 1 },
        retry: { first_delay_seconds: 0.1, longest_delay_seconds: 0.5, attempts: 2 },
      },
    });
  };
  const url = (path: string): string => `http://user:${SECRET}@127.0.0.1:${files.port}/${path}`;
  const shell = (script: string): object => ({ image: engine().images.busybox, command: ['sh', '-c', script] });
  const nothingIsLeft = (id: string): Promise<true> =>
    eventually('no directory and no process of the job', () =>
      pulsar.jobs().every((name) => !name.includes(id)) && processesNaming([id]).length === 0 ? true : undefined,
    );

  beforeAll(async () => {
    witness = await new Witness().start();
    rabbit = await OwnRabbit.start({ tls: true });
    pulsar = await OwnPulsar.start({ broker: { url: rabbit.url, only: true } });
    mkdirSync(join(cacheDirectory, 'worker-staging'), { recursive: true });
    directory = mkdtempSync(join(cacheDirectory, 'worker-staging', 'b-'));
    files = await startFileServer(directory);
    stager = [process.execPath, await builtProgram('stager.main.js')];
    server = await serve();
  }, 300_000);
  afterAll(async () => {
    await server.remove();
    await files.close();
    await witness.stop();
    await pulsar.remove();
    await rabbit.remove();
    if (process.env['TES_GATEWAY_KEEP'] === undefined) rmSync(directory, { recursive: true, force: true });
  });

  it('carries a task out from storage to storage, and keeps its secret from logs, directories and executors', async () => {
    writeFileSync(join(directory, 'in'), 'from the web\n');
    const id = await server.client.create({
      inputs: [
        { url: url('in'), path: '/data/in' },
        { content: 'from the request\n', path: '/data/note' },
      ],
      outputs: [{ url: url('out'), path: '/data/out' }],
      executors: [shell(`cat /data/in /data/note >/data/out; ${witness.program('alone')}; env; echo said`)],
    });
    await witness.seen('gate', 'alone');
    expect((await server.client.until(id, ['RUNNING'])).state).toBe('RUNNING');
    expect(filesHolding(pulsar.directory, SECRET)).toEqual([]);
    expect(processesNaming([SECRET])).toEqual([]);
    witness.release('alone');
    const task = await server.client.ended(id);
    expect([task.state, task.logs?.length]).toEqual(['COMPLETE', 1]);
    expect(task.logs?.[0]?.outputs).toMatchObject([{ path: '/data/out', size_bytes: '30' }]);
    expect(task.logs?.[0]?.logs?.[0]?.stdout).toMatch(/said\n$/);
    expect(JSON.stringify(task)).not.toContain(SECRET);
    expect(server.log()).not.toContain(SECRET);
    expect(readFileSync(join(directory, 'out'), 'utf8')).toBe('from the web\nfrom the request\n');
    await nothingIsLeft(id);
  }, 120_000);

  it('frees its slot when a running task is cancelled, with what it forked twice', async () => {
    const id = await server.client.create({ executors: [shell('(sleep 1001 &); sleep 1000')] });
    await server.client.until(id, ['RUNNING']);
    await server.client.cancel(id);
    await server.client.until(id, ['CANCELED']);
    await nothingIsLeft(id);
    await server.client.until(await server.client.create({ executors: [shell('true')] }), ['COMPLETE']);
  }, 120_000);

  it('goes on in the same attempt after a kill of the gateway', async () => {
    const id = await server.client.create({ executors: [shell(`${witness.program('lasting')}; echo lasted`)] });
    await witness.seen('gate', 'lasting');
    await server.client.until(id, ['RUNNING']);
    await server.restart('kill9');
    witness.release('lasting');
    const task = await server.client.ended(id);
    expect([task.state, task.logs?.length, witness.starts('lasting')]).toEqual(['COMPLETE', 1, 1]);
    expect(task.logs?.[0]?.logs?.[0]?.stdout).toMatch(/lasted\n$/);
    await nothingIsLeft(id);
  }, 120_000);

  it('serves two gateways at once, and goes on for the one when the other is killed', async () => {
    const other = await serve();
    try {
      const gateways = [server, other];
      const made = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const gateway = gateways[index % 2] ?? server;
          const label = `two${index}`;
          return { gateway, label, id: await gateway.client.create({ executors: [shell(`${witness.program(label)}; echo ${label}`)] }) };
        }),
      );
      for (const { label } of made) await witness.seen('gate', label);
      await other.kill9();
      for (const { label } of made) witness.release(label);
      const outcome = async ({ gateway, label, id }: (typeof made)[number]): Promise<unknown> => {
        const task = await gateway.client.ended(id);
        return [task.state, task.logs?.length, task.logs?.[0]?.logs?.[0]?.stdout?.endsWith(`${label}\n`), witness.starts(label)];
      };
      const right = ['COMPLETE', 1, true, 1];
      for (const one of made.filter(({ gateway }) => gateway === server)) expect(await outcome(one)).toEqual(right);
      await other.start();
      for (const one of made.filter(({ gateway }) => gateway === other)) expect(await outcome(one)).toEqual(right);
      for (const { id } of made) await nothingIsLeft(id);
    } finally {
      await other.remove();
    }
  }, 180_000);

  it('says why it cannot use a broker whose certificate it does not know, without its password', async () => {
    const stranger = await serve({});
    try {
      const said = async (): Promise<string> => (await fetch(`${stranger.url}/readyz`)).text();
      await eventually(
        'it to say so',
        async () => (/far cannot be reached \(SELF_SIGNED_CERT_IN_CHAIN\)/.test(await said()) ? true : undefined),
        60_000,
      );
      expect(await said()).not.toContain('guest:guest');
      expect(stranger.log()).not.toContain('guest:guest');
    } finally {
      await stranger.remove();
    }
  }, 120_000);

  it('says through /readyz what is there, and that nobody listens when Pulsar is down', async () => {
    const said = async (): Promise<string> => (await fetch(`${server.url}/readyz`)).text();
    expect(await said()).toMatch(/Pulsar 0\.16/);
    await pulsar.kill9();
    await eventually('it to say so', async () => (/no Pulsar takes jobs from the broker/.test(await said()) ? true : undefined), 60_000);
    await pulsar.startAgain();
    await eventually('it to be well', async () => (/Pulsar 0\.16/.test(await said()) ? true : undefined), 60_000);
  }, 180_000);
});

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startFileServer } from '../../contract/http-file-server';
import type { FileServer } from '../../contract/http-file-server';
import { cacheDirectory, describeEngine, runScript } from '../engines';
import { filesHolding } from '../leftovers';
import { OwnRabbit } from '../rabbitmq/rabbitmq';
import { processesNaming, startServer } from '../server';
import type { RunningServer } from '../server';
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

  const url = (path: string): string => `http://user:${SECRET}@127.0.0.1:${files.port}/${path}`;
  const shell = (script: string): object => ({ image: engine().images.busybox, command: ['sh', '-c', script] });
  const nothingIsLeft = (id: string): Promise<true> =>
    eventually('no directory and no process of the job', () =>
      pulsar.jobs().every((name) => !name.includes(id)) && processesNaming([id]).length === 0 ? true : undefined,
    );

  beforeAll(async () => {
    witness = await new Witness().start();
    rabbit = await OwnRabbit.start();
    pulsar = await OwnPulsar.start({ url: rabbit.url, only: true });
    mkdirSync(join(cacheDirectory, 'worker-staging'), { recursive: true });
    directory = mkdtempSync(join(cacheDirectory, 'worker-staging', 'b-'));
    files = await startFileServer(directory);
    const main = process.env['TES_GATEWAY_MAIN'] ?? (await runScript('build-server.sh', []));
    server = await startServer({
      engine: engine(),
      settings: {
        backends: [
          {
            ...{
              name: 'far',
              type: 'pulsar',
              amqp_url: rabbit.url,
              runtime: 'bubblewrap',
              network: 'host',
              slots: 8,
              cpus: 16,
              ram_gb: 64,
            },
            ...{ staging: 'worker', stager: [process.execPath, join(dirname(main), 'stager.main.js')] },
          },
        ],
        storage: { http: { allow_private_addresses: true } },
        local: { kill_grace_seconds: 1 },
        retry: { first_delay_seconds: 0.1, longest_delay_seconds: 0.5, attempts: 2 },
      },
    });
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
    expect((await server.client.ended(id)).state).toBe('CANCELED');
    await nothingIsLeft(id);
    expect((await server.client.ended(await server.client.create({ executors: [shell('true')] }))).state).toBe('COMPLETE');
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

  it('says through /readyz what is there, and that nobody listens when Pulsar is down', async () => {
    const said = async (): Promise<string> => (await fetch(`${server.url}/readyz`)).text();
    expect(await said()).toMatch(/Pulsar 0\.16/);
    pulsar.kill9();
    pulsar.kill9();
    await eventually('it to say so', async () => (/no Pulsar takes jobs from the broker/.test(await said()) ? true : undefined), 60_000);
    await pulsar.startAgain();
    await eventually('it to be well', async () => (/Pulsar 0\.16/.test(await said()) ? true : undefined), 60_000);
  }, 180_000);
});

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, describeEngine, type Engine, runScript, startContainerEngine } from '../engines';
import { nothingIsLeft } from '../leftovers';
import { type RunningServer, startServer } from '../server';
import { eventually } from '../tes-client';
import { Witness } from '../witness';

describeEngine('docker', 'a daemon that goes away and comes back', () => {
  const directory = join(cacheDirectory, 'docker-fault');
  let engine: Engine;
  let server: RunningServer;
  let witness: Witness;

  const daemonPid = (): number => Number(readFileSync(join(directory, 'docker.pid'), 'utf8'));

  beforeAll(async () => {
    engine = await startContainerEngine('docker', 'docker-fault');
    witness = await new Witness().start();
    server = await startServer({
      engine,
      backend: { network: 'host', cpus: 4, ram_gb: 16 },
      settings: { retry: { first_delay_seconds: 0.5, longest_delay_seconds: 1, attempts: 5 } },
    });
  }, 240_000);
  afterAll(async () => {
    await server.remove();
    await witness.stop();
    await runScript('docker/stop.sh', [directory]);
  }, 60_000);

  const task = (label: string): object => ({
    resources: { cpu_cores: 1, ram_gb: 0.1 },
    executors: [{ image: engine.images.busybox, command: ['sh', '-c', witness.program(label)] }],
  });

  it('runs a task again that the daemon ended because it was stopped itself', async () => {
    const { client } = server;
    const id = await client.create(task('stopped'));
    await witness.seen('gate', 'stopped');
    const daemon = daemonPid();
    process.kill(daemon, 'SIGTERM');
    await eventually('the daemon to go', () => (existsSync(`/proc/${daemon}`) ? undefined : true));
    await startContainerEngine('docker', 'docker-fault');
    await eventually('a second start', () => (witness.starts('stopped') === 2 ? true : undefined), 120_000);
    witness.release('stopped');
    const ended = await client.ended(id, 120_000);
    expect([ended.state, ended.logs?.at(-1)?.logs?.at(-1)?.stdout]).toEqual(['COMPLETE', 'seenthrough stopped']);
    await nothingIsLeft(server, engine, [id]);
  }, 300_000);

  it('keeps answering, loses no task, and carries all to their end after kill -9 of the daemon', async () => {
    const { client } = server;
    const running = await client.create(task('running'));
    await witness.seen('gate', 'running');
    process.kill(daemonPid(), 'SIGKILL');
    const waiting = await client.create(task('waiting'));
    const cancelled = await client.create(task('cancelled'));
    await client.cancel(cancelled);
    for (const view of ['MINIMAL', 'BASIC', 'FULL'] as const) {
      for (const id of [running, waiting, cancelled]) expect((await client.get(id, view)).id).toBe(id);
      expect((await client.list(`view=${view}&page_size=3`)).tasks.map(({ id }) => id)).toEqual([cancelled, waiting, running]);
    }
    for (const path of ['/ga4gh/tes/v1/service-info', '/healthz', '/readyz'])
      expect((await fetch(`${server.url}${path}`)).status).toBe(200);
    expect(['QUEUED', 'INITIALIZING']).toContain((await client.get(waiting)).state);

    witness.release('running');
    witness.release('waiting');
    await startContainerEngine('docker', 'docker-fault');
    const ended = await client.ended(running, 120_000);
    expect([ended.state, ended.logs?.at(-1)?.logs?.at(-1)?.stdout]).toEqual(['COMPLETE', 'seenthrough running']);
    await client.until(waiting, ['COMPLETE'], 120_000);
    await client.until(cancelled, ['CANCELED'], 120_000);
    expect(witness.starts('cancelled')).toBe(0);
    await nothingIsLeft(server, engine, [running, waiting, cancelled]);
  }, 300_000);
});

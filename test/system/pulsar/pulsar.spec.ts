import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jobName } from '../../../src/task/task-record';
import { leftoversOf } from '../../contract/backend/local-backend.fixture';
import { describeEngine, type Engine } from '../engines';
import { processesNaming, type RunningServer, type ServerOptions, startServer } from '../server';
import { eventually } from '../tes-client';
import { OwnPulsar } from './pulsar';

/** The most that a cancel may take until nothing of the task is left. */
const CANCELLED_MS = 10_000;

const entryOf = (pulsar: OwnPulsar, engine: Engine, more: object = {}): Record<string, unknown> => ({
  name: 'far',
  type: 'pulsar',
  url: pulsar.url,
  token: pulsar.token,
  runtime: engine.name,
  network: 'host',
  slots: 8,
  cpus: 16,
  ram_gb: 64,
  environment: engine.env,
  ...more,
});

const serve = (engine: Engine, backends: readonly object[], settings: object = {}): Promise<RunningServer> => {
  const options: ServerOptions = {
    engine,
    settings: {
      backends,
      local: { kill_grace_seconds: 1 },
      retry: { first_delay_seconds: 0.1, longest_delay_seconds: 2, attempts: 20 },
      ...settings,
    },
  };
  return startServer(options);
};

/** Clean-up follows the terminal state. An errand that a kill cut short is the sweep's. */
async function nothingIsLeft(pulsar: OwnPulsar, ids: readonly string[]): Promise<void> {
  let left: readonly string[] = [];
  await eventually('no directory and no process of the tasks', () => {
    left = [...pulsar.jobs(), ...processesNaming(ids).map(({ commandLine }) => commandLine)].filter(
      (one) => !one.startsWith('tes-errand-'),
    );
    return left.length === 0 ? true : undefined;
  }).catch((error: unknown) => {
    throw new Error(`left behind:\n${left.join('\n')}`, { cause: error });
  });
}

for (const name of ['bubblewrap', 'podman'] as const) {
  describeEngine(name, 'tasks on a real Pulsar', (engine) => {
    let pulsar: OwnPulsar;
    let server: RunningServer;

    beforeAll(async () => {
      pulsar = await OwnPulsar.start();
      server = await serve(engine(), [entryOf(pulsar, engine())]);
    }, 300_000);
    afterAll(async () => {
      await server.remove();
      await pulsar.remove();
    });

    it('carries inputs there and outputs and streams back, and leaves nothing', async () => {
      const input = Buffer.alloc(3 << 20, 'pulsar\n');
      writeFileSync(join(server.files, 'in'), input);
      const id = await server.client.create({
        inputs: [
          { url: join(server.files, 'in'), path: '/data/in' },
          { content: 'from the request', path: '/data/note' },
        ],
        outputs: [
          { url: join(server.files, 'copy'), path: '/data/copy' },
          { url: join(server.files, 'said'), path: '/data/said' },
          { url: join(server.files, 'all'), path: '/results', type: 'DIRECTORY' },
        ],
        executors: [
          {
            image: engine().images.busybox,
            command: ['sh', '-c', 'cp in copy; mkdir -p /results/below; echo x >/results/below/x; cat note; echo oops >&2'],
            workdir: '/data',
            stdout: '/data/said',
          },
        ],
      });
      const task = await server.client.ended(id);
      expect([task.state, task.logs?.[0]?.logs?.[0]]).toMatchObject([
        'COMPLETE',
        { exit_code: 0, stdout: 'from the request', stderr: 'oops\n' },
      ]);
      expect(readFileSync(join(server.files, 'copy')).equals(input)).toBe(true);
      expect(readFileSync(join(server.files, 'said'), 'utf8')).toBe('from the request');
      expect(readFileSync(join(server.files, 'all', 'below', 'x'), 'utf8')).toBe('x\n');
      expect(task.logs?.[0]?.outputs?.map(({ size_bytes }) => size_bytes).sort()).toEqual(['16', '2', String(input.length)]);
      await nothingIsLeft(pulsar, [id]);
    });

    it('tells an executor that failed from a task that the system failed', async () => {
      const failed = await server.client.ended(
        await server.client.create({ executors: [{ image: engine().images.busybox, command: ['sh', '-c', 'echo no >&2; exit 3'] }] }),
      );
      expect([failed.state, failed.logs?.[0]?.logs?.[0]]).toMatchObject(['EXECUTOR_ERROR', { exit_code: 3, stderr: 'no\n' }]);
    });

    it(`really ends a cancelled program that forked twice within ${CANCELLED_MS / 1000} s, and gives its slot to the next task`, async () => {
      // With the grace that users have: nobody waits for a program that does not hear.
      const only = await serve(engine(), [entryOf(pulsar, engine(), { slots: 1 })], { local: { kill_grace_seconds: 10 } });
      try {
        const script = '(setsid sh -c "sleep 61001; true" &); (sleep 61002 & ); echo ready; sleep 61000; true';
        const id = await only.client.create({ executors: [{ image: engine().images.busybox, command: ['sh', '-c', script] }] });
        const waiting = await only.client.create({ executors: [{ image: engine().images.busybox, command: ['true'] }] });
        await eventually('the program to be ready', async () => {
          const task = await only.client.json<{ logs?: readonly { logs?: readonly { stdout?: string }[] }[] }>(
            'GET',
            `/tasks/${id}?view=FULL`,
          );
          return task.logs?.[0]?.logs?.[0]?.stdout?.includes('ready') === true || sleeps().length >= 3 || undefined;
        });
        expect((await only.client.get(waiting, 'MINIMAL')).state).toBe('QUEUED');
        const asked = performance.now();
        await only.client.cancel(id);
        await only.client.until(id, ['CANCELED']);
        expect([sleeps(), await leftoversOf(engine(), jobName(id, 1))]).toEqual([[], []]);
        expect(performance.now() - asked).toBeLessThan(CANCELLED_MS);
        await only.client.until(waiting, ['COMPLETE']);
        await nothingIsLeft(pulsar, [id, waiting]);
      } finally {
        await only.remove();
      }
    });
  });
}

/** Programs that only the test above starts. */
const sleeps = (): readonly string[] =>
  processesNaming(['sleep 61000', 'sleep 61001', 'sleep 61002'])
    .map(({ commandLine }) => commandLine)
    .filter((line) => /^sleep 6100[012]$/.test(line));

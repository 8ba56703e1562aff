import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeEngine } from './engines';
import { nothingIsLeft } from './leftovers';
import { type RunningServer, startServer } from './server';
import { eventually } from './tes-client';
import { Witness } from './witness';

for (const name of ['bubblewrap', 'podman'] as const) {
  describeEngine(name, 'a server that is stopped and started', (engine) => {
    let witness: Witness;
    let server: RunningServer;
    beforeEach(async () => {
      witness = await new Witness().start();
      server = await startServer({
        engine: engine(),
        backend: { network: 'host', cpus: 4, ram_gb: 16 },
        settings: {
          server: { shutdown_grace_seconds: 1 },
          local: { kill_grace_seconds: 2 },
          retry: { first_delay_seconds: 0.2 },
        },
      });
    }, 120_000);
    afterEach(async () => {
      await server.remove();
      await witness.stop();
    });

    /** Tells the witness when it starts, goes on when the gate opens, writes what it got, tells the witness that it ends. */
    const task = (label: string, more: object = {}, before = ''): object => ({
      name: label,
      resources: { cpu_cores: 1, ram_gb: 0.1 },
      outputs: [{ url: join(server.files, `${label}.txt`), path: '/out/result.txt' }],
      executors: [
        {
          image: engine().images.busybox,
          command: ['sh', '-c', `${before}${witness.program(label)} > /out/result.txt; ${witness.visit('hit', `${label}-end`)}`],
        },
      ],
      ...more,
    });
    const result = (label: string): string => readFileSync(join(server.files, `${label}.txt`), 'utf8');

    it.each(['stop', 'kill9'] as const)(
      'ends queued, staging, running, ended and cancelling tasks right after %s, and starts no job twice',
      async (how) => {
        const { client } = server;
        const running = await client.create(task('running'));
        const ending = await client.create(task('ending'));
        const stubborn = await client.create(task('stubborn', {}, "trap '' TERM; "));
        const staging = await client.create(
          task('staging', {
            inputs: [{ url: witness.url('slow', 'input'), path: '/in/slow.txt' }],
            outputs: [
              { url: join(server.files, 'staging.txt'), path: '/out/result.txt' },
              { url: join(server.files, 'slow.txt'), path: '/in/slow.txt' },
            ],
          }),
        );
        await Promise.all(['running', 'ending', 'stubborn'].map((label) => witness.seen('gate', label)));
        await witness.seen('slow', 'input');
        const queued = await Promise.all([1, 2].map((index) => client.create(task(`queued-${index}`))));
        await Promise.all(queued.map((id) => client.until(id, ['QUEUED'])));
        await client.until(running, ['RUNNING']);
        await client.cancel(stubborn);
        expect((await client.get(stubborn)).state).toMatch(/^CANCEL/);

        expect(await server[how]()).toBe(how === 'stop' ? 0 : 'SIGKILL');
        witness.release('ending');
        await witness.seen('hit', 'ending-end');
        await server.start();

        await client.until(ending, ['COMPLETE']);
        expect(result('ending')).toBe('through ending');
        await client.until(stubborn, ['CANCELED']);
        expect((await client.until(running, ['RUNNING'])).state).toBe('RUNNING');
        for (const label of ['input', 'running', 'staging', 'queued-1', 'queued-2']) witness.release(label);
        for (const id of [running, staging, ...queued]) await client.until(id, ['COMPLETE']);
        expect(['running', 'staging', 'queued-1', 'queued-2'].map(result)).toEqual(
          ['running', 'staging', 'queued-1', 'queued-2'].map((label) => `through ${label}`),
        );
        expect(readFileSync(join(server.files, 'slow.txt'), 'utf8')).toBe(Witness.half + Witness.half);
        for (const label of ['running', 'ending', 'staging', 'queued-1', 'queued-2']) {
          expect([label, witness.starts(label), witness.count('hit', `${label}-end`)]).toEqual([label, 1, 1]);
        }
        expect(witness.count('hit', 'stubborn-end')).toBe(0);
        await nothingIsLeft(server, engine(), [running, ending, stubborn, staging, ...queued]);
      },
      180_000,
    );

    it('refuses creates with 503 while it stops, and leaves the job alone', async () => {
      const { client } = server;
      const id = await client.create(task('left-alone'));
      await witness.seen('gate', 'left-alone');
      // A slow transfer keeps the stop waiting for its grace, in which a create is refused.
      await client.create({ ...task('slow'), inputs: [{ url: witness.url('slow', 'input'), path: '/in/slow.txt' }] });
      await witness.seen('slow', 'input');
      const stopped = server.stop();
      const refused = await eventually('a create to be refused', async () => {
        const status = await client.create(task('late')).then(
          () => undefined,
          (error: unknown) => (error as { status?: number }).status ?? 'closed',
        );
        return status;
      });
      expect(refused).toBe(503);
      expect(await stopped).toBe(0);
      witness.release('left-alone');
      await witness.seen('hit', 'left-alone-end');
      await server.start();
      await client.until(id, ['COMPLETE']);
      expect(witness.starts('left-alone')).toBe(1);
    }, 120_000);

    it('keeps every acknowledged create over a kill -9 that follows at once', async () => {
      const { client } = server;
      witness.release('fast');
      writeFileSync(join(server.files, 'in.txt'), 'x');
      const ids: string[] = [];
      const creating = Promise.allSettled(
        Array.from({ length: 40 }, async () => {
          ids.push(await client.create({ name: 'acknowledged', executors: [{ image: engine().images.busybox, command: ['true'] }] }));
          if (ids.length === 15) await server.kill9();
        }),
      );
      await creating;
      expect(ids.length).toBeGreaterThanOrEqual(15);
      await server.start();
      for (const id of ids) await client.until(id, ['COMPLETE']);
      await nothingIsLeft(server, engine(), ids);
    }, 180_000);
  });
}

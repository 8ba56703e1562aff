import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeEngine } from '../engines';
import { nothingIsLeft } from '../leftovers';
import { type RunningServer, startServer } from '../server';
import { Witness } from '../witness';

for (const name of ['bubblewrap', 'podman'] as const) {
  describeEngine(name, 'programs that behave badly', (engine) => {
    let server: RunningServer;
    let witness: Witness;
    beforeAll(async () => {
      witness = await new Witness().start();
      server = await startServer({
        engine: engine(),
        backend: { network: 'host', cpus: 4, ram_gb: 16 },
        settings: { local: { kill_grace_seconds: 1 } },
      });
    }, 120_000);
    afterAll(async () => {
      await server.remove();
      await witness.stop();
    });

    const create = (script: string, more: object = {}): Promise<string> =>
      server.client.create({ executors: [{ image: engine().images.busybox, command: ['sh', '-c', script] }], ...more });

    // What the script, not the runtime, has to carry is asked of one runtime: it takes long.
    if (name === 'bubblewrap') {
      it('brings 10,000 files of one output directory', async () => {
        const id = await create('cd /out; i=0; while [ $i -lt 10000 ]; do echo $i > f$i; i=$((i + 1)); done', {
          outputs: [{ url: join(server.files, 'many'), path: '/out', type: 'DIRECTORY' }],
        });
        const task = await server.client.until(id, ['COMPLETE'], 180_000);
        expect(task.logs?.at(-1)?.outputs?.length).toBe(10_000);
        expect(readdirSync(join(server.files, 'many')).length).toBe(10_000);
        expect(readFileSync(join(server.files, 'many', 'f9999'), 'utf8')).toBe('9999\n');
        await nothingIsLeft(server, engine(), [id]);
      }, 240_000);

      it('ends a program that writes 5 GB to stdout with its last bytes as the tail, in bounded memory', async () => {
        const id = await create('head -c 5368709120 /dev/zero; echo the end');
        const task = await server.client.until(id, ['COMPLETE'], 280_000);
        expect(task.logs?.at(-1)?.logs?.at(-1)?.stdout?.endsWith('the end\n')).toBe(true);
        expect(task.logs?.at(-1)?.logs?.at(-1)?.stdout?.length).toBeLessThanOrEqual(64 * 1024);
        const residentKib = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]);
        expect(residentKib).toBeLessThan(400 * 1024);
        await nothingIsLeft(server, engine(), [id]);
      }, 300_000);
    }

    it('cancels a program that ignores SIGTERM', async () => {
      const id = await create(`trap '' TERM INT HUP; ${witness.visit('hit', 'stubborn')}; while :; do sleep 1; done`);
      await witness.seen('hit', 'stubborn');
      await server.client.cancel(id);
      await server.client.until(id, ['CANCELED']);
      await nothingIsLeft(server, engine(), [id]);
    }, 120_000);

    const forks = `(setsid sh -c '${'('}setsid sleep 600 &)' &); (sh -c 'sleep 600 & exit' &)`;

    it('leaves nothing of a program that double-forks when its first process ends', async () => {
      const id = await create(`${forks}; sleep 0.2; exit 5`);
      const task = await server.client.ended(id);
      expect([task.state, task.logs?.at(-1)?.logs?.at(-1)?.exit_code]).toEqual(['EXECUTOR_ERROR', 5]);
      await nothingIsLeft(server, engine(), [id]);
    }, 120_000);

    it('leaves nothing of a program that double-forks when it is cancelled', async () => {
      const id = await create(`${forks}; ${witness.visit('hit', 'forked')}; exec sleep 600`);
      await witness.seen('hit', 'forked');
      await server.client.cancel(id);
      await server.client.until(id, ['CANCELED']);
      await nothingIsLeft(server, engine(), [id]);
    }, 120_000);
  });
}

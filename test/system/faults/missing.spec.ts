import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TesTask } from '../../../src/task/tes';
import { describeEngine, ENGINE_NAMES } from '../engines';
import { type RunningServer, startServer } from '../server';
import { Witness } from '../witness';

const reasons = (task: TesTask): string => (task.logs?.at(-1)?.system_logs ?? []).join('\n');

for (const name of ENGINE_NAMES) {
  describeEngine(name, 'what is not there', (engine) => {
    let server: RunningServer;
    let witness: Witness;
    beforeAll(async () => {
      witness = await new Witness().start();
      server = await startServer({ engine: engine(), settings: { retry: { first_delay_seconds: 0.1, attempts: 2 } } });
    }, 120_000);
    afterAll(async () => {
      await server.remove();
      await witness.stop();
    });

    const executors = (image = engine().images.busybox, ...command: string[]): object[] => [
      { image, command: command.length > 0 ? command : ['true'] },
    ];

    if (name !== 'bubblewrap') {
      it('ends a task whose image is nowhere as SYSTEM_ERROR that names the image', async () => {
        const task = await server.client.until(
          await server.client.create({ executors: executors(engine().images.missing) }),
          ['SYSTEM_ERROR'],
          120_000,
        );
        expect(reasons(task)).toContain('is-nowhere');
      }, 150_000);
    }

    it('ends a task whose program is nowhere as EXECUTOR_ERROR with exit code 127', async () => {
      const task = await server.client.ended(await server.client.create({ executors: executors(undefined, '/no/such/program') }));
      expect([task.state, task.logs?.at(-1)?.logs?.at(-1)?.exit_code]).toEqual(['EXECUTOR_ERROR', 127]);
    }, 90_000);

    it.each([
      ['file', () => join(server.files, 'absent.txt')],
      ['http', () => witness.url('hit', 'x').replace('/hit/', '/nothing/')],
    ])(
      'ends a task whose %s input is nowhere as SYSTEM_ERROR that names it',
      async (_scheme, url) => {
        const task = await server.client.ended(
          await server.client.create({ inputs: [{ url: url(), path: '/in/x' }], executors: executors() }),
          90_000,
        );
        expect(task.state).toBe('SYSTEM_ERROR');
        expect(reasons(task)).toContain('/in/x');
      },
      120_000,
    );

    it('ends a task whose output cannot be written as SYSTEM_ERROR that names it, with its logs and its other outputs', async () => {
      writeFileSync(join(server.files, 'a-file'), 'x');
      const task = await server.client.ended(
        await server.client.create({
          outputs: [
            { url: join(server.files, 'a-file', 'below'), path: '/out/refused.txt' },
            { url: join(server.files, 'other.txt'), path: '/out/other.txt' },
          ],
          executors: executors(undefined, 'sh', '-c', 'echo said; echo x > /out/refused.txt; echo y > /out/other.txt'),
        }),
        90_000,
      );
      expect(task.state).toBe('SYSTEM_ERROR');
      expect(reasons(task)).toContain('/out/refused.txt');
      expect(task.logs?.at(-1)?.logs?.at(-1)).toMatchObject({ exit_code: 0, stdout: 'said\n' });
      expect(readFileSync(join(server.files, 'other.txt'), 'utf8')).toBe('y\n');
    }, 120_000);

    it('carries a sound task through beside them', async () => {
      mkdirSync(join(server.files, 'beside'), { recursive: true });
      const broken = { inputs: [{ url: join(server.files, 'absent.txt'), path: '/in/x' }], executors: executors() };
      const ids = await Promise.all([broken, { executors: executors() }, broken].map((task) => server.client.create(task)));
      const states = await Promise.all(ids.map(async (id) => (await server.client.ended(id, 90_000)).state));
      expect(states).toEqual(['SYSTEM_ERROR', 'COMPLETE', 'SYSTEM_ERROR']);
    }, 120_000);
  });
}

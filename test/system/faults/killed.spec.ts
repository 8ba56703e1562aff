import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeEngine, ENGINE_NAMES } from '../engines';
import { nothingIsLeft } from '../leftovers';
import { endNow, processesNaming, type RunningServer, startServer } from '../server';
import { eventually } from '../tes-client';
import { Witness } from '../witness';

for (const name of ENGINE_NAMES) {
  describeEngine(name, 'something of a job is killed from outside', (engine) => {
    let server: RunningServer;
    let witness: Witness;
    beforeAll(async () => {
      witness = await new Witness().start();
      server = await startServer({
        engine: engine(),
        backend: { network: 'host', cpus: 4, ram_gb: 16 },
        settings: { local: { kill_grace_seconds: 1 }, retry: { first_delay_seconds: 0.2, attempts: 5 } },
      });
    }, 240_000);
    afterAll(async () => {
      await witness.stop();
      await server.remove();
    }, 60_000);

    const task = (label: string): object => ({
      resources: { cpu_cores: 1, ram_gb: 0.1 },
      outputs: [{ url: join(server.files, label), path: '/out/result' }],
      executors: [
        {
          image: engine().images.busybox,
          command: ['sh', '-c', `${witness.program(label)} >/out/result; echo end`],
        },
      ],
    });
    const jobOf = (id: string): string => `tes-${id}-1`;
    const shellOf = (id: string): number =>
      Number(readFileSync(join(server.workDirectory, 'local', 'jobs', jobOf(id), 'started'), 'utf8').split(' ')[0]);

    /** A task and its neighbour, both with their jobs at work. */
    const begun = async (label: string): Promise<readonly [id: string, neighbour: string]> => {
      const neighbour = await server.client.create(task(`${label}-neighbour`));
      const id = await server.client.create(task(label));
      await witness.seen('gate', label);
      await witness.seen('gate', `${label}-neighbour`);
      return [id, neighbour];
    };
    /** The whole task, whatever was killed of its first attempt; and a neighbour that notices nothing. Gives what the first attempt says. */
    const survives = async (label: string, kill: (id: string) => void, releaseFirst = false): Promise<readonly string[]> => {
      const [id, neighbour] = await begun(label);
      kill(id);
      if (releaseFirst) witness.release(label);
      await eventually('a second start', () => (witness.starts(label) === 2 ? true : undefined), 90_000);
      for (const one of [label, `${label}-neighbour`]) witness.release(one);
      for (const [one, starts, who] of [
        [label, 2, id],
        [`${label}-neighbour`, 1, neighbour],
      ] as const) {
        const ended = await server.client.ended(who);
        expect([one, ended.state, witness.starts(one)]).toEqual([one, 'COMPLETE', starts]);
        expect(readFileSync(join(server.files, one), 'utf8')).toBe(`through ${one}`);
      }
      await nothingIsLeft(server, engine(), [id, neighbour]);
      return (await server.client.get(id)).logs?.[0]?.system_logs ?? [];
    };

    it("runs the task again when its job's own shell was killed", async () => {
      const reasons = await survives('shell', (id) => process.kill(shellOf(id), 'SIGKILL'));
      expect(reasons).toContain('the job was gone without a result: its process had been killed, or the machine was restarted');
    }, 180_000);

    it('runs the task again when all processes of its job were killed', async () => {
      await survives('everything', (id) => {
        for (const { pid } of processesNaming([jobOf(id)]).filter(({ pid }) => pid !== server.pid)) endNow(pid);
      });
    }, 180_000);

    if (name === 'docker') {
      it('ends the task with the 137 that docker reports when the shim of its container was killed', async () => {
        const [id, neighbour] = await begun('shim');
        const format = ['inspect', '--type', 'container', '--format', '{{.Id}}', `${jobOf(id)}-0`];
        const container = execFileSync('docker', format, { env: engine().environment, encoding: 'utf8' }).trim();
        const shims = processesNaming([container]).filter(({ commandLine }) => /^\S*containerd-shim\S* /.test(commandLine));
        expect(shims).toHaveLength(1);
        for (const { pid } of shims) process.kill(pid, 'SIGKILL');
        const ended = await server.client.ended(id);
        expect([ended.state, ended.logs?.at(-1)?.logs?.at(-1)?.exit_code, witness.starts('shim')]).toEqual(['EXECUTOR_ERROR', 137, 1]);
        witness.release('shim-neighbour');
        await server.client.until(neighbour, ['COMPLETE']);
        await nothingIsLeft(server, engine(), [id, neighbour]);
      }, 180_000);
    }

    if (name === 'podman') {
      it('runs the task again when the watcher of its container was killed, once its program has ended', async () => {
        const killWatcher = (id: string): void => {
          const watchers = processesNaming([jobOf(id)]).filter(({ commandLine }) => /^\S*conmon /.test(commandLine));
          expect(watchers).toHaveLength(1);
          for (const { pid } of watchers) process.kill(pid, 'SIGKILL');
        };
        const reasons = await survives('conmon', killWatcher, true);
        expect(reasons).toContain('podman cannot tell how an executor ended: the watcher of its container was gone before it');
      }, 180_000);
    }
  });
}

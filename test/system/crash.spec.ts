import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TesState } from '../../src/task/tes';
import { describeEngine } from './engines';
import { nothingIsLeft } from './leftovers';
import { repeated } from '../support/amounts';
import { Random, SEED } from '../support/random';
import { type RunningServer, startServer } from './server';
import { Refused, TERMINAL_STATES, TesClient } from './tes-client';
import { Witness } from './witness';

/** Kills, and creates in one life of the server. What docker and apptainer share with the others is asked of those. */
const PLANS = {
  bubblewrap: { kills: repeated(10, 20), creates: 8 },
  podman: { kills: repeated(10, 20), creates: 4 },
  docker: { kills: 5, creates: 3 },
  apptainer: { kills: 5, creates: 4 },
} as const;

interface Acknowledged {
  readonly id: string;
  readonly label: string;
  readonly kind: 'quick' | 'lasting' | 'tree' | 'download';
  cancelAsked: boolean;
}

for (const name of ['bubblewrap', 'podman', 'docker', 'apptainer'] as const) {
  const { kills, creates } = PLANS[name];
  describeEngine(name, 'a server killed at random moments', (engine) => {
    const random = new Random(SEED);
    let witness: Witness;
    let server: RunningServer;
    const known: Acknowledged[] = [];
    let made = 0;

    beforeAll(async () => {
      witness = await new Witness().start();
      server = await startServer({
        engine: engine(),
        backend: { network: 'host', cpus: 4, ram_gb: 16 },
        settings: { local: { kill_grace_seconds: 1 }, retry: { first_delay_seconds: 0.1, attempts: 50 }, logs: { level: 'warn' } },
      });
      mkdirSync(join(server.files, 'tree', 'sub'), { recursive: true });
      writeFileSync(join(server.files, 'tree', 'a.txt'), 'a');
      writeFileSync(join(server.files, 'tree', 'sub', 'b.txt'), 'b');
      witness.release('download');
    }, 120_000);
    afterAll(async () => {
      await server.remove();
      await witness.stop();
    });

    const body = (label: string, kind: Acknowledged['kind']): object => {
      // Every attempt has a workspace, and so a volume, of its own.
      const first = `mkdir /attempt/begun 2>/dev/null || ${witness.visit('hit', `${label}-twice`)}; `;
      const said = `${first}${witness.visit('hit', `${label}-start`)}; `;
      const work = {
        quick: 'true',
        lasting: 'sleep 0.8',
        tree: 'cp -r /in/tree /out/tree',
        download: 'cat /in/slow > /out/slow',
      }[kind];
      return {
        name: label,
        resources: { cpu_cores: 1, ram_gb: 0.1 },
        inputs: [
          ...(kind === 'tree' ? [{ url: join(server.files, 'tree'), path: '/in/tree', type: 'DIRECTORY' }] : []),
          ...(kind === 'download' ? [{ url: witness.url('slow', 'download'), path: '/in/slow' }] : []),
        ],
        outputs: [{ url: join(server.files, label), path: '/out', type: 'DIRECTORY' }],
        volumes: ['/attempt'],
        executors: [{ image: engine().images.busybox, command: ['sh', '-c', `${said}echo ${label} > /out/name; ${work}`] }],
      };
    };

    /** Creates and cancels until the server has gone. */
    const load = async (): Promise<void> => {
      const once = async (): Promise<void> => {
        const kind = random.pick(['quick', 'lasting', 'tree', 'download'] as const);
        const label = `t${(made += 1)}`;
        const id = await server.client.create(body(label, kind));
        const task: Acknowledged = { id, label, kind, cancelAsked: false };
        known.push(task);
        if (random.next() < 0.25) {
          const victim = random.pick([task, ...known.slice(-4)]);
          // Said first: a kill may swallow the answer of a cancel that is stored.
          victim.cancelAsked = true;
          await server.client.cancel(victim.id);
        }
      };
      await Promise.allSettled(Array.from({ length: creates }, once));
    };

    /**
     * Waits until a job has begun, with the store held locked from its plan on: its server cannot write down that it handed it over.
     * Gives what lets go of the store.
     */
    const aJobBegins = async (): Promise<() => void> => {
      const jobs = join(server.workDirectory, 'local', 'jobs');
      const planned = (): string[] => readdirSync(jobs).filter((job) => existsSync(join(jobs, job, 'plan')));
      const known = new Set(planned());
      const end = performance.now() + 5000;
      const within = async <T>(look: () => T | undefined): Promise<T | undefined> => {
        for (;;) {
          const found = look();
          if (found !== undefined || performance.now() > end) return found;
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const number = random.between(0, 2);
      const job = await within(() => planned().filter((one) => !known.has(one))[number]);
      if (job === undefined) return () => undefined;
      const store = new DatabaseSync(join(server.dataDirectory, 'tasks.sqlite'), { timeout: 1000 });
      store.exec('BEGIN IMMEDIATE');
      await within(() => existsSync(join(jobs, job, 'started')) || undefined);
      return () => store.close();
    };

    it(`loses nothing and starts nothing twice in an attempt over ${kills} kills (TES_GATEWAY_SEED=${SEED})`, async () => {
      for (let kill = 0; kill < kills; kill += 1) {
        const loaded = load();
        let letGo = (): void => undefined;
        if (kill % 2 === 1) letGo = await aJobBegins();
        else await new Promise((resolve) => setTimeout(resolve, random.between(20, 1200)));
        await server.kill9();
        letGo();
        await loaded;
        await server.start();
      }
      expect(known.length).toBeGreaterThan(kills);

      const wrong: string[] = [];
      for (const task of known) {
        const { state } = await server.client.ended(task.id, 180_000).catch((error: unknown) => {
          throw new Error(`${task.label} (${task.kind}) ${error instanceof Refused ? 'is lost' : 'does not end'}; seed ${SEED}`, {
            cause: error,
          });
        });
        const right: readonly TesState[] = task.cancelAsked ? ['CANCELED', 'COMPLETE'] : ['COMPLETE'];
        if (state === undefined || !right.includes(state)) wrong.push(`${task.label} (${task.kind}) is ${String(state)}`);
        const { attempt } = await new TesClient(server.url).json<{ attempt: number }>('GET', `/ext/v1/tasks/${task.id}`);
        // Jobs outlive the server: no kill costs a task its attempt. A second start in one, too, would mostly show as a failed attempt.
        if (attempt > 1) wrong.push(`${task.label} (${task.kind}) took ${attempt} attempts`);
        const starts = witness.starts(task.label);
        if (witness.count('hit', `${task.label}-twice`) > 0) wrong.push(`${task.label} (${task.kind}) started twice in an attempt`);
        if (starts > attempt) wrong.push(`${task.label} (${task.kind}) started ${starts} times in ${attempt} attempts`);
        if (state !== 'COMPLETE') continue;
        const read = (path: string): string => readFileSync(join(server.files, task.label, path), 'utf8');
        if (starts === 0) wrong.push(`${task.label} is COMPLETE and never started`);
        if (read('name') !== `${task.label}\n`) wrong.push(`${task.label}: output is ${read('name')}`);
        if (task.kind === 'tree' && read('tree/a.txt') + read('tree/sub/b.txt') !== 'ab') wrong.push(`${task.label}: tree is not whole`);
        if (task.kind === 'download' && read('slow') !== Witness.half + Witness.half) wrong.push(`${task.label}: download is not whole`);
      }
      expect(wrong).toEqual([]);

      // Those that were stored and whose answer the kill swallowed end as well.
      const all: string[] = [];
      let token = '';
      do {
        const page = await server.client.list(`view=MINIMAL&page_size=256&page_token=${token}`);
        all.push(...page.tasks.map((task) => task.id ?? ''));
        token = page.next_page_token ?? '';
      } while (token !== '');
      for (const id of all) expect(TERMINAL_STATES).toContain((await server.client.ended(id)).state);
      await nothingIsLeft(server, engine(), all);
    }, 400_000);
  });
}

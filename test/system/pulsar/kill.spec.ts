import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TesState } from '../../../src/task/tes';
import { repeated } from '../../support/amounts';
import { Random, SEED } from '../../support/random';
import { cacheDirectory, describeEngine, type Engine, type EngineName } from '../engines';
import { OwnRabbit } from '../rabbitmq/rabbitmq';
import { builtProgram, processesNaming, type RunningServer, startServer } from '../server';
import { eventually, Refused, TesClient } from '../tes-client';
import { Witness } from '../witness';
import { OwnPulsar } from './pulsar';

const runFile = promisify(execFile);

type Victim = 'gateway' | 'pulsar' | 'rabbitmq';

interface Trial {
  readonly runtime: EngineName;
  /** Who is killed; one of them each time. */
  readonly victims: readonly [Victim, ...Victim[]];
  /** Nothing but a broker leads to Pulsar. */
  readonly brokerAlone?: boolean;
  readonly tasks: number;
  readonly kills: number;
}

const TRIALS: readonly Trial[] = [
  { runtime: 'bubblewrap', victims: ['gateway'], tasks: repeated(40, 100), kills: repeated(5, 8) },
  { runtime: 'bubblewrap', victims: ['pulsar'], tasks: repeated(40, 100), kills: repeated(3, 5) },
  { runtime: 'bubblewrap', victims: ['rabbitmq'], tasks: repeated(40, 100), kills: repeated(3, 4) },
  { runtime: 'bubblewrap', victims: ['gateway', 'pulsar', 'rabbitmq'], brokerAlone: true, tasks: repeated(40, 60), kills: repeated(5, 6) },
  { runtime: 'podman', victims: ['gateway', 'pulsar'], tasks: repeated(15, 20), kills: repeated(3, 4) },
];
const ENDED_MS = 300_000;

async function containersNaming(engine: Engine, ids: readonly string[]): Promise<readonly string[]> {
  if (engine.name !== 'podman') return [];
  const { stdout } = await runFile('podman', ['ps', '-a', '--format', '{{.Names}}'], { env: engine.environment });
  return stdout.split('\n').filter((name) => ids.some((id) => name.includes(id)));
}

for (const trial of TRIALS) {
  const { runtime, victims, brokerAlone = false, tasks, kills } = trial;
  describeEngine(runtime, `${victims.join(' and ')} killed at random moments${brokerAlone ? ', over AMQP alone' : ''}`, (engine) => {
    let witness: Witness;
    let rabbit: OwnRabbit | undefined;
    let pulsar: OwnPulsar;
    let server: RunningServer;
    /** Of the gateway's machine and the worker's, which are one. */
    let files: string;

    beforeAll(async () => {
      mkdirSync(join(cacheDirectory, 'worker-staging'), { recursive: true });
      files = mkdtempSync(join(cacheDirectory, 'worker-staging', 'k-'));
      const stager = { staging: 'worker', stager: [process.execPath, await builtProgram('stager.main.js')], stager_files: [files] };
      witness = await new Witness().start();
      if (victims.includes('rabbitmq')) rabbit = await OwnRabbit.start();
      pulsar = await OwnPulsar.start(rabbit && { broker: { url: rabbit.url, only: brokerAlone } });
      server = await startServer({
        engine: engine(),
        settings: {
          backends: [
            {
              ...{ name: 'far', type: 'pulsar', runtime, network: 'host', slots: 16, cpus: 32, ram_gb: 64, environment: engine().env },
              ...(brokerAlone ? stager : { url: pulsar.url, token: pulsar.token }),
              ...(rabbit && { amqp_url: rabbit.url }),
            },
          ],
          storage: { file: { allowed: [files] } },
          local: { kill_grace_seconds: 1 },
          retry: { first_delay_seconds: 0.1, longest_delay_seconds: 2, attempts: 20 },
          logs: { level: 'warn' },
        },
      });
    }, 300_000);
    afterAll(async () => {
      await server.remove();
      await pulsar.remove();
      await rabbit?.remove();
      await witness.stop();
      if (process.env['TES_GATEWAY_KEEP'] === undefined) rmSync(files, { recursive: true, force: true });
    });

    const killOne = async (victim: Victim): Promise<() => Promise<void>> => {
      switch (victim) {
        case 'gateway':
          await server.kill9();
          return () => server.start();
        case 'pulsar':
          await pulsar.kill9();
          return () => pulsar.startAgain();
        case 'rabbitmq':
          await rabbit?.kill9();
          return async () => rabbit?.startAgain();
        default: {
          const never: never = victim;
          throw new Error(`nobody kills ${String(never)}`);
        }
      }
    };

    /** Sent until it is taken: the key makes one task of it. */
    const create = (label: string, work: string): Promise<string> =>
      eventually(
        `${label} to be taken`,
        async () => {
          try {
            return await server.client.create(
              {
                name: label,
                resources: { cpu_cores: 1, ram_gb: 0.1 },
                inputs: [{ content: label, path: '/data/in' }],
                outputs: [{ url: join(files, label), path: '/data/out' }],
                executors: [
                  {
                    image: engine().images.busybox,
                    command: ['sh', '-c', `${witness.visit('hit', `${label}-start`)}; ${work}; cat /data/in >/data/out`],
                  },
                ],
              },
              { 'idempotency-key': label },
            );
          } catch (error) {
            if (error instanceof Refused && error.status < 500) throw new Error(error.body, { cause: error });
            return undefined;
          }
        },
        120_000,
      );

    it(`loses none of ${tasks} tasks, starts nothing twice in an attempt and leaves nothing over ${kills} kills (TES_GATEWAY_SEED=${SEED})`, async () => {
      const random = new Random(SEED);
      const known: { id: string; label: string; cancelAsked: boolean }[] = [];
      const labels = Array.from({ length: tasks }, (_, index) => `t${index}`);
      const one = async (label: string, work: string, cancelAsked: boolean): Promise<void> => {
        const id = await create(label, work);
        if (cancelAsked) await eventually(`${label} to be cancelled`, () => server.client.cancel(id).then(() => true));
        known.push({ id, label, cancelAsked });
      };
      for (let kill = 0; kill < kills; kill += 1) {
        const share = labels.slice(Math.floor((kill * tasks) / kills), Math.floor(((kill + 1) * tasks) / kills));
        const loaded = Promise.all(share.map((label) => one(label, random.pick(['true', 'sleep 1.5', 'sleep 4']), random.next() < 0.1)));
        await new Promise((resolve) => setTimeout(resolve, random.between(50, 4000)));
        const startAgain = await killOne(random.pick(victims));
        await startAgain();
        await loaded;
      }
      const wrong: string[] = [];
      for (const task of known) {
        const ended = await server.client.ended(task.id, ENDED_MS).catch(async (error: unknown) => {
          const seen = await new TesClient(server.url).json<unknown>('GET', `/ext/v1/tasks/${task.id}`);
          const containers = await containersNaming(engine(), [task.id]);
          const processes = processesNaming([task.id]).map(({ commandLine }) => commandLine);
          const logs = { pulsar: pulsar.log().slice(-1500), rabbitmq: rabbit?.log().slice(-1500) };
          throw new Error(`${task.label} does not end: ${JSON.stringify({ seen, containers, processes, logs })}`, { cause: error });
        });
        const right: readonly (TesState | undefined)[] = task.cancelAsked ? ['CANCELED', 'COMPLETE'] : ['COMPLETE'];
        if (!right.includes(ended.state)) wrong.push(`${task.label} is ${String(ended.state)}: ${JSON.stringify(ended.logs)}`);
        const { attempt } = await new TesClient(server.url).json<{ attempt: number }>('GET', `/ext/v1/tasks/${task.id}`);
        const starts = witness.count('hit', `${task.label}-start`);
        if (starts > attempt) wrong.push(`${task.label} started ${starts} times in ${attempt} attempts`);
        const output = join(files, task.label);
        if (ended.state === 'COMPLETE' && (!existsSync(output) || readFileSync(output, 'utf8') !== task.label))
          wrong.push(`${task.label}: output`);
      }
      expect([known.length, wrong]).toEqual([tasks, []]);
      const ids = known.map(({ id }) => id);
      let left: readonly string[] = [];
      await eventually('nothing to be left', async () => {
        left = [
          // An errand that a kill cut short is the sweep's.
          ...pulsar.jobs().filter((name) => !name.startsWith('tes-errand-')),
          ...processesNaming(ids).map(({ commandLine }) => commandLine),
          ...(await containersNaming(engine(), ids)),
        ];
        return left.length === 0 ? true : undefined;
      }).catch((error: unknown) => {
        throw new Error(`left behind:\n${left.join('\n')}`, { cause: error });
      });
    }, 900_000);
  });
}

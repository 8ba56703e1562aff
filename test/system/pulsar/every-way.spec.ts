import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TesState } from '../../../src/task/tes';
import { type FileServer, startFileServer } from '../../contract/storage/http-file-server';
import { repeated } from '../../support/amounts';
import { cacheDirectory, describeEngine, ENGINE_NAMES } from '../engines';
import { OwnRabbit } from '../rabbitmq/rabbitmq';
import { builtProgram, type RunningServer, startServer } from '../server';
import { OwnPulsar } from './pulsar';

/** More for a search: what goes wrong once in a hundred tasks is survived by another attempt, and seen nowhere but here. */
const TASKS = repeated(4, 80);
const AT_ONCE = 4;
const WAYS = ['local', 'rest-gateway', 'rest-worker', 'hybrid-gateway', 'hybrid-worker', 'amqp-worker'] as const;

const KINDS: readonly {
  readonly script: string;
  readonly state: TesState;
  readonly code: number;
  readonly files?: true;
  readonly cancel?: true;
}[] = [
  { script: 'true', state: 'COMPLETE', code: 0 },
  { script: 'echo no >&2; exit 3', state: 'EXECUTOR_ERROR', code: 3 },
  { script: 'cat /data/in /data/note >/data/out; echo said', state: 'COMPLETE', code: 0, files: true },
  { script: 'trap "exit 5" TERM; while :; do sleep 0.1; done', state: 'CANCELED', code: 5, cancel: true },
];

for (const name of ENGINE_NAMES) {
  describeEngine(name, 'every way to a worker', (engine) => {
    let rabbit: OwnRabbit;
    let pulsars: readonly OwnPulsar[] = [];
    let files: FileServer;
    let directory: string;
    let server: RunningServer;

    beforeAll(async () => {
      rabbit = await OwnRabbit.start();
      const rest = await OwnPulsar.start();
      const hybrid = await OwnPulsar.start({ broker: { url: rabbit.url, prefix: 'both' } });
      const alone = await OwnPulsar.start({ broker: { url: rabbit.url, prefix: 'alone', only: true } });
      pulsars = [rest, hybrid, alone];
      mkdirSync(join(cacheDirectory, 'worker-staging'), { recursive: true });
      directory = mkdtempSync(join(cacheDirectory, 'worker-staging', 'e-'));
      files = await startFileServer(directory);
      const there = { type: 'pulsar', runtime: name, network: 'host', slots: AT_ONCE, cpus: 16, ram_gb: 64, environment: engine().env };
      const byRest = { ...there, url: rest.url, token: rest.token };
      const byBoth = { ...there, url: hybrid.url, token: hybrid.token, amqp_url: rabbit.url, amqp_key_prefix: 'both' };
      const worker = { staging: 'worker', stager: [process.execPath, await builtProgram('stager.main.js')] };
      server = await startServer({
        engine: engine(),
        settings: {
          backends: [
            { name: 'local', type: 'local', runtime: name },
            { name: 'rest-gateway', ...byRest },
            { name: 'rest-worker', ...byRest, ...worker },
            { name: 'hybrid-gateway', ...byBoth },
            { name: 'hybrid-worker', ...byBoth, ...worker },
            { name: 'amqp-worker', ...there, amqp_url: rabbit.url, amqp_key_prefix: 'alone', ...worker },
          ],
          storage: { http: { allowed_networks: ['127.0.0.0/8'] } },
        },
      });
    }, 300_000);
    afterAll(async () => {
      await server.remove();
      await files.close();
      for (const pulsar of pulsars) await pulsar.remove();
      await rabbit.remove();
      if (process.env['TES_GATEWAY_KEEP'] === undefined) rmSync(directory, { recursive: true, force: true });
    });

    /** What is wrong with a task of its own kind; nothing, as a rule. */
    const carriedOut = async (way: string, index: number): Promise<string | undefined> => {
      const kind = KINDS[index % KINDS.length];
      if (!kind) return undefined;
      const label = `${way}-${index}`;
      const url = (end: string): string => `http://127.0.0.1:${files.port}/${label}.${end}`;
      if (kind.files) writeFileSync(join(directory, `${label}.in`), label);
      const id = await server.client.create({
        resources: { backend_parameters: { backend: way } },
        ...(kind.files && {
          inputs: [
            { url: url('in'), path: '/data/in' },
            { content: ' noted', path: '/data/note' },
          ],
          outputs: [{ url: url('out'), path: '/data/out' }],
        }),
        executors: [{ image: engine().images.busybox, command: ['sh', '-c', kind.script] }],
      });
      if (kind.cancel) {
        await server.client.until(id, ['RUNNING'], 120_000);
        await server.client.cancel(id);
      }
      const task = await server.client.ended(id, 120_000);
      const [log, ...others] = task.logs ?? [];
      // A program that is cancelled before its first command has no trap yet.
      const codes = kind.cancel ? [kind.code, 143, 137] : [kind.code];
      const isRight =
        task.state === kind.state &&
        others.length === 0 &&
        codes.includes(log?.logs?.[0]?.exit_code ?? NaN) &&
        (!kind.files || readFileSync(join(directory, `${label}.out`), 'utf8') === `${label} noted`);
      return isRight ? undefined : `${label}: ${task.state} ${JSON.stringify(task.logs)}`;
    };

    it.each(WAYS)(
      '%s: plain tasks end as they should, each in its first attempt',
      async (way) => {
        const indexes = Array.from({ length: TASKS }, (_, index) => index).values();
        const wrong: (string | undefined)[] = [];
        const one = async (): Promise<void> => {
          for (const index of indexes) wrong.push(await carriedOut(way, index));
        };
        await Promise.all(Array.from({ length: AT_ONCE }, one));
        expect(wrong).toEqual(Array.from({ length: TASKS }, () => undefined));
        const metrics = await (await fetch(`${server.url}/metrics`)).text();
        const given = metrics.split('\n').filter((line) => /attempt_troubles_total\{.*"(retreated|failed)"/.test(line));
        expect(given).toEqual([]);
      },
      600_000,
    );
  });
}

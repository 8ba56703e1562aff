import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TesTask } from '../../../src/task/tes';
import { describeEngine } from '../engines';
import { endNow, processesNaming, type RunningServer, startServer } from '../server';
import { eventually, TesClient } from '../tes-client';
import { OwnPulsar } from './pulsar';

/** Tasks at once: with two equal servers half of them are on each. */
const TASKS = 6;

describeEngine('bubblewrap', 'two Pulsars, one of which goes away', (engine) => {
  let north: OwnPulsar;
  let south: OwnPulsar;
  let server: RunningServer;

  const serve = async (more: object): Promise<void> => {
    const entry = (name: string, { url, token }: OwnPulsar): object => {
      const common = { type: 'pulsar', runtime: 'bubblewrap', network: 'host', slots: 8, cpus: 16, ram_gb: 64 };
      return { name, url, token, labels: { site: name }, environment: engine().env, ...common };
    };
    server = await startServer({
      engine: engine(),
      settings: {
        backends: [{ ...entry('north', north), ...more }, entry('south', south)],
        local: { kill_grace_seconds: 1 },
        retry: { first_delay_seconds: 0.1, longest_delay_seconds: 1, backend_patience_seconds: 1 },
      },
    });
  };
  /** Each does what the file `go` says when its inputs are brought. */
  const create = (more: object = {}): Promise<string> =>
    server.client.create({
      inputs: [{ url: join(server.files, 'go'), path: '/data/go' }],
      executors: [{ image: 'none', command: ['sh', '/data/go'] }],
      ...more,
    });
  const backendOf = (task: TesTask): string | undefined => task.logs?.at(-1)?.metadata?.['backend'];
  /** The tasks, all at work, by server; then the north is gone, as by a power cut of the server but not of the worker. */
  const cutWhileRunning = async (script: string): Promise<{ onNorth: readonly string[]; onSouth: readonly string[] }> => {
    writeFileSync(join(server.files, 'go'), script);
    const ids = await Promise.all(Array.from({ length: TASKS }, () => create()));
    const tasks = await Promise.all(ids.map((id) => server.client.until(id, ['RUNNING'])));
    const on = (name: string) => ids.filter((_id, index) => tasks[index] && backendOf(tasks[index]) === name);
    const placed = { onNorth: on('north'), onSouth: on('south') };
    expect([placed.onNorth.length, placed.onSouth.length]).toEqual([TASKS / 2, TASKS / 2]);
    await north.kill9();
    await north.stop();
    return placed;
  };
  const isThere = async (name: string): Promise<boolean> => {
    const answer = (await (await fetch(`${server.url}/readyz`)).json()) as { backends: Record<string, { ok: boolean }> };
    return answer.backends[name]?.ok === true;
  };

  /** What the metrics say befell attempts on the north, by event. */
  const troubles = async (): Promise<Readonly<Record<string, number>>> => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    const lines = metrics.matchAll(/^tes_gateway_attempt_troubles_total\{backend="north",event="(\w+)"\} (\d+)$/gm);
    return Object.fromEntries([...lines].map(([, event, count]) => [event, Number(count)]));
  };

  beforeAll(async () => {
    [north, south] = await Promise.all([OwnPulsar.start(), OwnPulsar.start()]);
  }, 300_000);
  afterEach(() => server.remove());
  afterAll(async () => {
    await Promise.all([north.remove(), south.remove()]);
  });

  it('lets its tasks wait for it, new ones go elsewhere and the rest go on', async () => {
    await serve({ when_away: 'wait' });
    const { onNorth, onSouth } = await cutWhileRunning('sleep 12; echo done');
    await eventually('the gateway to notice', async () => ((await isThere('north')) ? undefined : true));
    const other = await create();
    const bound = await create({ resources: { backend_parameters: { 'label.site': 'north' } } });
    expect(backendOf(await server.client.until(other, ['RUNNING']))).toBe('south');
    for (const id of [...onSouth, other]) await server.client.until(id, ['COMPLETE']);
    const why = await new TesClient(server.url).json('GET', `/ext/v1/tasks/${bound}`);
    expect(JSON.stringify(why)).toContain('backend north: it is unreachable');
    for (const id of onNorth) expect((await server.client.get(id, 'MINIMAL')).state).toBe('RUNNING');
    await north.startAgain();
    for (const id of [...onNorth, bound]) {
      const task = await server.client.ended(id);
      expect(task).toMatchObject({ state: 'COMPLETE', logs: [{ metadata: { backend: 'north' }, logs: [{ stdout: 'done\n' }] }] });
      expect(task.logs).toHaveLength(1);
    }
    expect(await troubles()).toEqual({ deferred: expect.any(Number) as number });
  }, 180_000);

  it('lets its tasks move where the settings say so, and ends what they left when it is back', async () => {
    await serve({ when_away: 'move', move_after_seconds: 2 });
    const { onNorth } = await cutWhileRunning('echo first; sleep 1000');
    writeFileSync(join(server.files, 'go'), 'echo second');
    for (const id of onNorth) {
      const task = await server.client.ended(id);
      expect(task).toMatchObject({ state: 'COMPLETE', logs: [{ metadata: { backend: 'south' }, logs: [{ stdout: 'second\n' }] }] });
      expect(task.logs?.[0]?.system_logs?.join()).toContain('the job that it may still have there is ended when that is back');
    }
    expect(await troubles()).toMatchObject({ moved: onNorth.length });
    const stayed = onNorth.map((id) => `tes-${id}-1`);
    expect(processesNaming(stayed).length).toBeGreaterThan(0);
    await north.startAgain();
    await eventually('the north to be back', async () => ((await isThere('north')) ? true : undefined));
    expect(processesNaming(stayed)).toEqual([]);
    expect(north.jobs().filter((job) => stayed.includes(job))).toEqual([]);
    for (const { pid } of processesNaming([south.staging])) endNow(pid);
  }, 180_000);
});

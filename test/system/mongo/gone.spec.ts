import { requireEngine, type Engine } from '../engines';
import { prepareServer, type RunningServer } from '../server';
import { eventually, TesClient } from '../tes-client';
import { Witness } from '../witness';
import { describeMongo, freshDatabase } from './mongo';

/** Well below the thirty seconds of the loops' own tick, well above what a busy machine takes. */
const SOON_MS = 15_000;

describeMongo('a gateway that is away', (url) => {
  let engine: Engine;
  let witness: Witness;
  let database: string;
  let gateways: RunningServer[];
  /** Takes no task itself: it is asked, and others carry out. */
  let front: RunningServer;
  beforeAll(async () => {
    engine = await requireEngine('bubblewrap');
    witness = await new Witness().start();
  }, 300_000);
  afterAll(() => witness.stop());
  beforeEach(async () => {
    database = freshDatabase();
    gateways = [];
    front = await gateway('front', { drain: true });
  }, 120_000);
  afterEach(async () => {
    await Promise.all(gateways.map((one) => one.remove()));
  });

  async function gateway(instance: string, backend: object = {}): Promise<RunningServer> {
    const settings = { instance, store: { type: 'mongodb', url: url(), database }, local: { kill_grace_seconds: 1 } };
    const server = await prepareServer({ engine, settings, backend: { network: 'host', cpus: 4, ram_gb: 8, ...backend } });
    gateways.push(server);
    await server.start();
    return server;
  }
  const task = (command: string) => ({ executors: [{ image: 'localhost/busybox:latest', command: ['sh', '-c', command] }] });
  const systemLogs = async (id: string): Promise<readonly string[]> =>
    (await front.client.get(id)).logs?.flatMap((log) => log.system_logs ?? []) ?? [];
  const explained = (server: RunningServer, id: string) =>
    new TesClient(server.url).json<{ state: string; attempt: number }>('GET', `/ext/v1/tasks/${id}`);

  it('not: what it is asked for is begun and cancelled by the one that can, within seconds', async () => {
    const owner = await gateway('owner');
    const id = await front.client.create(task('sleep 600'));
    await front.client.until(id, ['RUNNING'], SOON_MS);
    await front.client.cancel(id);
    await front.client.until(id, ['CANCELED'], SOON_MS);
    expect(owner.processes()).toEqual([]);
  }, 120_000);

  it.each(['killed', 'stopped in the middle'])(
    '%s: its tasks say so and wait, an operator gives them to another, and when it returns it first ends what it had',
    async (how) => {
      const lost = await gateway('lost');
      const label = `gone-${how.length}`;
      const id = await front.client.create(task(`${witness.visit('gate', label)}; echo attempt`));
      await witness.seen('gate', label);
      await front.client.until(id, ['RUNNING']);
      const alive = await front.storeCommand('gone', 'lost');
      expect([alive.code, alive.output]).toEqual([1, expect.stringMatching(/^gateway lost is alive, or was a moment ago/)]);

      if (how === 'killed') await lost.kill9();
      else process.kill(lost.pid, 'SIGSTOP');
      await eventually('the reason to be shown', async () =>
        (await systemLogs(id)).some((line) => line.includes('gateway lost, which has the job, has been away')) ? true : undefined,
      );
      const other = await gateway('other');
      expect((await explained(other, id)).attempt).toBe(1);
      expect(await front.storeCommand('gone', 'lost')).toEqual({
        code: 0,
        output: expect.stringContaining('1 tasks released from lost') as string,
      });
      expect(await front.storeCommand('gone', 'lost')).toEqual({
        code: 0,
        output: expect.stringContaining('no task waits for lost') as string,
      });

      // Whoever is asked, the task never goes back.
      const phases = ['QUEUED after 0', 'INITIALIZING in 1', 'RUNNING in 1', 'QUEUED after 1', 'INITIALIZING in 2', 'RUNNING in 2'];
      let reached = 0;
      for (let at = 0; phases[reached] !== 'RUNNING in 2'; at += 1) {
        const { state, attempt } = await explained(at % 2 === 0 ? front : other, id);
        const now = phases.indexOf(`${state} ${state === 'QUEUED' ? 'after' : 'in'} ${attempt}`);
        expect(now).toBeGreaterThanOrEqual(reached);
        reached = now;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(await systemLogs(id)).toContain('gateway lost, which had the job, was declared gone by an operator');
      expect(lost.processes()).not.toEqual([]);

      if (how === 'killed') await lost.start();
      else process.kill(lost.pid, 'SIGCONT');
      // Ended at once by one that starts; by one that wakes up, as soon as it has noticed.
      if (how === 'killed') expect(lost.processes()).toEqual([]);
      await eventually('the stale job to be ended', () => (lost.processes().length === 0 ? true : undefined));
      expect(lost.log()).toContain('ending a stale job: its task has moved on');
      expect((await explained(lost, id)).attempt).toBe(2);
      witness.release(label);
      const ended = await front.client.ended(id);
      expect([ended.state, ended.logs?.[0]?.logs?.[0]?.stdout]).toEqual(['COMPLETE', `through ${label}attempt\n`]);
      expect(witness.count('gate', label)).toBe(2);
      expect(other.log()).not.toMatch(/"level":"(error|fatal)"/);
    },
    240_000,
  );
});

import { Random, SEED } from '../../random';
import { requireEngine } from '../engines';
import type { RunningServer } from '../server';
import { prepareServer } from '../server';
import { Refused, TERMINAL_STATES, TesClient } from '../tes-client';
import { Witness } from '../witness';
import { describeMongo, freshDatabase, OwnMongo } from './mongo';

const GATEWAYS = 3;
const KILLS = 15;
/** One of them lives a minute ahead of the others and of the database. */
const CLOCKS = [[], ['faketime', '-f', '+60s'], []];

interface Acknowledged {
  readonly id: string;
  readonly label: string;
  cancelAsked: boolean;
}

describeMongo('several gateways on one database', () => {
  const random = new Random(SEED);
  let mongod: OwnMongo;
  let witness: Witness;
  let gateways: [RunningServer, ...RunningServer[]];
  let made = 0;

  beforeAll(async () => {
    const engine = await requireEngine('bubblewrap');
    mongod = await OwnMongo.start();
    witness = await new Witness().start();
    const settings = {
      store: { type: 'mongodb', url: mongod.url, database: freshDatabase() },
      local: { kill_grace_seconds: 1 },
      retry: { first_delay_seconds: 0.1, attempts: 50 },
      logs: { level: 'warn' },
    };
    const prepare = () => prepareServer({ engine, settings, backend: { network: 'host', cpus: 4, ram_gb: 16 } });
    gateways = [await prepare(), ...(await Promise.all(Array.from({ length: GATEWAYS - 1 }, prepare)))];
    await Promise.all(gateways.map((gateway, index) => gateway.start({ prefix: CLOCKS[index] ?? [] })));
  }, 300_000);
  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.remove()));
    await witness.stop();
    await mongod.remove();
  });

  const body = (label: string, work: string): object => ({
    name: label,
    resources: { cpu_cores: 1, ram_gb: 0.1 },
    executors: [{ image: 'localhost/busybox:latest', command: ['sh', '-c', `${witness.visit('hit', label)}; ${work}`] }],
  });
  const listed = async (gateway: RunningServer): Promise<string[]> => {
    const ids: string[] = [];
    for (let token = ''; ;) {
      const page = await gateway.client.list(`view=MINIMAL&page_size=50&page_token=${token}`);
      ids.push(...page.tasks.map(({ id }) => id ?? ''));
      token = page.next_page_token ?? '';
      if (token === '') return ids;
    }
  };

  it('each sees what the others do, at once and never a step back', async () => {
    const order = ['QUEUED', 'INITIALIZING', 'RUNNING', 'COMPLETE'];
    const id = await gateways[0].client.create(body('watched', 'sleep 2'));
    const seen: string[] = [];
    for (let at = 0; seen.at(-1) !== 'COMPLETE'; at += 1) {
      const gateway = gateways[at % GATEWAYS] ?? gateways[0];
      const { state = 'UNKNOWN' } = await gateway.client.get(id, 'MINIMAL');
      expect(order.indexOf(state)).toBeGreaterThanOrEqual(order.indexOf(seen.at(-1) ?? 'QUEUED'));
      seen.push(state);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(witness.count('hit', 'watched')).toBe(1);
  }, 120_000);

  it(`lose nothing and start nothing twice in an attempt while ${KILLS} times one of them is killed (TES_GATEWAY_SEED=${SEED})`, async () => {
    const known: Acknowledged[] = [];
    let loading = true;
    const client = async (): Promise<void> => {
      while (loading) {
        const label = `t${(made += 1)}`;
        try {
          const task = {
            id: await random.pick(gateways).client.create(body(label, random.pick(['true', 'sleep 1']))),
            label,
            cancelAsked: false,
          };
          known.push(task);
          if (random.next() < 0.2) {
            const victim = random.pick([task, ...known.slice(-4)]);
            // Said first: a kill may swallow the answer of a cancel that is stored.
            victim.cancelAsked = true;
            await random.pick(gateways).client.cancel(victim.id);
          }
        } catch (error) {
          // That gateway is just gone: nothing was acknowledged. A refusal while all are there would be a fault.
          if (error instanceof Refused && error.status !== 503) throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, random.between(20, 200)));
      }
    };
    const clients = Array.from({ length: 3 }, client);
    for (let kill = 0; kill < KILLS; kill += 1) {
      await new Promise((resolve) => setTimeout(resolve, random.between(300, 2500)));
      const victim = random.pick(gateways);
      await victim.kill9();
      await victim.start({ prefix: CLOCKS[gateways.indexOf(victim)] ?? [] });
    }
    loading = false;
    await Promise.all(clients);
    expect(known.length).toBeGreaterThan(3 * KILLS);

    const wrong: string[] = [];
    for (const task of known) {
      const { state } = await gateways[0].client.ended(task.id, 180_000).catch((error: unknown) => {
        throw new Error(`${task.label} ${error instanceof Refused ? 'is lost' : 'does not end'}; seed ${SEED}`, { cause: error });
      });
      const right = task.cancelAsked ? ['CANCELED', 'COMPLETE'] : ['COMPLETE'];
      if (state === undefined || !right.includes(state)) wrong.push(`${task.label} is ${String(state)}`);
      const { attempt } = await new TesClient(gateways[0].url).json<{ attempt: number }>('GET', `/ext/v1/tasks/${task.id}`);
      const starts = witness.count('hit', task.label);
      if (starts > attempt) wrong.push(`${task.label} started ${starts} times in ${attempt} attempts`);
      if (state === 'COMPLETE' && starts === 0) wrong.push(`${task.label} is COMPLETE and never started`);
    }
    expect(wrong).toEqual([]);

    const lists = await Promise.all(gateways.map(listed));
    for (const list of lists) expect(list).toEqual(lists[0]);
    const all = lists[0] ?? [];
    expect(new Set(all).size).toBe(all.length);
    expect(known.filter(({ id }) => !all.includes(id))).toEqual([]);
    // Those that were stored and whose answer a kill swallowed end as well.
    for (const id of all) expect(TERMINAL_STATES).toContain((await gateways[0].client.ended(id, 180_000)).state);
  }, 900_000);
});

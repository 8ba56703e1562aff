import { repeated } from '../../support/amounts';
import { Random, SEED } from '../../support/random';
import { requireEngine } from '../engines';
import { prepareServer, type RunningServer } from '../server';
import { shiftedClock } from '../shifted-clock';
import { Refused, TERMINAL_STATES, TesClient } from '../tes-client';
import { Witness } from '../witness';
import { describeMongo, freshDatabase, OwnMongo } from './mongo';
import { TcpProxy } from './tcp-proxy';

const GATEWAYS = 3;
/** How long they are under load while one after the other is killed. */
const LOAD_MS = repeated(45_000, 120_000);
/** A kill and a start took up to ten seconds on a machine that is busy. */
const KILLS = LOAD_MS / 15_000;
/** One of them lives a minute ahead of the others and of the database. */
const CLOCKS: readonly Readonly<Record<string, string>>[] = [{}, shiftedClock({ offset: '+60s' }), {}];

interface Acknowledged {
  readonly id: string;
  readonly label: string;
  cancelAsked: boolean;
}

describe.each([
  { way: 'directly', proxied: false },
  { way: 'through proxies that cut, delay and reset', proxied: true },
])('$way', ({ proxied }) =>
  describeMongo('several gateways on one database', () => {
    const random = new Random(SEED);
    let mongod: OwnMongo;
    /** One before each gateway. */
    let proxies: TcpProxy[];
    let witness: Witness;
    let gateways: [RunningServer, ...RunningServer[]];
    let made = 0;

    beforeAll(async () => {
      const engine = await requireEngine('bubblewrap');
      mongod = await OwnMongo.start();
      witness = await new Witness().start();
      proxies = proxied ? await Promise.all(Array.from({ length: GATEWAYS }, () => new TcpProxy(mongod.port).start())) : [];
      const database = freshDatabase();
      const urls = proxied
        ? proxies.map(({ port }) => `mongodb://127.0.0.1:${port}/?directConnection=true`)
        : Array<string>(GATEWAYS).fill(mongod.url);
      const settings = {
        local: { kill_grace_seconds: 1 },
        retry: { first_delay_seconds: 0.1, attempts: 50 },
        logs: { level: 'warn' },
      };
      const prepare = (at: number): Promise<RunningServer> =>
        prepareServer({
          engine,
          settings: { ...settings, store: { type: 'mongodb', url: urls[at], database } },
          backend: { network: 'host', cpus: 4, ram_gb: 16 },
          env: CLOCKS[at] ?? {},
        });
      gateways = [await prepare(0), ...(await Promise.all([1, 2].map(prepare)))];
      await Promise.all(gateways.map((gateway) => gateway.start()));
      // Nothing is shown by a clock that is not shifted.
      const [right, ahead] = await Promise.all(gateways.map(async ({ url }) => Date.parse((await fetch(url)).headers.get('date') ?? '')));
      expect(Number(ahead) - Number(right)).toBeGreaterThan(50_000);
    }, 300_000);
    afterAll(async () => {
      await Promise.all(gateways.map((gateway) => gateway.remove()));
      await witness.stop();
      await Promise.all(proxies.map((proxy) => proxy.stop()));
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

    it(`lose nothing and start nothing twice in an attempt while for ${LOAD_MS / 1000} s one after the other is killed (TES_GATEWAY_SEED=${SEED})`, async () => {
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
      const from = performance.now();
      const disturbing = proxies.map(async (proxy) => {
        while (loading) {
          await new Promise((resolve) => setTimeout(resolve, random.between(500, 4000)));
          random.pick([() => proxy.reset(), () => proxy.cut(), () => (proxy.delayMs = random.between(50, 800))])();
          await new Promise((resolve) => setTimeout(resolve, random.between(200, 1500)));
          proxy.delayMs = 0;
        }
      });
      let kills = 0;
      for (; kills <= KILLS || performance.now() - from < LOAD_MS; kills += 1) {
        await new Promise((resolve) => setTimeout(resolve, random.between(1000, 5000)));
        const victim = random.pick(gateways);
        await victim.kill9();
        await victim.start();
      }
      loading = false;
      await Promise.all([...clients, ...disturbing]);
      expect(known.length).toBeGreaterThan(5 * kills);
      if (proxied) expect(Math.min(...proxies.map(({ ended }) => ended))).toBeGreaterThan(LOAD_MS / 6000);

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
  }),
);

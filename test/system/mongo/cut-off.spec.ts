import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type Engine, requireEngine } from '../engines';
import { OwnPulsar } from '../pulsar/pulsar';
import { prepareServer, type RunningServer } from '../server';
import { eventually, TesClient } from '../tes-client';
import { Witness } from '../witness';
import { describeMongo, freshDatabase, OwnMongo } from './mongo';
import { TcpProxy } from './tcp-proxy';

/** How often one gateway is cut off; each time takes some two minutes. */
const CUTS = Number(process.env['TES_GATEWAY_CUTS'] ?? 1);
/** Longer than a lease, and than it takes the other one to notice. */
const CUT_MS = 45_000;
/** A transfer, or a job, takes so long. */
const WORK_SECONDS = 60;
/** Of each kind, for each cut. */
const TASKS = 4;

/** Gives every file slowly, and knows how often each was asked for, and by how many at once. */
class SlowFiles {
  readonly most = new Map<string, number>();
  asked = 0;
  private readonly now = new Map<string, number>();
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, answer) => {
      const name = request.url ?? '';
      answer.writeHead(200, { 'content-length': String(WORK_SECONDS) });
      if (request.method === 'HEAD') {
        answer.end();
        return;
      }
      this.asked += 1;
      this.count(name, 1);
      let sent = 0;
      const timer = setInterval(() => {
        answer.write('x');
        if (++sent === WORK_SECONDS) answer.end();
      }, 1000);
      answer.once('close', () => {
        clearInterval(timer);
        this.count(name, -1);
      });
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }
  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
  url(name: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/${name}`;
  }

  private count(name: string, by: 1 | -1): void {
    const now = (this.now.get(name) ?? 0) + by;
    this.now.set(name, now);
    this.most.set(name, Math.max(this.most.get(name) ?? 0, now));
  }
}

describeMongo('a gateway that is cut off from the database for longer than a lease', () => {
  let engine: Engine;
  let mongod: OwnMongo;
  /** One before each gateway. */
  let proxies: readonly [TcpProxy, TcpProxy];
  let database: string;
  let pulsar: OwnPulsar;
  let files: SlowFiles;
  let witness: Witness;
  let gateways: readonly [RunningServer, RunningServer];

  beforeAll(async () => {
    engine = await requireEngine('bubblewrap');
    [mongod, pulsar, files, witness] = await Promise.all([
      OwnMongo.start(),
      OwnPulsar.start(),
      new SlowFiles().start(),
      new Witness().start(),
    ]);
    proxies = [await new TcpProxy(mongod.port).start(), await new TcpProxy(mongod.port).start()];
    database = freshDatabase();
    const gateway = async (instance: string, { port }: TcpProxy): Promise<RunningServer> => {
      const url = `mongodb://127.0.0.1:${port}/?directConnection=true`;
      const backend = { name: 'pulsar', type: 'pulsar', url: pulsar.url, token: pulsar.token, runtime: 'bubblewrap', network: 'host' };
      const server = await prepareServer({
        engine,
        settings: {
          instance,
          store: { type: 'mongodb', url, database },
          backends: [{ ...backend, slots: 100, cpus: 100, ram_gb: 100, environment: engine.env }],
          local: { kill_grace_seconds: 1 },
        },
      });
      await server.start();
      return server;
    };
    gateways = [await gateway('one', proxies[0]), await gateway('two', proxies[1])];
  }, 300_000);
  afterAll(async () => {
    await Promise.all(gateways.map((one) => one.remove()));
    await Promise.all([files.stop(), witness.stop(), ...proxies.map((proxy) => proxy.stop()), pulsar.remove()]);
    await mongod.remove();
  }, 120_000);

  const holdersOf = (ids: readonly string[]): Promise<string[]> =>
    mongod.admin(async (admin) => {
      const tasks = admin.client.db(database).collection<{ _id: string; step: string; lease?: { holder: string } }>('tasks');
      const found = await tasks.find({ _id: { $in: [...ids] }, step: 'stage-in' }).toArray();
      return found.flatMap(({ lease }) => (lease ? [lease.holder] : []));
    });

  it.each(Array.from({ length: CUTS }, (_, cut) => cut + 1))(
    'leaves its work to the other one before that begins, and every task ends in its first attempt (cut %i)',
    async (cut) => {
      const labels = Array.from({ length: 2 * TASKS }, (_, number) => `cut-${cut}-${number}`);
      const ids = await Promise.all(
        labels.map((label, number) =>
          gateways[number % 2 === 0 ? 0 : 1].client.create({
            ...(number < TASKS ? { inputs: [{ url: files.url(label), path: '/data/in' }] } : {}),
            executors: [
              {
                image: 'none',
                command: ['sh', '-c', `${witness.visit('hit', label)}; ${number < TASKS ? 'wc -c </data/in' : `sleep ${WORK_SECONDS}`}`],
              },
            ],
          }),
        ),
      );
      for (const label of labels.slice(TASKS)) await witness.seen('hit', label);
      // The one that is at work on more of the transfers.
      const inputs = ids.slice(0, TASKS);
      const held = await eventually('every transfer to be held by a gateway', async () => {
        const holders = await holdersOf(inputs);
        return holders.length === TASKS ? holders : undefined;
      });
      const at = held.filter((holder) => holder.startsWith('one/')).length * 2 >= TASKS ? 0 : 1;
      const [cutOff, other] = [gateways[at], gateways[1 - at]] as [RunningServer, RunningServer];
      const before = files.asked;
      proxies[at]?.silence();
      await pause(CUT_MS);
      proxies[at]?.speak();
      const wrong: string[] = [];
      for (const [number, id] of ids.entries()) {
        const label = labels[number] ?? '';
        const { state } = await other.client.until(id, ['COMPLETE'], 400_000);
        const { attempt } = await new TesClient(other.url).json<{ attempt: number }>('GET', `/ext/v1/tasks/${id}`);
        const [starts, readers] = [witness.count('hit', label), files.most.get(`/${label}`) ?? 0];
        const isRight = state === 'COMPLETE' && attempt === 1 && starts === 1 && readers === (number < TASKS ? 1 : 0);
        if (!isRight) wrong.push(`${label}: ${state} in attempt ${attempt}, ${starts} starts, ${readers} at once at its input`);
      }
      expect(wrong).toEqual([]);
      // What the one had begun the other began anew.
      expect(files.asked).toBeGreaterThan(before);
      await cutOff.client.until(ids[0] ?? '', ['COMPLETE']);
    },
    600_000,
  );
});

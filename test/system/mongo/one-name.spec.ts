import { requireEngine, type Engine } from '../engines';
import { prepareServer, type RunningServer } from '../server';
import { Witness } from '../witness';
import { describeMongo, freshDatabase } from './mongo';

describeMongo('the name and the data directory of a gateway', (url) => {
  let engine: Engine;
  let witness: Witness;
  let database: string;
  let servers: RunningServer[];
  beforeAll(async () => {
    engine = await requireEngine('bubblewrap');
    witness = await new Witness().start();
  }, 300_000);
  afterAll(() => witness.stop());
  beforeEach(() => {
    database = freshDatabase();
    servers = [];
  });
  afterEach(async () => {
    await Promise.all(servers.map((one) => one.remove()));
  });

  async function prepared(instance: string, dataDirectory?: string): Promise<RunningServer> {
    const settings = { instance, store: { type: 'mongodb', url: url(), database } };
    const backend = { network: 'host', cpus: 4, ram_gb: 8 };
    const server = await prepareServer({ engine, settings, backend, ...(dataDirectory === undefined ? {} : { dataDirectory }) });
    servers.push(server);
    return server;
  }
  const task = (label: string) => ({
    executors: [{ image: 'localhost/busybox:latest', command: ['sh', '-c', `${witness.visit('gate', label)}; echo end`] }],
  });

  it('are refused to a second process, which touches nothing of the first, and come back at once after a kill', async () => {
    const first = await prepared('gateway-1');
    await first.start();
    const id = await first.client.create(task('once'));
    await witness.seen('gate', 'once');

    const [twin, guest] = [await prepared('gateway-1'), await prepared('gateway-2', first.dataDirectory)];
    await expect(twin.start()).rejects.toThrow();
    expect(twin.log()).toMatch(/cannot .*: process \d+ on .* is at work on this database as gateway gateway-1: .*setting instance/);
    await expect(guest.start()).rejects.toThrow();
    expect(guest.log()).toMatch(/cannot start: The data directory .* is in use: .*setting data_dir/);

    await first.kill9();
    await first.start();
    witness.release('once');
    const ended = await first.client.ended(id);
    expect([ended.state, ended.logs?.[0]?.logs?.[0]?.stdout]).toEqual(['COMPLETE', 'through onceend\n']);
    expect(witness.count('gate', 'once')).toBe(1);
  }, 240_000);
});

import { repeated } from '../../support/amounts';
import { requireEngine } from '../engines';
import { type RunningServer, startServer } from '../server';
import { eventually, Refused, TesClient } from '../tes-client';
import { Witness } from '../witness';
import { describeMongo, freshDatabase, OwnReplicaSet } from './mongo';

const FAILOVERS = repeated(4, 10);

describeMongo('failover of a replica set of three', () => {
  let set: OwnReplicaSet;
  let witness: Witness;
  let server: RunningServer;
  beforeAll(async () => {
    const engine = await requireEngine('bubblewrap');
    set = await OwnReplicaSet.start();
    witness = await new Witness().start();
    server = await startServer({
      engine,
      backend: { network: 'host', cpus: 4, ram_gb: 16 },
      settings: { store: { type: 'mongodb', url: set.url, database: freshDatabase() }, retry: { attempts: 50 }, logs: { level: 'warn' } },
    });
  }, 300_000);
  afterAll(async () => {
    await server.remove();
    await witness.stop();
    await set.remove();
  });

  it(`loses no acknowledged create and runs no attempt twice while the primary is killed ${FAILOVERS} times under load`, async () => {
    const known = new Map<string, string>();
    const refusals: unknown[] = [];
    let made = 0;
    let loading = true;
    const client = async (): Promise<void> => {
      while (loading) {
        const label = `t${(made += 1)}`;
        const command = `${witness.visit('hit', label)}; true`;
        const task = {
          name: label,
          resources: { cpu_cores: 1, ram_gb: 0.1 },
          executors: [{ image: 'localhost/busybox:latest', command: ['sh', '-c', command] }],
        };
        await server.client.create(task).then(
          (id) => known.set(id, label),
          (error: unknown) => refusals.push(error),
        );
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    const clients = Array.from({ length: 3 }, client);
    for (let failover = 0; failover < FAILOVERS; failover += 1) {
      const before = known.size;
      await eventually('some load', () => known.size >= before + 5 || undefined, 120_000);
      const port = await set.killPrimary();
      const after = known.size;
      await eventually('creates to go on with another primary', () => known.size >= after + 5 || undefined, 120_000);
      await set.startAgain(port);
    }
    loading = false;
    await Promise.all(clients);
    for (const error of refusals) expect(error).toMatchObject({ status: 503 });
    expect(refusals.every((error) => error instanceof Refused)).toBe(true);

    const wrong: string[] = [];
    for (const [id, label] of known) {
      const { state } = await server.client.ended(id, 180_000);
      const { attempt } = await new TesClient(server.url).json<{ attempt: number }>('GET', `/ext/v1/tasks/${id}`);
      const starts = witness.count('hit', label);
      if (state !== 'COMPLETE') wrong.push(`${label} is ${String(state)}`);
      if (starts < 1 || starts > attempt) wrong.push(`${label} started ${starts} times in ${attempt} attempts`);
    }
    expect(wrong).toEqual([]);
  }, 900_000);
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, describeEngine } from '../engines';
import { nothingIsLeft } from '../leftovers';
import { prepareServer, type RunningServer } from '../server';
import { shiftedClock } from '../shifted-clock';
import { Witness } from '../witness';

const HOUR = 3600;

/** The server under libfaketime, which changes what the wall clock says and leaves the monotonic clock alone, as a person who sets it does. */
describeEngine('bubblewrap', 'a wall clock that is set', (engine) => {
  let server: RunningServer;
  let witness: Witness;
  let directory: string;
  const setClock = (offsetSeconds: number): void =>
    writeFileSync(join(directory, 'clock'), `${offsetSeconds >= 0 ? '+' : ''}${offsetSeconds}`);

  beforeEach(async () => {
    mkdirSync(join(cacheDirectory, 'servers'), { recursive: true });
    directory = mkdtempSync(join(cacheDirectory, 'servers', 'clock-'));
    setClock(0);
    witness = await new Witness().start();
    server = await prepareServer({
      engine: engine(),
      backend: { network: 'host', cpus: 4, ram_gb: 16 },
      env: shiftedClock({ from: join(directory, 'clock') }),
    });
    await server.start();
  }, 120_000);
  afterEach(async () => {
    await server.remove();
    await witness.stop();
    rmSync(directory, { recursive: true });
  });

  const task = (label: string): object => ({
    name: label,
    resources: { cpu_cores: 1, ram_gb: 0.1 },
    executors: [
      {
        image: 'localhost/busybox:latest',
        command: ['sh', '-c', witness.program(label)],
      },
    ],
  });

  it.each([
    ['back an hour', -HOUR, false],
    ['forward a day', 24 * HOUR, false],
    ['back an hour, and the server is killed and started', -HOUR, true],
    ['forward a day, and the server is killed and started', 24 * HOUR, true],
  ])(
    '%s leaves running tasks alone and runs new ones at once',
    async (_how, offset, restart) => {
      const { client } = server;
      const before = await client.create(task('before'));
      await witness.seen('gate', 'before');
      setClock(offset);
      if (restart) await server.restart('kill9');
      const after = await client.create(task('after'));
      // Sooner than the loops look without being told, which is every 30 s: a wake-up that a set clock puts off would come with that.
      await witness.seen('gate', 'after', 20_000);
      expect((await client.until(before, ['RUNNING'])).state).toBe('RUNNING');
      expect((await client.list('view=MINIMAL')).tasks.map((found) => found.id).sort()).toEqual([before, after].sort());
      for (const label of ['before', 'after']) witness.release(label);
      for (const id of [before, after]) await client.until(id, ['COMPLETE']);
      for (const label of ['before', 'after']) expect(witness.starts(label)).toBe(1);
      await nothingIsLeft(server, engine(), [before, after]);
    },
    120_000,
  );
});

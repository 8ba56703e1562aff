import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireEngine } from '../engines';
import { startServer, type RunningServer } from '../server';
import { eventually } from '../tes-client';
import { describeMongo, OwnMongo } from './mongo';

describeMongo('a full disk under the database', () => {
  let mongod: OwnMongo;
  let mount: string;
  let server: RunningServer;
  beforeAll(async () => {
    const engine = await requireEngine('bubblewrap');
    mongod = await OwnMongo.start((directory) => {
      mount = join(directory, 'data');
      mkdirSync(mount);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=700m', 'tmpfs', mount]);
    });
    server = await startServer({ engine, settings: { store: { type: 'mongodb', url: mongod.url, database: 'full' } } });
  }, 300_000);
  afterAll(async () => {
    await server.remove();
    await mongod.stop();
    execFileSync('umount', ['-l', mount]);
    await mongod.remove();
  });

  it('is 503 for creates while it lasts; what was acknowledged is there when there is room again, and the gateway goes on by itself', async () => {
    const task = (description: string) => ({ description, executors: [{ image: 'localhost/busybox:latest', command: ['true'] }] });
    const first = await server.client.create(task('first'));
    await server.client.ended(first);
    const { bavail, bsize } = statfsSync(mount);
    const ballast = join(mount, 'ballast');
    writeFileSync(ballast, Buffer.alloc(bavail * bsize - 8 * 2 ** 20));
    const acknowledged = [first];
    const refusals: unknown[] = [];
    // What does not compress: the journal and the data files take all of it.
    const noise = (): string => Array.from({ length: 60_000 }, () => Math.random().toString(36).slice(2)).join('');
    for (let made = 0; made < 400 && refusals.length < 5; made += 1) {
      await server.client.create(task(noise())).then(
        (id) => acknowledged.push(id),
        (error: unknown) => refusals.push(error),
      );
    }
    expect(refusals).toHaveLength(5);
    for (const error of refusals) expect(error).toMatchObject({ status: 503 });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
    rmSync(ballast);
    // A mongod whose journal found no room has ended.
    await mongod.startAgain();
    await eventually('the gateway to be ready', async () => ((await fetch(`${server.url}/readyz`)).ok ? true : undefined), 120_000);
    for (const id of acknowledged) await server.client.until(id, ['COMPLETE'], 120_000);
    await server.client.until(await server.client.create(task('last')), ['COMPLETE'], 60_000);
  }, 400_000);
});

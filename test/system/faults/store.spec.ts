import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describeEngine } from '../engines';
import { prepareServer, type RunningServer, startServer } from '../server';
import { eventually } from '../tes-client';

describeEngine('bubblewrap', 'the store of a server', (engine) => {
  let server: RunningServer;
  beforeEach(async () => {
    server = await startServer({ engine: engine() });
  }, 120_000);
  afterEach(() => server.remove());

  const storeFile = (): string => {
    const name = readdirSync(server.dataDirectory).find((file) => /\.(sqlite|db)3?$/.test(file));
    if (name === undefined) throw new Error(`no store in ${readdirSync(server.dataDirectory).join(' ')}`);
    return join(server.dataDirectory, name);
  };
  const identity = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
  /** Some pages in the middle, as by a disk that wrote something else: there, texts of clients lie. */
  const damage = (path: string): void => {
    const file = openSync(path, 'r+');
    const middle = Math.floor(statSync(path).size / 2 / 4096) * 4096;
    for (let page = 0; page < 8; page += 1) writeSync(file, Buffer.alloc(512, 0xa5), 0, 512, middle + page * 4096);
    closeSync(file);
  };
  const task = { executors: [{ image: 'localhost/busybox:latest', command: ['true'] }] };

  it('is refused to a second server, which says so and ends', async () => {
    const second = await prepareServer({ engine: engine(), dataDirectory: server.dataDirectory });
    await second.start({ ready: false });
    expect(await second.exit()).not.toBe(0);
    expect(second.log()).toContain('in use');
    await server.client.until(await server.client.create(task), ['COMPLETE']);
  }, 120_000);

  it('is refused at start and left as it is when it is damaged', async () => {
    for (let index = 0; index < 20; index += 1) await server.client.create({ ...task, description: 'x'.repeat(40_000) });
    await server.stop();
    const path = storeFile();
    damage(path);
    const before = identity(path);
    await server.start({ ready: false });
    expect(await server.exit()).not.toBe(0);
    expect(server.log()).toMatch(/damaged|malformed|corrupt/);
    expect(identity(path)).toBe(before);
  }, 120_000);

  it('that is damaged while the server runs is not written any more, which every answer says that needs it, and is left as it is', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 20; index += 1) ids.push(await server.client.create({ ...task, description: 'x'.repeat(40_000) }));
    for (const id of ids) await server.client.ended(id);
    // So that nothing of it is in memory, and all of it in the one file.
    await server.stop();
    await server.start();
    const path = storeFile();
    damage(path);
    const before = identity(path);

    const unusable = { status: 503, body: expect.stringMatching(/"message":"The task store [^"]*damaged/) as unknown };
    const looks = await Promise.allSettled(ids.map((id) => server.client.get(id)));
    const failed = looks.filter((look) => look.status === 'rejected').map(({ reason }) => reason as unknown);
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.length).toBeLessThan(ids.length);
    for (const reason of failed) expect(reason).toMatchObject(unusable);
    await expect(server.client.create(task)).rejects.toMatchObject(unusable);
    // It is asked once a second at most.
    const ready = await eventually('the gateway not to be ready', async () => {
      const answer = await fetch(`${server.url}/readyz`);
      return answer.status === 503 ? answer : undefined;
    });
    expect(await ready.json()).toMatchObject({ status: 'unavailable', store: { ok: false } });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${server.url}/ga4gh/tes/v1/service-info`)).status).toBe(200);
    expect(server.log()).toMatch(/tasks\.sqlite is damaged .*nothing is written any more, restore a backup/);
    expect(identity(path)).toBe(before);
    expect(await server.stop()).toBe(0);
    expect(identity(path)).toBe(before);
    await server.start({ ready: false });
    expect(await server.exit()).not.toBe(0);
    expect(identity(path)).toBe(before);
  }, 120_000);

  it('that another program holds locked delays a create and refuses no GET', async () => {
    const id = await server.client.create(task);
    await server.client.ended(id);
    const other = new DatabaseSync(storeFile());
    other.exec('BEGIN IMMEDIATE');
    const created = server.client.create(task);
    for (let index = 0; index < 20; index += 1) expect((await server.client.get(id)).state).toBe('COMPLETE');
    other.exec('ROLLBACK');
    other.close();
    await server.client.until(await created, ['COMPLETE']);
  }, 120_000);
});

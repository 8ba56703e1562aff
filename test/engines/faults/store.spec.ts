import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describeEngine } from '../engines';
import type { RunningServer } from '../server';
import { prepareServer, startServer } from '../server';

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
  const task = { executors: [{ image: 'localhost/busybox:latest', command: ['true'] }] };

  it('is refused to a second server, which says so and ends', async () => {
    const second = await prepareServer({ engine: engine(), dataDirectory: server.dataDirectory });
    await second.start({ ready: false });
    expect(await second.exit()).not.toBe(0);
    expect(second.log()).toContain('in use');
    expect((await server.client.ended(await server.client.create(task))).state).toBe('COMPLETE');
  }, 120_000);

  it('is refused at start and left as it is when it is damaged', async () => {
    for (let index = 0; index < 20; index += 1) await server.client.create({ ...task, description: 'x'.repeat(5000) });
    await server.stop();
    const path = storeFile();
    const file = openSync(path, 'r+');
    const size = statSync(path).size;
    for (let offset = 4096; offset < size; offset += 4096) writeSync(file, Buffer.alloc(512, 0xa5), 0, 512, offset);
    closeSync(file);
    const before = identity(path);
    await server.start({ ready: false });
    expect(await server.exit()).not.toBe(0);
    expect(server.log()).toMatch(/damaged|malformed|corrupt/);
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
    expect((await server.client.ended(await created)).state).toBe('COMPLETE');
  }, 120_000);
});

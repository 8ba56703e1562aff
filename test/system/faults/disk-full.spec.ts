import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory, describeEngine } from '../engines';
import { type RunningServer, startServer } from '../server';
import { eventually } from '../tes-client';

const freeBytes = (directory: string): number => {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
};

describeEngine('bubblewrap', 'a disk that is full', (engine) => {
  let mount: string;
  let server: RunningServer | undefined;
  beforeEach(() => {
    mkdirSync(join(cacheDirectory, 'servers'), { recursive: true });
    mount = mkdtempSync(join(cacheDirectory, 'servers', 'small-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', mount]);
  });
  afterEach(async () => {
    await server?.remove();
    execFileSync('umount', ['-l', mount]);
    rmSync(mount, { recursive: true });
  });

  const task = (script: string, more: object = {}): object => ({
    executors: [{ image: 'localhost/busybox:latest', command: ['sh', '-c', script] }],
    ...more,
  });

  it('of the work directory fails the task that filled it, says so, and then carries the next one through', async () => {
    server = await startServer({
      engine: engine(),
      workDirectory: join(mount, 'work'),
      settings: { limits: { min_free_disk: 0 }, retry: { attempts: 1 } },
    });
    const { client, files } = server;
    const greedy = await client.ended(
      await client.create(task('head -c 200000000 /dev/zero > /out/big', { outputs: [{ url: join(files, 'big'), path: '/out/big' }] })),
    );
    expect(['EXECUTOR_ERROR', 'SYSTEM_ERROR']).toContain(greedy.state);
    expect(JSON.stringify(greedy.logs)).toMatch(/disk of the workspaces/);
    await client.until(await client.create(task('echo small > /out/x', { outputs: [{ url: join(files, 'x'), path: '/out/x' }] })), [
      'COMPLETE',
    ]);
  }, 120_000);

  it('of the work directory keeps tasks waiting, with and without inputs, and fails none of them', async () => {
    server = await startServer({
      engine: engine(),
      workDirectory: join(mount, 'work'),
      settings: { limits: { min_free_disk: 0 }, retry: { attempts: 1, first_delay_seconds: 0.1, longest_delay_seconds: 1 } },
    });
    const { client, files, url } = server;
    writeFileSync(join(files, 'in'), Buffer.alloc(1_000_000));
    await client.until(await client.create(task('true')), ['COMPLETE']);
    const jobs = readdirSync(join(mount, 'work')).map((backend) => join(mount, 'work', backend, 'jobs'));
    await eventually('the workspaces to be gone', () =>
      jobs.every((directory) => readdirSync(directory).length === 0) ? true : undefined,
    );
    writeFileSync(join(mount, 'filler'), Buffer.alloc(freeBytes(mount)));
    const ids = [
      await client.create(task('true')),
      await client.create(task('test -s /in', { inputs: [{ url: join(files, 'in'), path: '/in' }] })),
      await client.create(task('true')),
    ];
    await eventually('each to say that the disk is full', async () => {
      const told = await Promise.all(ids.map(async (id) => (await fetch(`${url}/ext/v1/tasks/${id}`)).text()));
      return told.every((text) => text.includes('the disk of the workspaces')) ? true : undefined;
    });
    for (const id of ids) expect(['QUEUED', 'INITIALIZING']).toContain((await client.get(id, 'MINIMAL')).state);
    rmSync(join(mount, 'filler'));
    for (const id of ids) await client.until(id, ['COMPLETE']);
  }, 120_000);

  it('of the work directory fails an input that never fits, and says so', async () => {
    server = await startServer({
      engine: engine(),
      workDirectory: join(mount, 'work'),
      settings: { limits: { min_free_disk: 0 }, retry: { attempts: 2, first_delay_seconds: 0.1, storage_patience_seconds: 2 } },
    });
    const { client, files } = server;
    writeFileSync(join(files, 'large'), Buffer.alloc(100_000_000));
    const ended = await client.until(await client.create(task('true', { inputs: [{ url: join(files, 'large'), path: '/in/large' }] })), [
      'SYSTEM_ERROR',
    ]);
    expect(JSON.stringify(ended.logs)).toMatch(/space|disk/i);
    await client.until(await client.create(task('true')), ['COMPLETE']);
  }, 120_000);

  it('of the data directory refuses creates with 507, answers GET, and takes creates again when there is room', async () => {
    server = await startServer({
      engine: engine(),
      dataDirectory: join(mount, 'data'),
      settings: { limits: { min_free_disk: 8 * 1024 * 1024 } },
    });
    const { client } = server;
    const id = await client.create(task('true'));
    await client.ended(id);
    writeFileSync(join(mount, 'filler'), Buffer.alloc(56 * 1024 * 1024));
    await eventually('a create to be refused with 507', async () =>
      client.create(task('true')).then(
        () => undefined,
        (error: unknown) => ((error as { status?: number }).status === 507 ? true : undefined),
      ),
    );
    expect((await client.get(id)).state).toBe('COMPLETE');
    rmSync(join(mount, 'filler'));
    const again = await eventually('a create to be taken', () => client.create(task('true')));
    await client.until(again, ['COMPLETE']);
  }, 120_000);

  it('of the data directory, without a reserve, loses no acknowledged task and refuses the others', async () => {
    server = await startServer({ engine: engine(), dataDirectory: join(mount, 'data'), settings: { limits: { min_free_disk: 0 } } });
    const { client } = server;
    const ids: string[] = [await client.create(task('true'))];
    writeFileSync(join(mount, 'filler'), Buffer.alloc(55 * 1024 * 1024));
    let refused = 0;
    for (let index = 0; index < 100 && refused === 0; index += 1) {
      await client.create({ ...task('true'), description: 'x'.repeat(1_000_000) }).then(
        (id) => ids.push(id),
        (error: unknown) => {
          expect([503, 507]).toContain((error as { status?: number }).status);
          refused += 1;
        },
      );
    }
    expect(refused).toBe(1);
    for (const id of ids) expect((await client.get(id, 'MINIMAL')).id).toBe(id);
    rmSync(join(mount, 'filler'));
    ids.push(await eventually('a create to be taken', () => client.create(task('true'))));
    for (const id of ids) await client.until(id, ['COMPLETE']);
  }, 120_000);
});

import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backupStore } from '../../../../src/stores/sqlite/backup';
import { SqliteTaskStore } from '../../../../src/stores/sqlite/sqlite-task-store';
import { insertAll, queuedTask } from '../../../contract/store/task-store.fixture';

describe('backupStore', () => {
  let directory: string;
  let path: string;
  let target: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'store-backup-'));
    path = join(directory, 'tasks.sqlite');
    target = join(directory, 'copy.sqlite');
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const open = (file: string): Promise<SqliteTaskStore> => SqliteTaskStore.open({ path: file, maxDueMs: 60_000 });
  const backup = (): Promise<number> => backupStore(path, target, () => undefined);

  it('copies a store that is being written to, as of one moment', async () => {
    const store = await open(path);
    const before = Array.from({ length: 50 }, () => queuedTask());
    await insertAll(store, before);
    let ended = false;
    const copying = backup().then((bytes) => {
      ended = true;
      return bytes;
    });
    const pairs: string[][] = [];
    while (!ended) {
      const pair = [queuedTask(), queuedTask()];
      await insertAll(store, pair);
      pairs.push(pair.map((task) => task.id));
    }
    expect(await copying).toBeGreaterThan(0);
    await store.close();

    const copy = await open(target);
    for (const task of before) expect(await copy.getTask(task.id)).toEqual(task);
    for (const [first = '', second = ''] of pairs) expect(await copy.getState(first)).toBe(await copy.getState(second));
    const { QUEUED = 0 } = await copy.counts();
    expect((await copy.listMinimal({ pageSize: 2047 })).items).toHaveLength(Math.min(QUEUED, 2047));
    await copy.close();
  });

  it('is one file', async () => {
    const store = await open(path);
    await insertAll(store, [queuedTask()]);
    await backup();
    await store.close();
    expect(readdirSync(directory).filter((name) => name.startsWith('copy'))).toEqual(['copy.sqlite']);
  });

  it('is closed to other users of the machine from its first byte', async () => {
    await (await open(path)).close();
    const modes: string[] = [];
    const look = (file: string): number => modes.push((statSync(file).mode & 0o777).toString(8));
    const before = process.umask(0);
    try {
      await backupStore(path, target, () => look(`${target}.partial`));
    } finally {
      process.umask(before);
    }
    look(target);
    expect(modes).toEqual(['600', '600', '600']);
  });

  it('replaces nothing and says what is missing', async () => {
    await expect(backup()).rejects.toThrow(`there is no task store at ${path}`);
    await (await open(path)).close();
    writeFileSync(target, 'precious');
    await expect(backup()).rejects.toThrow(`${target} exists`);
    rmSync(target);
    writeFileSync(path, 'not a store at all, but long enough to look at');
    await expect(backup()).rejects.toThrow('not an SQLite file');
    expect(readdirSync(directory).filter((name) => name.startsWith('copy'))).toEqual([]);
  });
});

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { StoreError } from '../../../../src/ports/errors';
import { SqliteTaskStore } from '../../../../src/stores/sqlite/sqlite-task-store';
import { insertAll, queuedTask, requestOf } from '../../../contract/store/task-store.fixture';

const PAGE = 4096;

describe('the file of SqliteTaskStore', () => {
  let directory: string;
  let path: string;
  let lines: string[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'store-files-'));
    path = join(directory, 'deeper', 'tasks.sqlite');
    lines = [];
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const open = (): Promise<SqliteTaskStore> => SqliteTaskStore.open({ path, maxDueMs: 60_000, onProgress: (line) => lines.push(line) });
  const digest = (): string => createHash('sha256').update(readFileSync(path)).digest('hex');

  async function filled(count: number, request = 'x'.repeat(3000)): Promise<void> {
    const store = await open();
    await Promise.all(Array.from({ length: count }, () => store.insert(request, queuedTask({ tags: { t: 'v' } }))));
    await store.close();
  }

  function damage(offset: number, length: number): void {
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.alloc(length, 0xa5), 0, length, offset);
    closeSync(file);
  }

  /** Refused with this message, and not a byte of it changed. */
  async function refused(message: RegExp): Promise<void> {
    const before = digest();
    const attempt = open();
    await expect(attempt).rejects.toBeInstanceOf(StoreError);
    await expect(attempt).rejects.toThrow(message);
    await expect(attempt).rejects.toThrow(path);
    expect(digest()).toBe(before);
  }

  it('is made with its directory, and has no log beside it after a close', async () => {
    await filled(1);
    expect(existsSync(path)).toBe(true);
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  it('is opened by one process: a second one gets an error naming it, and can have it afterwards', async () => {
    const first = await open();
    await expect(open()).rejects.toThrow(`${path} is in use`);
    const task = queuedTask();
    await first.insert(requestOf(task), task);
    await first.close();
    const second = await open();
    expect(await second.getState(task.id)).toBe('QUEUED');
    await second.close();
  });

  it('is refused when a newer program wrote it', async () => {
    await filled(1);
    const db = new DatabaseSync(path);
    db.exec("INSERT INTO schema_version (version, about) VALUES (8, 'from the future')");
    db.close();
    await refused(/newer tes-gateway \(schema 8; this one knows 7\)/);
  });

  it('is refused when it is not ours', async () => {
    await filled(1);
    const text = 'this is a letter, not a store\n'.repeat(1000);
    writeFileSync(path, text);
    await refused(/not an SQLite file/);
    rmSync(path);
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE contacts (name TEXT)');
    db.close();
    await refused(/not a task store/);
  });

  it.each([
    ['its header', 16, 80],
    ['its schema', 100, 3000],
    ['a page of a table', 30 * PAGE, PAGE],
    ['many pages', 8 * PAGE, 60 * PAGE],
  ])('is refused, untouched, when %s is damaged', async (_what, offset, length) => {
    await filled(100);
    damage(offset, length);
    await refused(/damaged|not a task store/);
  });

  it('is refused, untouched, when its end is missing', async () => {
    await filled(100);
    truncateSync(path, Math.floor(statSync(path).size / PAGE / 2) * PAGE);
    await refused(/damaged/);
  });

  it('is started as new when a first start was cut off before it held anything', async () => {
    await filled(0);
    rmSync(path);
    const db = new DatabaseSync(path);
    db.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL');
    db.close();
    await filled(1);
  });

  it('is not written to any more, nor by closing, once damage is met', async () => {
    await filled(400);
    const store = await open();
    const kept = queuedTask();
    await store.insert(requestOf(kept), kept);
    const size = statSync(path).size;
    damage(10 * PAGE, size - 10 * PAGE);
    const before = digest();
    const reads = await Promise.allSettled([
      store.listStored({ pageSize: 2047 }, 1e9),
      store.listMinimal({ pageSize: 2047, tags: [{ key: 't', value: 'v' }] }),
    ]);
    expect(reads).toContainEqual(
      expect.objectContaining({ status: 'rejected', reason: expect.objectContaining({ code: 'STORE_ERROR', retryable: false }) }),
    );
    await expect(store.insert('{}', queuedTask())).rejects.toBeInstanceOf(StoreError);
    await expect(store.update({ ...kept, revision: 2 }, 1)).rejects.toBeInstanceOf(StoreError);
    await expect(store.ping()).rejects.toBeInstanceOf(StoreError);
    expect(lines.join('\n')).toContain(`${path} is damaged`);
    await store.close();
    expect(digest()).toBe(before);
    expect(existsSync(`${path}-wal`)).toBe(true);
  });

  it('waits for another program that locks it, then fails whole, is not well, and is well again', async () => {
    const store = await open();
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const [task, later] = [queuedTask(), queuedTask()];
    await expect(store.insert(requestOf(task), task)).rejects.toMatchObject({ code: 'STORE_ERROR', retryable: true, unavailable: true });
    await expect(store.ping()).rejects.toBeInstanceOf(StoreError);
    expect(await store.getTask(task.id)).toBeUndefined();
    other.exec('ROLLBACK');
    other.close();
    await expect(store.ping()).resolves.toBeUndefined();
    await store.insert(requestOf(later), later);
    expect(await store.counts()).toEqual({ QUEUED: 1 });
    await store.close();
  });

  it('takes in the log by itself while tasks come', async () => {
    const store = await open();
    const small = statSync(path).size;
    for (let tries = 0; statSync(path).size < small + 500_000; tries += 1) {
      if (tries === 200) throw new Error('the log was never taken in');
      await insertAll(
        store,
        Array.from({ length: 20 }, () => queuedTask({ systemLogs: ['x'.repeat(20_000)] })),
      );
      await setTimeout(50);
    }
    expect(lines).toEqual([]);
    await store.close();
  });

  it('holds no row of a deleted task', async () => {
    const store = await open();
    const tasks = Array.from({ length: 5 }, () =>
      queuedTask({ state: 'COMPLETE', step: 'done', endedAt: 1, name: 'n', tags: { a: 'b', c: '' } }),
    );
    await insertAll(store, tasks);
    expect(await store.deleteFinished(2, 5)).toBe(5);
    await store.close();
    const db = new DatabaseSync(path);
    const left = ['task', 'record', 'request', 'term'].map((table) => db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);
    db.close();
    expect(left).toEqual([0, 0, 0, 0]);
  });

  it('gives its room back when finished tasks are deleted', async () => {
    const store = await open();
    const done = (): Promise<unknown> => store.insert('x'.repeat(20_000), queuedTask({ state: 'COMPLETE', step: 'done', endedAt: 1 }));
    await Promise.all(Array.from({ length: 2000 }, done));
    expect(await store.deleteFinished(2, 1500)).toBe(1500);
    for (let batch = 0; batch < 20; batch += 1) await store.deleteFinished(2, 25);
    await store.close();
    // 2,000 requests took 40 MB; what stays free for new ones is bounded.
    expect(statSync(path).size).toBeLessThan(30_000_000);
  });

  it('keeps time over a restart with the clock set back a little', async () => {
    let wall = 1_000_000_000;
    const at = (): Promise<SqliteTaskStore> => SqliteTaskStore.open({ path, maxDueMs: 60_000, wallNow: () => wall, monotonicNow: () => 0 });
    const first = await at();
    const before = first.now();
    await first.close();
    wall -= 30_000;
    const second = await at();
    expect(second.now()).toBeGreaterThanOrEqual(before);
    await second.close();
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../../../../src/ports/errors';
import { GroupCommit } from '../../../../src/stores/sqlite/group-commit';
import { toStoreError } from '../../../../src/stores/sqlite/sqlite-errors';

describe('GroupCommit', () => {
  let directory: string;
  let db: DatabaseSync;
  let commits: GroupCommit;
  let transactions: number;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'group-commit-'));
    db = new DatabaseSync(join(directory, 'x.sqlite'), { timeout: 1, enableForeignKeyConstraints: true });
    db.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE t (n INTEGER PRIMARY KEY, pad TEXT) STRICT;
      CREATE TABLE child (n INTEGER REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED) STRICT;`);
    transactions = 0;
    commits = new GroupCommit(db, { beforeCommit: () => undefined, afterCommit: () => (transactions += 1), onFailure: toStoreError }, 150);
  });
  afterEach(() => {
    db.close();
    rmSync(directory, { recursive: true });
  });

  const insert = (n: number): Promise<unknown> => commits.submit(() => db.prepare('INSERT INTO t (n) VALUES (?)').run(n).changes);
  const stored = (): unknown[] =>
    db
      .prepare('SELECT n FROM t ORDER BY n')
      .all()
      .map((row) => row['n']);

  it('puts the writes of one turn into one transaction', async () => {
    await Promise.all([insert(1), insert(2), insert(3)]);
    expect([stored(), transactions]).toEqual([[1, 2, 3], 1]);
  });

  it('asks for an fsync when one of the group must be durable, and for none when all are relaxed', async () => {
    const level = (): unknown => db.prepare('PRAGMA synchronous').get()?.['synchronous'];
    const [FULL, NORMAL] = [2, 1];
    expect(await commits.submit(level, 'relaxed')).toBe(NORMAL);
    expect(await Promise.all([commits.submit(level, 'relaxed'), commits.submit(level)])).toEqual([FULL, FULL]);
    expect(await commits.submit(level, 'relaxed')).toBe(NORMAL);
    expect(await commits.submit(level, 'durable')).toBe(FULL);
  });

  it('settles nothing before the commit', async () => {
    const seen: boolean[] = [];
    await Promise.all([1, 2].map((n) => insert(n).then(() => seen.push(db.isTransaction))));
    expect(seen).toEqual([false, false]);
  });

  it('takes out an operation that throws, whole, and does the others', async () => {
    const bad = commits.submit(() => {
      db.exec('INSERT INTO t (n) VALUES (50)');
      throw new TypeError('a bug');
    });
    const outcomes = await Promise.allSettled([insert(1), bad, insert(2), insert(1), insert(3)]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
    await expect(bad).rejects.toThrow(TypeError);
    expect(stored()).toEqual([1, 2, 3]);
  });

  it('fails every caller of a commit that fails, and keeps nothing of it', async () => {
    const orphan = commits.submit(() => db.exec('INSERT INTO child (n) VALUES (99)'));
    const outcomes = await Promise.allSettled([insert(1), orphan, insert(2)]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(stored()).toEqual([]);
    await expect(insert(4)).resolves.toBe(1);
  });

  it('turns a full disk into StoreError for all, writes nothing by halves, and works again when there is room', async () => {
    await insert(0);
    const pages = Number(db.prepare('PRAGMA page_count').get()?.['page_count']);
    db.exec(`PRAGMA max_page_count = ${pages + 2}`);
    const big = commits.submit(() => db.prepare('INSERT INTO t (n, pad) VALUES (7, ?)').run('x'.repeat(100_000)));
    for (const outcome of await Promise.allSettled([insert(1), big, insert(2)])) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STORE_ERROR', retryable: true } });
    }
    expect(stored()).toEqual([0]);
    db.exec('PRAGMA max_page_count = 100000');
    await Promise.all([insert(1), insert(2)]);
    expect(stored()).toEqual([0, 1, 2]);
  });

  it('waits for another program that is writing, without blocking the event loop', async () => {
    const other = new DatabaseSync(join(directory, 'x.sqlite'));
    other.exec('BEGIN IMMEDIATE');
    let settled = false;
    const write = insert(1).then(() => (settled = true));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(settled).toBe(false);
    other.exec('COMMIT');
    await write;
    other.close();
    expect(stored()).toEqual([1]);
  });

  it('gives up with StoreError when the other program does not end', async () => {
    const other = new DatabaseSync(join(directory, 'x.sqlite'));
    other.exec('BEGIN IMMEDIATE');
    await expect(insert(1)).rejects.toBeInstanceOf(StoreError);
    other.close();
    await expect(insert(2)).resolves.toBe(1);
    expect(stored()).toEqual([2]);
  });

  it('shares long queues among transactions', async () => {
    await Promise.all(Array.from({ length: 1300 }, (_, n) => insert(n)));
    expect(transactions).toBe(3);
  });

  it('refuses what comes after a stop, and what still waits', async () => {
    const waiting = insert(1);
    const reason = new StoreError('stopped', { retryable: false });
    commits.stop(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(insert(2)).rejects.toBe(reason);
    await commits.drained();
    expect(stored()).toEqual([]);
  });
});

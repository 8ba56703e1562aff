import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { APPLICATION_ID, MIGRATIONS } from '../../../../src/stores/sqlite/schema';
import { SqliteTaskStore } from '../../../../src/stores/sqlite/sqlite-task-store';
import { queueClass } from '../../../../src/task/queue-class';
import type { TaskRecord } from '../../../../src/task/task-record';
import { assignedTask, queuedTask } from '../../../contract/store/task-store.fixture';

const QUEUED = 1;
const STATES: Record<string, number> = { QUEUED, INITIALIZING: 2, RUNNING: 3, COMPLETE: 5, CANCELING: 10 };
const STEPS: Record<string, number> = { queued: 0, 'stage-in': 1, run: 3, cancel: 6, done: 8 };

/** A file as the first version of the store left it. */
function oldFile(path: string, tasks: readonly TaskRecord[]): void {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA application_id = ${APPLICATION_ID};
    CREATE TABLE schema_version (version INTEGER PRIMARY KEY, about TEXT NOT NULL) STRICT;`);
  db.exec(MIGRATIONS[0]?.sql ?? '');
  db.exec(`INSERT INTO schema_version VALUES (1, 'tables of version 1'); INSERT INTO meta VALUES ('store_id', 'x');
    INSERT INTO owner (seq, name) VALUES (1, 'owner-1');
    INSERT INTO reservation VALUES ('local', 'somebody', 1, 3, 3);`);
  const addTask = db.prepare(`INSERT INTO task (id, state, owner, step, revision, due_at, not_before, done_at, cpu, ram, backend, bound_to,
    needs_backend) VALUES (?, ?, 1, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)`);
  for (const task of tasks) {
    const { id, state, step, dueAt, notBefore, endedAt, needs, backend, boundTo, ...rest } = task;
    const { lastInsertRowid } = addTask.run(
      id,
      STATES[state] ?? 0,
      STEPS[step] ?? 0,
      dueAt ?? null,
      notBefore ?? null,
      step === 'done' ? (endedAt ?? 0) : null,
      needs.cpuCores,
      needs.ramGb,
      backend ?? null,
      boundTo ?? null,
      needs.backend ?? null,
    );
    db.prepare('INSERT INTO record VALUES (?, ?)').run(lastInsertRowid, JSON.stringify({ ...rest, needs, endedAt }));
    db.prepare("INSERT INTO request VALUES (?, '{}')").run(lastInsertRowid);
  }
  db.close();
}

describe('a file of version 1', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'schema-2-'));
    path = join(directory, 'tasks.sqlite');
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('is opened: its queue has classes, and its room is that of its tasks, not of what was reserved', async () => {
    const wishing = queuedTask();
    const tasks = [
      queuedTask(),
      { ...wishing, needs: { ...wishing.needs, backend: 'local', cpuCores: 3 } },
      queuedTask({ notBefore: 5 }),
      queuedTask(),
      assignedTask(7),
      assignedTask(7, { state: 'CANCELING', step: 'cancel', boundTo: 'here' }),
      queuedTask({ state: 'COMPLETE', step: 'done', endedAt: 9 }),
    ];
    oldFile(path, tasks);
    const lines: string[] = [];
    const store = await SqliteTaskStore.open({ path, maxDueMs: 60_000, onProgress: (line) => lines.push(line) });
    expect(lines[0]).toBe('task store: schema 1 to 2 (queue by class, room as sums)');
    const [first, wish] = tasks;
    const plain = queueClass(queuedTask().needs);
    // The pause is over by now.
    const classes = await store.queueClasses();
    expect(classes.toSorted((one, other) => other.waiting - one.waiting)).toMatchObject([
      { key: plain, waiting: 3, since: first?.createdAt },
      { key: queueClass(wish?.needs ?? wishing.needs), waiting: 1, since: wish?.createdAt },
    ]);
    expect((await store.queueHead({ queueClass: plain, limit: 9 })).map(({ task }) => task.id)).toEqual(
      [0, 2, 3].map((at) => tasks[at]?.id),
    );
    const one = { cpuCores: 1, ramGb: 1, slots: 1 };
    expect(await store.used(['local', 'local@here'])).toEqual(
      new Map([
        ['local', one],
        ['local@here', one],
      ]),
    );
    // And it goes on from there.
    const [running] = tasks.slice(4);
    if (running === undefined) throw new Error('no task');
    expect(await store.update({ ...running, state: 'COMPLETE', step: 'cleanup', revision: 2 }, 1)).toBe(true);
    expect((await store.used(['local'])).get('local')).toEqual({});
    expect(await store.counts()).toEqual({ QUEUED: 4, CANCELING: 1, COMPLETE: 2 });
    await store.close();
    const migrations = lines.length;
    const again = await SqliteTaskStore.open({ path, maxDueMs: 60_000, onProgress: (line) => lines.push(line) });
    expect(lines).toHaveLength(migrations);
    expect((await again.queueClasses()).map(({ waiting }) => waiting).toSorted()).toEqual([1, 3]);
    await again.close();
  });
});

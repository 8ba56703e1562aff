import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mongoose';
import { readLines, writeLines } from '../../../src/operator/line-file';
import { exportTasks, importTasks } from '../../../src/operator/store-transfer';
import { Conflict } from '../../../src/ports/errors';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { MongoTaskStore } from '../../../src/stores/mongo/mongo-task-store';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import type { TaskRecord } from '../../../src/task/task-record';
import { describeMongo, freshDatabase } from '../../system/mongo/mongo';
import { eventually } from '../../system/tes-client';
import { Random, SEED } from '../../support/random';
import { assignedTask, MAX_DUE_MS, queuedTask } from './task-store.fixture';

/** Texts that a line, a document or an index may stumble over. */
const HOSTILE: readonly [string, ...string[]] = [
  '\n',
  '\r\n',
  '\u2028\u2029',
  '\0',
  '"\\',
  '\ud800',
  '\udc00x',
  '😀',
  '$ref',
  '__proto__',
  'ä',
  '',
  '\ufeff',
  '{"end":1}',
  '.',
  '$',
];

describeMongo('moving between stores', (url) => {
  let directory: string;
  let database: string;
  let opened: TaskStore[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'moving-'));
    database = freshDatabase();
    opened = [];
  });
  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()));
    const connection = await createConnection(url(), { dbName: database }).asPromise();
    await connection.dropDatabase();
    await connection.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function sqlite(): Promise<TaskStore> {
    const store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: MAX_DUE_MS });
    opened.push(store);
    return store;
  }
  async function mongo(instance = 'command', isTool = true): Promise<TaskStore> {
    const store = await MongoTaskStore.open({ url: url(), database, instance, isTool, maxDueMs: MAX_DUE_MS });
    opened.push(store);
    return store;
  }
  const file = (name: string): string => join(directory, name);
  const exported = async (store: TaskStore, name: string): Promise<string> => {
    await writeLines(file(name), exportTasks(store, 'all'));
    return createHash('sha256')
      .update(readFileSync(file(name)))
      .digest('hex');
  };

  it(`both ways gives every byte back: hostile texts, long logs, owners, tags, tasks under way (TES_GATEWAY_SEED=${SEED})`, async () => {
    const random = new Random(SEED);
    const text = (): string => Array.from({ length: random.between(0, 4) }, () => random.pick(HOSTILE)).join('');
    const long = 'line of output\n'.repeat(20_000);
    const attempts = (): TaskRecord['attempts'] => [
      {
        attempt: 1,
        backend: 'local',
        startedAt: 5,
        executors: [{ exitCode: 1, stdout: { text: text() + long, totalBytes: 2 ** 40 }, stderr: { text: text(), totalBytes: 9 } }],
        outputs: [{ url: text(), path: text(), sizeBytes: 2 ** 52 }],
        systemLogs: [text(), text()],
        metadata: { host: text() },
      },
    ];
    const tasks = Array.from({ length: 300 }, (_, index): TaskRecord => {
      const some = {
        owner: `${index % 7}${text()}`,
        ...(index % 3 > 0 && { name: text() }),
        tags: JSON.parse(`{"${index}":"","__proto__":"x"}`) as Record<string, string>,
      };
      const tagged = { ...some, tags: { ...some.tags, [text()]: text() }, systemLogs: [text()] };
      switch (index % 4) {
        case 0:
          return queuedTask(tagged);
        case 1:
          return assignedTask(7, {
            ...tagged,
            boundTo: 'one',
            handle: { backend: 'local', version: 1, step: 'submitted', data: { x: text() } },
          });
        case 2:
          return queuedTask({ ...tagged, state: 'CANCELED', step: 'done', endedAt: index });
        default:
          return queuedTask({
            ...tagged,
            state: 'EXECUTOR_ERROR',
            step: 'done',
            attempt: 1,
            endedAt: 3,
            ...(index % 60 === 3 && { attempts: attempts() }),
          });
      }
    });
    const request = (index: number): string =>
      JSON.stringify({ executors: [{ image: text(), command: [text()] }], description: index === 9 ? 'ä'.repeat(6_000_000) : text() });
    const first = await sqlite();
    for (const [index, task] of tasks.entries()) await first.insert(request(index), task);

    const written = await exported(first, 'from-sqlite');
    const shared = await mongo();
    expect(await importTasks(readLines(file('from-sqlite')), shared)).toEqual({ imported: 300, present: 0 });
    expect(await exported(shared, 'from-mongo')).toBe(written);
    const second = await sqlite();
    await importTasks(readLines(file('from-mongo')), second);
    expect(await exported(second, 'again')).toBe(written);
    expect(await second.counts()).toEqual(await first.counts());
    expect(await shared.counts()).toEqual(await first.counts());
    expect(await shared.listBoundTo('one', 100)).toHaveLength(75);
  }, 120_000);

  it('is refused while a gateway has the store open, but for finished tasks', async () => {
    const source = await sqlite();
    await source.insert('{"executors":[]}', queuedTask({ state: 'COMPLETE', step: 'done', endedAt: 1 }));
    await exported(source, 'all');
    await writeLines(file('finished'), exportTasks(source, 'finished'));
    const command = await mongo();
    await mongo('gateway-1', false);
    await eventually('the gateway to say so', async () => ((await command.seenGateways()).size === 1 ? true : undefined));
    await expect(importTasks(readLines(file('all')), command)).rejects.toBeInstanceOf(Conflict);
    await expect(exported(command, 'live')).rejects.toThrow(
      /^gateway gateway-1 has this store open: stop it, or export finished tasks only$/,
    );
    expect(await importTasks(readLines(file('finished')), command)).toEqual({ imported: 1, present: 0 });
    await writeLines(file('finished-again'), exportTasks(command, 'finished'));
    expect(readFileSync(file('finished-again'))).toEqual(readFileSync(file('finished')));
  });
});

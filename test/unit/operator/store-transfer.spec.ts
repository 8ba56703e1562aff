import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLines, writeLines } from '../../../src/operator/line-file';
import { exportTasks, importTasks } from '../../../src/operator/store-transfer';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import type { TaskRecord } from '../../../src/task/task-record';
import { assignedTask, insertAll, queuedTask, requestOf } from '../../contract/store/task-store.fixture';

describe('tasks as lines', () => {
  let directory: string;
  let store: TaskStore;
  let others: TaskStore[];
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'transfer-'));
    others = [];
    store = await open();
  });
  afterEach(async () => {
    await Promise.all(others.map((one) => one.close()));
    rmSync(directory, { recursive: true, force: true });
  });

  async function open(): Promise<TaskStore> {
    const opened = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 60_000 });
    others.push(opened);
    return opened;
  }
  const file = (name: string): string => join(directory, name);
  const exported = async (from: TaskStore, name: string): Promise<string> => {
    await writeLines(file(name), exportTasks(from, 'all'));
    return readFileSync(file(name), 'utf8');
  };
  const imported = (name: string, into: TaskStore) => importTasks(readLines(file(name)), into);
  const asText = async (lines: readonly string[], into: TaskStore) => {
    writeFileSync(file('made'), lines.join('\n'));
    return imported('made', into);
  };
  const done = (): TaskRecord => queuedTask({ state: 'COMPLETE', step: 'done', attempt: 1, endedAt: 5 });

  it('go on from where an import was cut off, and double nothing', async () => {
    await insertAll(store, Array.from({ length: 450 }, done));
    const whole = await exported(store, 'whole');
    const target = await open();
    const lines = whole.split('\n');
    await expect(asText([...lines.slice(0, 300), lines[300]?.slice(0, 40) ?? ''], target)).rejects.toThrow(
      /^line 301: it is not JSON, or cut off$/,
    );
    expect((await target.listMinimal({ pageSize: 2000 })).items).toHaveLength(299);
    await expect(asText(lines.slice(0, 350), target)).rejects.toThrow(/^line 350: the export was cut off after it$/);
    expect(await imported('whole', target)).toEqual({ imported: 450 - 349, present: 349 });
    expect(await imported('whole', target)).toEqual({ imported: 0, present: 450 });
    expect(await exported(target, 'again')).toBe(whole);
  });

  it('carry over what is under way: due at once, without its lease, with its room taken', async () => {
    const lease = { holder: 'one/reconciler', until: store.now() + 30_000 };
    const running = assignedTask(store.now() + 30_000, { boundTo: 'one', lease, given: { cpuCores: 0.5, ramGb: 1 } });
    const plain = queuedTask({ notBefore: store.now() + 10_000, queuedAt: store.now() });
    const waiting = { ...plain, needs: { ...plain.needs, folders: ['s3://near/'], reaches: { near: true } } };
    await insertAll(store, [running, waiting]);
    await exported(store, 'live');
    const target = await open();
    await imported('live', target);
    expect(await target.getTask(waiting.id)).toEqual(waiting);
    const { lease: _lease, ...bare } = running;
    const carried = await target.getTask(running.id);
    expect(carried).toEqual({ ...bare, dueAt: expect.any(Number) as number });
    expect(carried?.dueAt).toBeLessThanOrEqual(target.now());
    expect((await target.used(['local@one'])).get('local@one')).toEqual({ cpuCores: 0.5, ramGb: 1, slots: 1 });
  });

  it('hold finished tasks only when asked for', async () => {
    const finished = done();
    await insertAll(store, [assignedTask(1), finished, queuedTask()]);
    await writeLines(file('finished'), exportTasks(store, 'finished'));
    const target = await open();
    expect(await imported('finished', target)).toEqual({ imported: 1, present: 0 });
    expect(await target.getTask(finished.id)).toEqual(finished);
  });

  it('of a large store are never in memory all at once', async () => {
    const request = JSON.stringify({ executors: [], description: 'x'.repeat(1_000_000) });
    for (let made = 0; made < 40; made += 1) await store.insert(request, done());
    let pages = 0;
    const watched = new Proxy(store, {
      get: (object, key) => {
        if (key === 'listOldest') pages += 1;
        const member: unknown = Reflect.get(object, key, object);
        return typeof member === 'function' ? (member.bind(object) as unknown) : member;
      },
    });
    let seen = 0;
    for await (const line of exportTasks(watched, 'all')) {
      seen += line.length;
      // At most a page ahead of what was taken.
      expect(pages * 8 * 2 ** 20).toBeLessThan(seen + 2 * 8 * 2 ** 20);
    }
    expect(seen).toBeGreaterThan(40_000_000);
    expect(pages).toBeGreaterThanOrEqual(5);
  });

  const HEADER = '{"format":"tes-gateway tasks","version":1,"scope":"all"}';
  const line = (changes: object = {}, request = '{"executors":[]}'): string => JSON.stringify({ task: { ...done(), ...changes }, request });
  it.each<[string, string[], RegExp]>([
    ['nothing', [], /^line 0: the export was cut off after it$/],
    ['another file', ['{"id":1}'], /^line 1: this is no export of tasks$/],
    [
      'a newer format',
      [HEADER.replace('1', '2')],
      /^line 1: the export is of a newer version of this program \(format 2, this one knows 1\)$/,
    ],
    ['a line that is not JSON', [HEADER, line(), '{"task":'], /^line 3: it is not JSON, or cut off$/],
    ['a record without an owner', [HEADER, line({ owner: undefined })], /^line 2: \$\.task\.owner is required$/],
    ['a member that is not known', [HEADER, line({ colour: 'red' })], /^line 2: \$\.task\.colour is not known$/],
    [
      'a wrong type, deep down',
      [
        HEADER,
        line({
          attempts: [{ attempt: 1, backend: 'b', startedAt: 1, executors: [{ exitCode: '0' }], outputs: [], systemLogs: [], metadata: {} }],
        }),
      ],
      /^line 2: \$\.task\.attempts\[0\]\.executors\[0\]\.exitCode must be a number$/,
    ],
    ['a step that the state does not have', [HEADER, line({ step: 'run' })], /^line 2: a task cannot be COMPLETE in step run$/],
    ['a request that is no task', [HEADER, line({}, '[]')], /^line 2: request is no task document$/],
    ['too few tasks', [HEADER, line(), '{"end":2}'], /^line 3: there should be 2 tasks before the end, there are 1$/],
    ['more after the end', [HEADER, '{"end":0}', line()], /^line 3: there should be nothing after the end$/],
  ])('with %s are refused, with the line', async (_, lines, message) => {
    await expect(asText(lines, store)).rejects.toThrow(message);
  });

  it('that are not UTF-8 are refused, with the line', async () => {
    writeFileSync(file('bytes'), Buffer.concat([Buffer.from(`${HEADER}\n${line()}\n`), Buffer.from([0x22, 0xff, 0x22, 0x0a])]));
    await expect(imported('bytes', store)).rejects.toThrow(/^line 3: it is not UTF-8$/);
  });

  it('are for their owner alone, and replace no file', async () => {
    await exported(store, 'private');
    expect(statSync(file('private')).mode & 0o777).toBe(0o600);
    await expect(exported(store, 'private')).rejects.toThrow(/exists; it is not replaced/);
    await store.insert(requestOf(queuedTask()), queuedTask());
    const failing = async function* (): AsyncGenerator<string, void> {
      yield 'first';
      throw new Error('the store went away');
    };
    await expect(writeLines(file('half'), failing())).rejects.toThrow('went away');
    expect(() => statSync(file('half'))).toThrow();
  });
});

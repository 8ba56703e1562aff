import type { TaskStore } from '../../../src/ports/store/task-store';
import { groupScope, ownerScope, type Scope } from '../../../src/task/scopes';
import type { TaskRecord } from '../../../src/task/task-record';
import { TES_STATES } from '../../../src/task/tes';
import { assignedTask, insertAll, queuedTask, requestOf, type TaskStoreHarness, without } from './task-store.fixture';

const ids = (tasks: readonly TaskRecord[]): string[] => tasks.map((task) => task.id);

/** `TaskRecords` but its lists; part of `taskStoreSuite`. */
export function taskRecordsSuite(harness: () => TaskStoreHarness): void {
  let store: TaskStore;
  beforeEach(() => {
    store = harness().store;
  });

  describe('insert and read', () => {
    it('gives back every member of a record exactly as it was inserted', async () => {
      const full: TaskRecord = {
        ...assignedTask(store.now() + 1000),
        name: 'a name',
        tags: { project: 'x', empty: '' },
        boundTo: 'gateway-1',
        handle: { backend: 'local', version: 2, step: 'prepared', data: { pid: '12' } },
        outcome: 'failed',
        lease: { holder: 'gateway-1/reconciler', until: store.now() + 500 },
        notBefore: store.now() - 5,
        trouble: { count: 2, since: 17, reason: 'daemon away' },
        attempts: [
          {
            attempt: 1,
            backend: 'local',
            startedAt: 5,
            executors: [{ exitCode: 1, startedAt: 6, endedAt: 7, stdout: { text: 'ä\u0000\ud83d\ude00', totalBytes: 9 } }],
            outputs: [{ url: 'file:///o', path: '/o', sizeBytes: 2 ** 52 }],
            systemLogs: ['warned'],
            metadata: { host: 'h' },
          },
        ],
        systemLogs: ['one'],
        overlay: { inputTypes: { 0: 'DIRECTORY' }, droppedParameters: ['vmsize'] },
        endedAt: 99,
      };
      await store.insert('{"executors":[]}', full);
      expect(await store.getTask(full.id)).toEqual(full);
    });

    it('leaves absent members absent', async () => {
      const task = queuedTask();
      await store.insert(requestOf(task), task);
      expect(Object.keys((await store.getTask(task.id)) ?? {}).sort()).toEqual(Object.keys(task).sort());
    });

    it('gives back the request text byte for byte', async () => {
      const task = queuedTask();
      const text = `{"z":1,"a":"\u00e4\ud83d\ude00 \\u0000 ' \\" --","n":${'9'.repeat(40)}}`;
      await store.insert(text, task);
      expect((await store.getStored(task.id))?.requestJson).toBe(text);
      expect((await store.getStored(task.id))?.task).toEqual(task);
    });

    it('stores a request of 16 MiB', async () => {
      const task = queuedTask();
      const text = JSON.stringify({ content: 'x'.repeat(16 * 1024 * 1024) });
      await store.insert(text, task);
      expect((await store.getStored(task.id))?.requestJson === text).toBe(true);
    });

    it('knows every state and step', async () => {
      for (const state of TES_STATES) {
        const task = queuedTask({ state });
        await store.insert(requestOf(task), task);
        expect(await store.getState(task.id)).toBe(state);
      }
      for (const step of ['queued', 'stage-in', 'submit', 'run', 'stage-out', 'retreat', 'cancel', 'cleanup', 'done'] as const) {
        const task = queuedTask({ step });
        await store.insert(requestOf(task), task);
        expect((await store.getTask(task.id))?.step).toBe(step);
      }
    });

    it('answers undefined for an id that is not there', async () => {
      expect(await store.getState('nobody')).toBeUndefined();
      expect(await store.getTask('nobody')).toBeUndefined();
      expect(await store.getStored('nobody')).toBeUndefined();
    });

    it("hides another owner's task", async () => {
      const task = queuedTask({ owner: 'alice' });
      await store.insert(requestOf(task), task);
      for (const owner of ['bob', 'ALICE', '', 'nobody-yet']) {
        for (const scopes of [[ownerScope(owner)], [ownerScope(owner), groupScope('alice')], []]) {
          expect(await store.getState(task.id, scopes)).toBeUndefined();
          expect(await store.getTask(task.id, scopes)).toBeUndefined();
          expect(await store.getStored(task.id, scopes)).toBeUndefined();
        }
      }
      expect(await store.getState(task.id, [ownerScope('alice')])).toBe('QUEUED');
      expect((await store.getTask(task.id, [ownerScope('alice')]))?.id).toBe(task.id);
      expect((await store.getStored(task.id, [ownerScope('alice')]))?.task.id).toBe(task.id);
    });

    it('shows a task to whoever has one of its scopes', async () => {
      const task = queuedTask({ owner: 'alice', groups: ['https://issuer lab', 'b"\u0000\'é'] });
      await store.insert(requestOf(task), task);
      const shown: Scope[][] = [
        ...(task.groups ?? []).map((group) => [groupScope(group)]),
        [ownerScope('bob'), groupScope('https://issuer lab')],
      ];
      for (const scopes of shown) {
        expect(await store.getState(task.id, scopes)).toBe('QUEUED');
        expect(await store.getTask(task.id, scopes)).toEqual(task);
        expect((await store.getStored(task.id, scopes))?.task).toEqual(task);
      }
      for (const scopes of [[groupScope('https://issuer')], [ownerScope('https://issuer lab')], [groupScope('LAB'), groupScope('')]]) {
        expect(await store.getState(task.id, scopes)).toBeUndefined();
        expect(await store.getTask(task.id, scopes)).toBeUndefined();
      }
    });

    it('throws on an id that exists, keeps the first, and lets its neighbours through', async () => {
      const first = queuedTask({ name: 'first' });
      await store.insert(requestOf(first), first);
      const [before, again, after] = [queuedTask(), queuedTask({ id: first.id, name: 'second', tags: { t: 'v' } }), queuedTask()];
      const outcomes = await Promise.allSettled([before, again, after].map((task) => store.insert(requestOf(task), task)));
      expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect((await store.getTask(first.id))?.name).toBe('first');
      expect((await store.listMinimal({ pageSize: 10, tags: [{ key: 't', value: 'v' }] })).items).toEqual([]);
      expect(await store.getState(before.id)).toBe('QUEUED');
      expect(await store.getState(after.id)).toBe('QUEUED');
      expect(await store.counts()).toEqual({ QUEUED: 3 });
    });

    it('takes hostile text in id, owner, name and tags for text', async () => {
      const texts = [
        "'; DROP TABLE task; --",
        '"',
        '%',
        '_',
        '\\',
        '__proto__',
        'constructor',
        '\u0000x',
        'ä\ud83d\ude00',
        '\ud800',
        ' ',
        '{}',
        'NULL',
      ];
      for (const text of texts) {
        const tags = JSON.parse(`{${JSON.stringify(text)}:${JSON.stringify(text)}}`) as Record<string, string>;
        const task = queuedTask({ owner: `owner ${text}`, name: text, tags });
        await store.insert(requestOf(task), task);
        const read = await store.getTask(task.id);
        expect(read?.name).toBe(text);
        expect(Object.entries(read?.tags ?? {})).toEqual([[text, text]]);
        const page = await store.listMinimal({ pageSize: 10, tags: [{ key: text, value: text }] });
        expect(page.items).toEqual([[task.id, 'QUEUED']]);
      }
    });
  });

  describe('idempotency key', () => {
    const key = { key: 'k', bodySha256: 'aa', ttlMs: 10_000 };

    it('answers the first task to the same key, and whether the body was the same', async () => {
      const [first, second, third] = [queuedTask(), queuedTask(), queuedTask()];
      expect(await store.insert(requestOf(first), first, key)).toEqual({ kind: 'inserted' });
      expect(await store.insert(requestOf(second), second, key)).toEqual({ kind: 'existing', id: first.id, sameBody: true });
      const other = { ...key, bodySha256: 'bb' };
      expect(await store.insert(requestOf(third), third, other)).toEqual({ kind: 'existing', id: first.id, sameBody: false });
      expect(await store.getTask(second.id)).toBeUndefined();
      expect(await store.counts()).toEqual({ QUEUED: 1 });
    });

    it('is known, and whose it is, without a task for it', async () => {
      const task = queuedTask({ owner: 'alice' });
      expect(await store.knownKey('alice', key)).toBeUndefined();
      await store.insert(requestOf(task), task, key);
      expect(await store.knownKey('alice', key)).toEqual({ kind: 'existing', id: task.id, sameBody: true });
      expect(await store.knownKey('alice', { ...key, bodySha256: 'bb' })).toEqual({ kind: 'existing', id: task.id, sameBody: false });
      expect(await store.knownKey('alice', { ...key, key: 'other' })).toBeUndefined();
      expect(await store.knownKey('bob', key)).toBeUndefined();
      await harness().advance(key.ttlMs + 1);
      expect(await store.knownKey('alice', key)).toBeUndefined();
    });

    it('lets exactly one of many at once in', async () => {
      const tasks = Array.from({ length: 20 }, () => queuedTask());
      const results = await Promise.all(tasks.map((task) => store.insert(requestOf(task), task, key)));
      const winner = tasks[results.findIndex((result) => result.kind === 'inserted')];
      expect(results.filter((result) => result.kind === 'inserted')).toHaveLength(1);
      expect(results.filter((result) => result.kind === 'existing' && result.id === winner?.id && result.sameBody)).toHaveLength(19);
    });

    it('belongs to its owner', async () => {
      const [mine, yours] = [queuedTask({ owner: 'alice' }), queuedTask({ owner: 'bob' })];
      expect(await store.insert(requestOf(mine), mine, key)).toEqual({ kind: 'inserted' });
      expect(await store.insert(requestOf(yours), yours, key)).toEqual({ kind: 'inserted' });
    });

    it('is free again once its time is over, not before', async () => {
      const [first, early, late] = [queuedTask(), queuedTask(), queuedTask()];
      await store.insert(requestOf(first), first, key);
      await harness().advance(key.ttlMs - 5000);
      expect((await store.insert(requestOf(early), early, key)).kind).toBe('existing');
      await harness().advance(5001);
      expect((await store.insert(requestOf(late), late, key)).kind).toBe('inserted');
    });
  });

  describe('update', () => {
    it('replaces the record under its revision, once', async () => {
      const task = queuedTask();
      await store.insert(requestOf(task), task);
      const next: TaskRecord = { ...task, revision: 2, state: 'CANCELED', step: 'done', systemLogs: ['cancelled'], endedAt: 5 };
      expect(await store.update(next, 1)).toBe(true);
      expect(await store.update({ ...next, state: 'COMPLETE' }, 1)).toBe(false);
      expect(await store.getTask(task.id)).toEqual(next);
    });

    it('shows a relaxed change to everybody at once, and keeps its revision', async () => {
      const task = queuedTask();
      await store.insert(requestOf(task), task);
      expect(await store.update({ ...task, revision: 2, name: 'moved' }, 1, 'relaxed')).toBe(true);
      expect(await store.update({ ...task, revision: 2, name: 'late' }, 1, 'relaxed')).toBe(false);
      expect((await store.getTask(task.id))?.name).toBe('moved');
    });

    it('takes away what the next record no longer has', async () => {
      const task = assignedTask(store.now(), {
        boundTo: 'gateway-1',
        notBefore: 5,
        lease: { holder: 'x', until: 1 },
        handle: { backend: 'local', version: 1, step: 'submitted', data: {} },
      });
      await store.insert(requestOf(task), task);
      const bare = without(task, 'backend', 'boundTo', 'dueAt', 'notBefore', 'lease', 'handle');
      await store.update({ ...bare, revision: 2 }, 1);
      expect(await store.getTask(task.id)).toEqual({ ...bare, revision: 2 });
    });

    it('is false for a task that is not there', async () => {
      expect(await store.update(queuedTask({ revision: 2 }), 1)).toBe(false);
    });

    it('refuses a revision that does not grow', async () => {
      const task = queuedTask();
      await store.insert(requestOf(task), task);
      await expect(store.update(task, 1)).rejects.toThrow(RangeError);
    });

    it('lets one of many in a group win, and leaves the neighbours alone', async () => {
      const [contested, ...others] = Array.from({ length: 5 }, () => queuedTask());
      if (contested === undefined) throw new Error('no task');
      await insertAll(store, [contested, ...others]);
      const tries = Array.from({ length: 10 }, (_, index) => store.update({ ...contested, revision: 2, systemLogs: [`try ${index}`] }, 1));
      const rest = others.map((task) => store.update({ ...task, revision: 2, name: 'moved' }, 1));
      const won = await Promise.all(tries);
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(await Promise.all(rest)).toEqual(others.map(() => true));
      expect((await store.getTask(contested.id))?.systemLogs).toEqual([`try ${won.indexOf(true)}`]);
    });

    it('never changes the request', async () => {
      const task = queuedTask();
      await store.insert('{"original":true}', task);
      await store.update({ ...task, revision: 2, name: 'x' }, 1);
      expect((await store.getStored(task.id))?.requestJson).toBe('{"original":true}');
    });
  });

  describe('getTasks', () => {
    it('gives those of many tasks that there are', async () => {
      const left = [{ backend: 'away', attempt: 1 }];
      const tasks = [
        queuedTask(),
        assignedTask(1, { leftBehind: left, jobAttempt: 1, attempt: 2 }),
        queuedTask({ step: 'done', endedAt: 1 }),
      ];
      await insertAll(store, [...tasks, queuedTask()]);
      const found = await store.getTasks([...ids(tasks), 'nobody', "'"]);
      expect(new Map(found.map((task) => [task.id, task]))).toEqual(new Map(tasks.map((task) => [task.id, task])));
      expect(await store.getTasks([])).toEqual([]);
    });
  });

  describe('counters', () => {
    it('follow inserts, moves and deletions, in all, by owner and by group', async () => {
      const mine = [queuedTask({ owner: 'a', groups: ['g', 'h'] }), queuedTask({ owner: 'a' })] as const;
      const yours = queuedTask({ owner: 'b', groups: ['g'] });
      await insertAll(store, [...mine, yours]);
      expect(await store.counts()).toEqual({ QUEUED: 3 });
      await store.update({ ...mine[0], revision: 2, state: 'COMPLETE', step: 'done', endedAt: 10 }, 1);
      await store.update({ ...mine[0], revision: 2, state: 'CANCELED' }, 1);
      expect(await store.counts()).toEqual({ QUEUED: 2, COMPLETE: 1 });
      expect(await store.counts(ownerScope('a'))).toEqual({ QUEUED: 1, COMPLETE: 1 });
      expect(await store.counts(ownerScope('b'))).toEqual({ QUEUED: 1 });
      expect(await store.counts(ownerScope('c'))).toEqual({});
      expect(await store.counts(groupScope('g'))).toEqual({ QUEUED: 1, COMPLETE: 1 });
      expect(await store.counts(groupScope('h'))).toEqual({ COMPLETE: 1 });
      expect(await store.counts(groupScope('a'))).toEqual({});
      expect(await store.deleteFinished(11, 10)).toBe(1);
      expect(await store.counts()).toEqual({ QUEUED: 2 });
      await harness().reopen();
      expect(await harness().store.counts(ownerScope('a'))).toEqual({ QUEUED: 1 });
      expect(await harness().store.counts(groupScope('g'))).toEqual({ QUEUED: 1 });
    });
  });
}

import { StoreError } from '../../../src/ports/errors';
import type { StoredTask } from '../../../src/ports/store/task-records';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { groupScope, ownerScope } from '../../../src/task/scopes';
import type { TaskRecord } from '../../../src/task/task-record';
import { assignedTask, insertAll, queuedTask, requestOf, type TaskStoreHarness, without } from './task-store.fixture';

const ids = (tasks: readonly TaskRecord[]): string[] => tasks.map((task) => task.id);

/** `Upkeep`; part of `taskStoreSuite`. */
export function upkeepSuite(harness: () => TaskStoreHarness): void {
  let store: TaskStore;
  beforeEach(() => {
    store = harness().store;
  });

  describe('listOldest', () => {
    const all = async (limit: number, maxBytes: number): Promise<{ items: StoredTask[]; pages: number }> => {
      const items: StoredTask[] = [];
      for (let [token, pages] = ['', 1]; ; pages += 1) {
        const page = await store.listOldest(token, limit, maxBytes);
        expect(page.items.length).toBeLessThanOrEqual(limit);
        items.push(...page.items);
        token = page.nextPageToken;
        if (token === '') return { items, pages };
      }
    };

    it('gives every task once with its request, oldest first, whatever the page', async () => {
      expect(await all(10, 1e6)).toEqual({ items: [], pages: 1 });
      const tasks = Array.from({ length: 25 }, (_, index) => queuedTask({ owner: `owner-${index % 2}` }));
      await insertAll(store, tasks);
      const expected = tasks.map((task) => ({ task, requestJson: requestOf(task) }));
      for (const limit of [1, 7, 24, 25, 26]) expect((await all(limit, 1e6)).items).toEqual(expected);
    });

    it('ends a page at a number of bytes, with one task at least', async () => {
      const tasks = Array.from({ length: 6 }, () => queuedTask({ tags: { long: 'x'.repeat(5000) } }));
      await insertAll(store, tasks);
      const few = await all(10, 12_000);
      expect([few.items.map(({ task }) => task), few.pages]).toEqual([tasks, 3]);
      expect((await all(10, 1)).pages).toBeGreaterThanOrEqual(6);
      expect((await all(10, 1)).items).toEqual(few.items);
    });
  });

  describe('deleteFinished', () => {
    const done = (endedAt: number, changes: Partial<TaskRecord> = {}): TaskRecord =>
      queuedTask({ state: 'COMPLETE', step: 'done', endedAt, tags: { t: 'v' }, name: 'n', ...changes });

    it('deletes what is done and old enough, oldest first and no more than asked', async () => {
      const tasks = [done(30), done(10), done(20), done(40)];
      const cleaning = queuedTask({ state: 'COMPLETE', step: 'cleanup', endedAt: 1 });
      await insertAll(store, [...tasks, cleaning, queuedTask()]);
      expect(await store.deleteFinished(31, 2)).toBe(2);
      const left = await Promise.all(tasks.map((task) => store.getState(task.id)));
      expect(left).toEqual(['COMPLETE', undefined, undefined, 'COMPLETE']);
      expect(await store.deleteFinished(31, 10)).toBe(1);
      expect(await store.deleteFinished(31, 10)).toBe(0);
      expect(await store.getState(cleaning.id)).toBe('COMPLETE');
      expect(await store.counts()).toEqual({ COMPLETE: 2, QUEUED: 1 });
    });

    it('keeps a task while its idempotency key is young, so that the key stands for it as long as was promised', async () => {
      const key = { key: 'k', bodySha256: 'aa', ttlMs: 60_000 };
      const [keyed, again] = [done(10), done(11)];
      await store.insert(requestOf(keyed), keyed, key);
      await insertAll(store, [done(20), done(30)]);
      expect(await store.deleteFinished(31, 1)).toBe(1);
      expect(await store.deleteFinished(31, 10)).toBe(1);
      expect(await store.deleteFinished(31, 10)).toBe(0);
      expect(await store.getState(keyed.id)).toBe('COMPLETE');
      expect(await store.insert(requestOf(again), again, key)).toEqual({ kind: 'existing', id: keyed.id, sameBody: true });
      await harness().advance(60_001);
      expect(await store.deleteFinished(31, 10)).toBe(1);
      expect(await store.getState(keyed.id)).toBeUndefined();
      expect(await store.insert(requestOf(again), again, key)).toEqual({ kind: 'inserted' });
    });

    it('leaves nothing of a task behind', async () => {
      const task = done(5);
      await store.insert(requestOf(task), task);
      await store.deleteFinished(6, 1);
      expect(await store.getStored(task.id)).toBeUndefined();
      for (const filter of [
        {},
        { tags: [{ key: 't', value: 'v' }] },
        { namePrefix: 'n' },
        { state: 'COMPLETE' as const },
        { scopes: [ownerScope(task.owner)] },
        { scopes: [ownerScope('nobody'), groupScope('g')] },
      ]) {
        expect((await store.listMinimal({ ...filter, pageSize: 5 })).items).toEqual([]);
      }
    });
  });

  describe('what is not done', () => {
    it('is listed by the instance it is bound to', async () => {
      const bound = [assignedTask(1, { boundTo: 'gone' }), assignedTask(1, { boundTo: 'gone', step: 'cleanup', state: 'CANCELED' })];
      await insertAll(store, [
        ...bound,
        assignedTask(1, { boundTo: 'here' }),
        queuedTask({ boundTo: 'gone', step: 'done', state: 'COMPLETE' }),
      ]);
      expect(await store.listBoundTo('gone', 10)).toEqual(bound);
      expect(await store.listBoundTo('gone', 1)).toEqual(bound.slice(0, 1));
      expect(await store.boundInstances()).toEqual(['gone', 'here']);
    });

    it('is listed by the backend that has it, not by the one that it waits for', async () => {
      const on = [
        assignedTask(1, { backend: 'old' }),
        assignedTask(1, { backend: 'old', step: 'cleanup', state: 'CANCELED' }),
        assignedTask(1, { backend: 'old', boundTo: 'gone', lease: { holder: 'x', until: 5 } }),
      ];
      const waits = queuedTask();
      await insertAll(store, [
        ...on,
        assignedTask(1, { backend: 'other' }),
        queuedTask({ backend: 'old', step: 'done', state: 'COMPLETE', endedAt: 1 }),
        { ...waits, needs: { ...waits.needs, backend: 'old' } },
      ]);
      const found = await store.listOnBackend('old', 10);
      expect(new Set(found.map(({ id }) => id))).toEqual(new Set(ids(on)));
      expect(await store.listOnBackend('old', 2)).toHaveLength(2);
      expect(await store.listOnBackend('none', 2)).toEqual([]);
    });

    it('names the backend that it has or waits for', async () => {
      const wanted = queuedTask();
      const waiting = { ...wanted, needs: { ...wanted.needs, backend: 'gone' } };
      const running = assignedTask(store.now());
      await insertAll(store, [waiting, running, queuedTask()]);
      expect(await store.liveBackends()).toEqual(
        new Map([
          ['gone', 1],
          ['local', 1],
        ]),
      );
      const ended: TaskRecord = { ...running, revision: 2, state: 'COMPLETE', step: 'cleanup' };
      await store.update(ended, 1);
      expect(await store.liveBackends()).toEqual(
        new Map([
          ['gone', 1],
          ['local', 1],
        ]),
      );
      await store.update({ ...without(ended, 'dueAt'), revision: 3, step: 'done', endedAt: 1 }, 2);
      await store.update({ ...waiting, revision: 2, state: 'INITIALIZING', step: 'stage-in', backend: 'pulsar' }, 1);
      expect(await store.liveBackends()).toEqual(new Map([['pulsar', 1]]));
    });
  });

  describe('life', () => {
    it('keeps everything over a restart', async () => {
      const tasks = Array.from({ length: 30 }, (_, index) => queuedTask({ name: `n${index}`, tags: { i: String(index) } }));
      await insertAll(store, tasks);
      await insertAll(store, [assignedTask(1, { backend: 'other' })]);
      const again = await harness().reopen();
      for (const task of tasks) expect(await again.getStored(task.id)).toEqual({ task, requestJson: requestOf(task) });
      expect((await again.used(['other'])).get('other')).toEqual({ cpuCores: 1, ramGb: 1, slots: 1 });
      expect(await again.queueClasses()).toMatchObject([{ waiting: 30 }]);
      expect((await again.listMinimal({ state: 'QUEUED', pageSize: 1 })).items).toEqual([[tasks.at(-1)?.id, 'QUEUED']]);
    });

    it('is well while it works, and refuses with StoreError once closed', async () => {
      await expect(store.ping()).resolves.toBeUndefined();
      const task = queuedTask();
      const last = store.insert(requestOf(task), task);
      await store.close();
      await expect(last).resolves.toEqual({ kind: 'inserted' });
      await expect(store.insert('{}', queuedTask())).rejects.toBeInstanceOf(StoreError);
      await expect(store.getTask('x')).rejects.toBeInstanceOf(StoreError);
      await expect(store.ping()).rejects.toBeInstanceOf(StoreError);
      await store.close();
    });
  });
}

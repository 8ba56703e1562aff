import { StoreError } from '../../../src/ports/errors';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { groupScope, ownerScope } from '../../../src/task/scopes';
import type { TaskRecord } from '../../../src/task/task-record';
import { assignedTask, insertAll, MAX_DUE_MS, queuedTask, requestOf, type TaskStoreHarness, without } from './task-store.fixture';

const RUNNING_JOBS = {
  instance: 'i',
  holder: 'h',
  backends: ['local'],
  boundBackends: [],
  steps: ['run'] as const,
  leaseMs: 1000,
  limit: 10,
};

/** Counters, deletion, time, restarts and the end; part of `taskStoreSuite`. */
export function taskStoreLifeSuite(harness: () => TaskStoreHarness): void {
  let store: TaskStore;
  beforeEach(() => {
    store = harness().store;
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

    it('name the backends of live tasks, wanted or given, until they are done', async () => {
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

  describe('time', () => {
    it('goes on, never back', async () => {
      const start = store.now();
      expect(Number.isInteger(start)).toBe(true);
      await harness().advance(1000);
      expect(store.now()).toBeGreaterThanOrEqual(start + 1000);
      const before = store.now();
      harness().changeClock(-3_600_000);
      expect(store.now()).toBeGreaterThanOrEqual(before);
    });

    it('ends at start the leases of a process that is gone, and keeps the other times', async () => {
      const leased = assignedTask(store.now() + 60_000, { lease: { holder: 'dead', until: store.now() + 60_000 } });
      const waiting = assignedTask(store.now() + 60_000);
      await insertAll(store, [leased, waiting]);
      await harness().reopen();
      expect(await harness().store.renew(leased.id, 'dead', 1000)).toBe(false);
      expect((await harness().store.claimDue(RUNNING_JOBS)).map((task) => task.id)).toEqual([leased.id]);
      expect((await harness().store.getTask(waiting.id))?.dueAt).toBe(waiting.dueAt);
    });

    it('makes due at start what a wrong clock had put too far ahead', async () => {
      const soon = assignedTask(store.now() + MAX_DUE_MS - 1000);
      const far = assignedTask(store.now() + MAX_DUE_MS + 60_000, { lease: { holder: 'x', until: store.now() + MAX_DUE_MS + 60_000 } });
      const retried = queuedTask({ notBefore: store.now() + MAX_DUE_MS + 60_000 });
      await insertAll(store, [soon, far, retried]);
      await harness().reopen();
      expect((await harness().store.claimDue(RUNNING_JOBS)).map((task) => task.id)).toEqual([far.id]);
      const [waiting] = await harness().store.queueClasses();
      const head = await harness().store.queueHead({ queueClass: waiting?.key ?? '', limit: 5 });
      expect(head.map(({ task }) => task.id)).toEqual([retried.id]);
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

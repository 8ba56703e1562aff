import { TaskChanges } from '../../../src/engine/task-changes';
import { TaskWriter } from '../../../src/engine/task-writer';
import { giveTasks } from '../../../src/operator/give-tasks';
import { BackendRegistry } from '../../../src/ports/registries';
import type { ListQuery } from '../../../src/ports/store/task-records';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { groupScope, ownerScope } from '../../../src/task/scopes';
import type { TaskRecord } from '../../../src/task/task-record';
import { assignedTask, insertAll, queuedTask, requestOf, type TaskStoreHarness } from './task-store.fixture';

const ANN = 'basic|ann';

/** Tasks that get an owner; part of `taskStoreSuite`. */
export function giveTasksSuite(harness: () => TaskStoreHarness): void {
  let store: TaskStore;
  beforeEach(() => {
    store = harness().store;
  });
  const writer = (): TaskWriter => {
    const changes = new TaskChanges((error) => {
      throw error;
    });
    return new TaskWriter(store, new BackendRegistry([]), changes, Date.now);
  };
  const give = (owner = ANN, from = 'anonymous'): Promise<number> => giveTasks(store, writer(), { from, owner, ownerName: 'Ann' });
  const nobodys = (changes: Partial<TaskRecord> = {}): TaskRecord => queuedTask({ owner: 'anonymous', ...changes });
  const listed = async (filter: Partial<ListQuery>): Promise<string[]> => {
    const { items } = await store.listMinimal({ pageSize: 2000, ...filter });
    return items.map(([id]) => id);
  };

  describe('tasks that are given to somebody', () => {
    it('are found, filtered and counted as the new owner’s, in their places, and nobody else’s are', async () => {
      const tags = { project: 'x' };
      const mine = queuedTask({ owner: ANN, tags });
      const bobs = queuedTask({ owner: 'basic|bob', tags, groups: ['basic|g'] });
      const ended = nobodys({ state: 'COMPLETE', step: 'done', endedAt: 5, tags, name: 'old one' });
      const running = assignedTask(store.now() + 60_000, {
        owner: 'anonymous',
        ownerName: 'x',
        name: 'old two',
        lease: { holder: 'h', until: 9e12 },
      });
      const tasks = [ended, mine, bobs, running, nobodys()];
      for (const task of tasks) await insertAll(store, [task]);
      expect(await give()).toBe(3);

      const [scopes, former] = [[ownerScope(ANN)], [ownerScope('anonymous')]];
      expect(await listed({ scopes })).toEqual([tasks[4]?.id, running.id, mine.id, ended.id]);
      expect(await listed({ scopes, tags: [{ key: 'project', value: 'x' }] })).toEqual([mine.id, ended.id]);
      expect(await listed({ scopes, namePrefix: 'old' })).toEqual([running.id, ended.id]);
      expect(await listed({ scopes, state: 'RUNNING' })).toEqual([running.id]);
      expect([await listed({ scopes: former }), await store.getState(ended.id, former)]).toEqual([[], undefined]);
      expect(await store.getTask(running.id, scopes)).toEqual({ ...running, owner: ANN, ownerName: 'Ann', revision: running.revision + 1 });
      expect(await store.getStored(ended.id, scopes)).toMatchObject({ task: { owner: ANN }, requestJson: requestOf(ended) });
      expect(await store.counts(ownerScope(ANN))).toEqual({ QUEUED: 2, RUNNING: 1, COMPLETE: 1 });
      expect(await store.counts(ownerScope('anonymous'))).toEqual({});
      expect(await store.counts(ownerScope('basic|bob'))).toEqual({ QUEUED: 1 });
      expect(await store.counts(groupScope('basic|g'))).toEqual({ QUEUED: 1 });
      expect(await store.counts()).toEqual({ QUEUED: 3, RUNNING: 1, COMPLETE: 1 });
    });

    it('go on: what becomes of them counts for the new owner, also when they are deleted', async () => {
      const running = assignedTask(store.now(), { owner: 'anonymous' });
      await insertAll(store, [running]);
      await give();
      const given = await store.getTask(running.id);
      const { dueAt: _dueAt, ...rest } = given!;
      const ended = { ...rest, state: 'COMPLETE' as const, step: 'done' as const, endedAt: 5, revision: rest.revision + 1 };
      expect(await store.update(ended, rest.revision)).toBe(true);
      expect(await store.counts(ownerScope(ANN))).toEqual({ COMPLETE: 1 });
      expect(await store.deleteFinished(10, 10)).toBe(1);
      expect(await store.counts(ownerScope(ANN))).toEqual({});
    });

    it('are not changed by whoever saw them before', async () => {
      const running = assignedTask(store.now(), { owner: 'anonymous' });
      await insertAll(store, [running]);
      await give();
      expect(await store.update({ ...running, state: 'CANCELING', step: 'cancel', revision: 2 }, 1)).toBe(false);
      expect(await store.give({ ...running, owner: 'basic|bob', revision: 2 }, 1)).toBe(false);
      expect(await store.give({ ...nobodys(), owner: 'basic|bob', revision: 2 }, 1)).toBe(false);
      expect(await store.counts(ownerScope(ANN))).toEqual({ RUNNING: 1 });
      expect(await store.counts(ownerScope('basic|bob'))).toEqual({});
    });

    it('are all that there are, however many, and done again it is none', async () => {
      await insertAll(
        store,
        Array.from({ length: 1203 }, () => nobodys()),
      );
      expect(await give()).toBe(1203);
      expect(await give()).toBe(0);
      expect(await give('basic|bob', ANN)).toBe(1203);
      expect(await store.counts(ownerScope('basic|bob'))).toEqual({ QUEUED: 1203 });
      expect(await store.counts(ownerScope(ANN))).toEqual({});
    });

    it('are given to nobody who cannot log in under that name', async () => {
      await insertAll(store, [nobodys()]);
      for (const owner of ['ann', 'basic|', '|ann', 'anonymous', 'basic|\ud800', `basic|${'x'.repeat(1000)}`])
        await expect(give(owner)).rejects.toThrow(/nobody is called/);
      await expect(give(ANN, ANN)).rejects.toThrow(/its own already/);
      expect(await store.counts(ownerScope('anonymous'))).toEqual({ QUEUED: 1 });
    });
  });
}

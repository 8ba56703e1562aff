import type { ClaimQuery } from '../../../src/ports/store/due-tasks';
import type { TaskStore } from '../../../src/ports/store/task-store';
import type { TaskRecord } from '../../../src/task/task-record';
import { assignedTask, insertAll, queuedTask, requestOf, type TaskStoreHarness, without } from './task-store.fixture';

const CLAIM: ClaimQuery = {
  instance: 'gateway-1',
  holder: 'gateway-1/reconciler',
  backends: ['local'],
  boundBackends: [],
  steps: ['run'],
  leaseMs: 30_000,
  limit: 10,
};
const ids = (tasks: readonly TaskRecord[]): string[] => tasks.map((task) => task.id);

/** `DueTasks`; part of `taskStoreSuite`. */
export function dueTasksSuite(harness: () => TaskStoreHarness): void {
  let store: TaskStore;
  beforeEach(() => {
    store = harness().store;
  });

  describe('claimDue', () => {
    it('takes what is due, oldest due first, with lease, new dueAt and revision', async () => {
      const now = store.now();
      const tasks = [assignedTask(now - 10), assignedTask(now - 30), assignedTask(now - 20), assignedTask(now + 60_000)];
      await insertAll(store, tasks);
      const claimed = await store.claimDue(CLAIM);
      expect(ids(claimed)).toEqual([tasks[1]?.id, tasks[2]?.id, tasks[0]?.id]);
      for (const task of claimed) {
        expect(task.lease?.holder).toBe(CLAIM.holder);
        expect(task.lease?.until).toBeGreaterThanOrEqual(now + CLAIM.leaseMs);
        expect(task.dueAt).toBe(task.lease?.until);
        expect(task.revision).toBe(2);
        expect(await store.getTask(task.id)).toEqual(task);
      }
    });

    it('takes no more than the limit and leaves the rest due', async () => {
      const now = store.now();
      await insertAll(
        store,
        Array.from({ length: 7 }, (_, index) => assignedTask(now - index)),
      );
      expect(await store.claimDue({ ...CLAIM, limit: 5 })).toHaveLength(5);
      expect(await store.claimDue({ ...CLAIM, limit: 5 })).toHaveLength(2);
      expect(await store.claimDue({ ...CLAIM, limit: 5 })).toHaveLength(0);
    });

    it('never gives the same task to two callers', async () => {
      const now = store.now();
      const tasks = Array.from({ length: 60 }, () => assignedTask(now - 1));
      await insertAll(store, tasks);
      const callers = Array.from({ length: 30 }, (_, index) => store.claimDue({ ...CLAIM, holder: `holder-${index}`, limit: 4 }));
      const claimed = (await Promise.all(callers)).flat();
      expect(ids(claimed).sort()).toEqual(ids(tasks).sort());
    });

    it('loses to an update that came first, and makes a later one on the old revision lose', async () => {
      const now = store.now();
      const [first, second] = [assignedTask(now - 2), assignedTask(now - 1)];
      await insertAll(store, [first, second]);
      const moved = await store.update({ ...first, revision: 2, dueAt: now + 60_000 }, 1);
      const claimed = await store.claimDue(CLAIM);
      const late = await store.update({ ...second, revision: 2 }, 1);
      expect([moved, ids(claimed), late]).toEqual([true, [second.id], false]);
    });

    it('lets either an update or a claim win that are made at once', async () => {
      const task = assignedTask(store.now() - 1);
      await store.insert(requestOf(task), task);
      const [updated, claimed] = await Promise.all([
        store.update({ ...task, revision: 2, dueAt: store.now() + 60_000 }, 1),
        store.claimDue(CLAIM),
      ]);
      expect([updated, claimed.length]).toEqual(updated ? [true, 0] : [false, 1]);
    });

    it('gives a task again when its lease is over', async () => {
      const task = assignedTask(store.now());
      await store.insert(requestOf(task), task);
      expect(await store.claimDue(CLAIM)).toHaveLength(1);
      await harness().advance(CLAIM.leaseMs - 5000);
      expect(await store.claimDue({ ...CLAIM, holder: 'other' })).toHaveLength(0);
      await harness().advance(5001);
      expect((await store.claimDue({ ...CLAIM, holder: 'other' }))[0]?.revision).toBe(3);
    });

    it('waits for a lease that outlasts dueAt', async () => {
      const now = store.now();
      const task = assignedTask(now - 1, { lease: { holder: 'x', until: now + 5000 } });
      await store.insert(requestOf(task), task);
      expect(await store.claimDue(CLAIM)).toEqual([]);
      expect(await store.nextDue(CLAIM)).toBe(now + 5000);
      await harness().advance(5001);
      expect(ids(await store.claimDue(CLAIM))).toEqual([task.id]);
    });

    it('leaves other steps, other backends, other instances and the queue alone', async () => {
      const due = store.now() - 1;
      const mine = assignedTask(due, { backend: 'bound', boundTo: 'gateway-1' });
      await insertAll(store, [
        assignedTask(due, { step: 'stage-out' }),
        assignedTask(due, { backend: 'removed' }),
        assignedTask(due, { backend: 'bound', boundTo: 'gateway-2' }),
        assignedTask(due, { backend: 'bound' }),
        queuedTask(),
        mine,
      ]);
      const query = { ...CLAIM, boundBackends: ['bound'] };
      expect(await store.nextDue(query)).toBe(due);
      expect(ids(await store.claimDue(query))).toEqual([mine.id]);
      expect(ids(await store.claimDue({ ...query, steps: ['stage-out', 'submit'] }))).toHaveLength(1);
      expect(await store.claimDue({ ...query, backends: [], boundBackends: [], steps: ['run', 'stage-out'] })).toEqual([]);
    });

    it('takes what is due of several steps and backends, and of none, in one call', async () => {
      const now = store.now();
      const due = [
        assignedTask(now - 3, { step: 'stage-out' }),
        assignedTask(now - 4, { backend: 'other' }),
        without(assignedTask(now - 2), 'backend'),
        assignedTask(now - 1, { backend: 'bound', boundTo: 'gateway-1' }),
        assignedTask(now - 5),
      ];
      await insertAll(store, [...due, assignedTask(now + 60_000, { step: 'stage-out', backend: 'other' })]);
      const query: ClaimQuery = { ...CLAIM, backends: ['local', 'other'], boundBackends: ['bound'], steps: ['run', 'stage-out'] };
      expect(await store.nextDue(query)).toBe(now - 5);
      expect(ids(await store.claimDue(query))).toEqual([4, 1, 0, 2, 3].map((at) => due[at]?.id));
      expect(await store.claimDue(query)).toEqual([]);
    });

    it('does nothing without steps', async () => {
      await insertAll(store, [assignedTask(store.now())]);
      expect(await store.claimDue({ ...CLAIM, steps: [] })).toEqual([]);
      expect(await store.nextDue({ ...CLAIM, steps: [] })).toBeUndefined();
    });
  });

  describe('places', () => {
    const due = (backend: string, agoMs: number): TaskRecord => assignedTask(store.now() - agoMs, { backend });

    it('take of each backend no more than it has, and look past what is over', async () => {
      const hanging = Array.from({ length: 30 }, (_, index) => due('hanging', 1000 + index));
      const healthy = [due('healthy', 20), due('healthy', 10)];
      await insertAll(store, [...hanging, ...healthy]);
      const query = { ...CLAIM, backends: ['hanging', 'healthy'], limit: 8, places: new Map([['hanging', 3]]) };
      const oldest = hanging.slice(-3).reverse();
      const wanted = [...oldest, ...healthy].map(({ id }) => id);
      expect(ids(await store.readDue(query))).toEqual(wanted);
      expect(ids(await store.claimDue(query)).sort()).toEqual([...wanted].sort());
    });

    it('are shared by the steps of one backend', async () => {
      const tasks = [30, 20, 10].flatMap((ago) => [due('local', ago), { ...due('local', ago + 1), step: 'stage-out' as const }]);
      await insertAll(store, tasks);
      const query: ClaimQuery = { ...CLAIM, steps: ['run', 'stage-out'], places: new Map([['local', 4]]) };
      expect(await store.claimDue(query)).toHaveLength(4);
    });
  });

  describe('readDue and postpone', () => {
    it('give what is due as it is, and put it off without a new revision', async () => {
      const [task, later] = [assignedTask(store.now() - 1000), assignedTask(store.now() + 60_000)];
      await insertAll(store, [task, later]);
      expect(await store.readDue(CLAIM)).toEqual([task]);
      const until = store.now() + 5000;
      await store.postpone([{ id: task.id, revision: 1, dueAt: task.dueAt ?? 0, until }]);
      expect(await store.readDue(CLAIM)).toEqual([]);
      expect((await store.getTask(task.id))?.revision).toBe(1);
      expect(await store.nextDue(CLAIM)).toBe(until);
    });

    it('leave alone what has changed', async () => {
      const task = assignedTask(store.now() - 2);
      await insertAll(store, [task]);
      await store.update({ ...task, revision: 2 }, 1);
      await store.postpone([{ id: task.id, revision: 1, dueAt: task.dueAt ?? 0, until: store.now() + 9000 }]);
      expect(ids(await store.readDue(CLAIM))).toEqual([task.id]);
    });

    it('leave alone what another one has put off', async () => {
      const task = assignedTask(store.now() - 1);
      await insertAll(store, [task]);
      const [first, second] = [5000, 90_000].map((ms) => store.now() + ms);
      for (const until of [first, second]) await store.postpone([{ id: task.id, revision: 1, dueAt: task.dueAt ?? 0, until: until ?? 0 }]);
      expect(await store.nextDue(CLAIM)).toBe(first);
    });

    it('do not give what is leased', async () => {
      await insertAll(store, [assignedTask(store.now() - 1, { lease: { holder: 'x', until: store.now() + 5000 } })]);
      expect(await store.readDue(CLAIM)).toEqual([]);
    });
  });

  describe('nextDue', () => {
    it('is the earliest of what claimDue would take', async () => {
      const now = store.now();
      expect(await store.nextDue(CLAIM)).toBeUndefined();
      await insertAll(store, [
        assignedTask(now + 9000),
        assignedTask(now + 7000, { step: 'stage-in' }),
        assignedTask(now + 1, { backend: 'no' }),
      ]);
      expect(await store.nextDue(CLAIM)).toBe(now + 9000);
      expect(await store.nextDue({ ...CLAIM, steps: ['run', 'stage-in'] })).toBe(now + 7000);
      // What is another instance's is not waited for.
      await insertAll(store, [
        assignedTask(now + 2000, { backend: 'bound', boundTo: 'gateway-2' }),
        assignedTask(now + 5000, { backend: 'bound', boundTo: 'gateway-1' }),
      ]);
      expect(await store.nextDue({ ...CLAIM, boundBackends: ['bound'] })).toBe(now + 5000);
    });

    it('moves with a claim, a renewal and an update', async () => {
      const task = assignedTask(store.now());
      await store.insert(requestOf(task), task);
      const [claimed] = await store.claimDue(CLAIM);
      if (claimed === undefined) throw new Error('nothing claimed');
      expect(await store.nextDue(CLAIM)).toBe(claimed.dueAt);
      await store.renew(task.id, CLAIM.holder, 90_000);
      expect(await store.nextDue(CLAIM)).toBeGreaterThan(claimed.dueAt ?? 0);
      const done = without(claimed, 'lease', 'dueAt');
      await store.update({ ...done, revision: 3, state: 'COMPLETE', step: 'done', endedAt: 1 }, 2);
      expect(await store.nextDue({ ...CLAIM, steps: ['run', 'done'] })).toBeUndefined();
    });
  });

  describe('renew', () => {
    it('pushes lease and dueAt forward and keeps the revision', async () => {
      const task = assignedTask(store.now());
      await store.insert(requestOf(task), task);
      const [claimed] = await store.claimDue(CLAIM);
      await harness().advance(10_000);
      expect(await store.renew(task.id, CLAIM.holder, CLAIM.leaseMs)).toBe(true);
      const renewed = await store.getTask(task.id);
      expect(renewed?.revision).toBe(2);
      expect(renewed?.lease?.until).toBeGreaterThanOrEqual((claimed?.lease?.until ?? 0) + 10_000);
      expect(renewed?.dueAt).toBe(renewed?.lease?.until);
    });

    it('is false for another holder, no lease and no task, and changes nothing', async () => {
      const [leased, bare] = [assignedTask(store.now()), assignedTask(store.now() + 60_000)];
      await insertAll(store, [leased, bare]);
      const [claimed] = await store.claimDue(CLAIM);
      expect(await store.renew(leased.id, 'other', 99_000)).toBe(false);
      expect(await store.renew(bare.id, CLAIM.holder, 99_000)).toBe(false);
      expect(await store.renew('nobody', CLAIM.holder, 99_000)).toBe(false);
      expect(await store.getTask(leased.id)).toEqual(claimed);
    });
  });

  describe('cancelingAmong', () => {
    it('tells tasks that are being cancelled from others', async () => {
      const canceling = assignedTask(1, { state: 'CANCELING', step: 'cancel' });
      const others = [assignedTask(1), queuedTask({ state: 'CANCELED', step: 'done', endedAt: 1 }), queuedTask()];
      await insertAll(store, [canceling, ...others]);
      expect(await store.cancelingAmong([...ids(others), canceling.id, 'nobody'])).toEqual(new Set([canceling.id]));
      expect(await store.cancelingAmong([])).toEqual(new Set());
    });
  });
}

import type { TaskStore } from '../../../src/ports/store/task-store';
import { assignedTask, insertAll, MAX_DUE_MS, queuedTask, type TaskStoreHarness } from './task-store.fixture';

const RUNNING_JOBS = {
  instance: 'i',
  holder: 'h',
  backends: ['local'],
  boundBackends: [],
  steps: ['run'] as const,
  leaseMs: 1000,
  limit: 10,
};

/** `StoreClock`; part of `taskStoreSuite`. */
export function storeClockSuite(harness: () => TaskStoreHarness): void {
  let store: TaskStore;
  beforeEach(() => {
    store = harness().store;
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
}

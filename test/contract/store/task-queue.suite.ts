import type { AssignResult, QueueQuery, SizeRange } from '../../../src/ports/store/task-queue';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { queueClass } from '../../../src/task/queue-class';
import { type Amounts, type Capacity, NOTHING } from '../../../src/task/amounts';
import type { TaskNeeds, TaskRecord } from '../../../src/task/task-record';
import { assignedTask, insertAll, queuedTask, requestOf, type TaskStoreHarness, without } from './task-store.fixture';

const ids = (tasks: readonly TaskRecord[]): string[] => tasks.map((task) => task.id);

/** What waits, and the room that what was assigned uses; part of `taskStoreSuite`. */
export function taskQueueSuite(harness: () => TaskStoreHarness): void {
  let store: TaskStore;
  beforeEach(() => {
    store = harness().store;
  });

  describe('the queue', () => {
    const needing = (changes: Partial<TaskNeeds>): TaskRecord => {
      const task = queuedTask();
      return { ...task, needs: { ...task.needs, ...changes } };
    };
    const plain = queueClass(queuedTask().needs);
    const head = async (query: Partial<QueueQuery> = {}): Promise<string[]> =>
      ids((await store.queueHead({ queueClass: plain, limit: 10, ...query })).map(({ task }) => task));

    it('is told by class: how many wait, and the place and the time of the oldest', async () => {
      expect(await store.queueClasses()).toEqual([]);
      const [first, big, second] = [queuedTask({ queuedAt: 500 }), needing({ cpuCores: 8 }), queuedTask({ queuedAt: 400 })];
      for (const task of [first, big, second, assignedTask(store.now()), queuedTask({ state: 'CANCELED', step: 'done' })]) {
        await store.insert(requestOf(task), task);
      }
      const [bigs, plains] = (await store.queueClasses()).toSorted((one, other) => one.waiting - other.waiting);
      const [oldest] = await store.queueHead({ queueClass: plain, limit: 1 });
      expect(plains).toEqual({ key: plain, waiting: 2, place: oldest?.place, since: 500 });
      expect(bigs).toMatchObject({ key: queueClass(big.needs), waiting: 1, since: big.createdAt });
      expect([oldest?.task, (plains?.place ?? '') < (bigs?.place ?? '')]).toEqual([first, true]);
      await store.update({ ...big, state: 'CANCELED', step: 'done', endedAt: 1, revision: 2 }, 1);
      expect((await store.queueClasses()).map(({ key }) => key)).toEqual([plain]);
    });

    it('gives the oldest of a class, no more than asked, from a place on', async () => {
      const tasks = [queuedTask(), queuedTask(), queuedTask()];
      await insertAll(store, [assignedTask(store.now()), ...tasks, needing({ backend: 'other' })]);
      expect(await head()).toEqual(ids(tasks));
      const [first, second] = await store.queueHead({ queueClass: plain, limit: 2 });
      expect([first?.task, second?.task]).toEqual(tasks.slice(0, 2));
      expect(await head({ after: second?.place ?? '' })).toEqual(ids(tasks).slice(2));
      expect(await head({ queueClass: 'nobody' })).toEqual([]);
    });

    it('has nothing of a task in a pause until its notBefore has passed', async () => {
      const task = queuedTask({ notBefore: store.now() + 5000 });
      await store.insert(requestOf(task), task);
      expect([await store.queueClasses(), await head()]).toEqual([[], []]);
      expect((await store.queueOutlook()).nextNotBefore).toBe(task.notBefore);
      await harness().advance(5001);
      expect(await store.queueClasses()).toMatchObject([{ key: plain, waiting: 1 }]);
      expect(await head()).toEqual([task.id]);
      expect(await store.getTask(task.id)).toEqual(without(task, 'notBefore'));
      expect(await store.queueOutlook()).toEqual({ since: task.createdAt, length: 1 });
    });

    it('is not held up by any number of pauses', async () => {
      const paused = Array.from({ length: 600 }, () => queuedTask({ notBefore: store.now() + 60_000 }));
      const free = queuedTask();
      await insertAll(store, [...paused, free]);
      expect(await store.queueClasses()).toMatchObject([{ key: plain }]);
      expect(await head()).toEqual([free.id]);
    });

    it('follows a task whose class becomes another one', async () => {
      const task = queuedTask();
      await store.insert(requestOf(task), task);
      const next = { ...task, needs: { ...task.needs, reaches: { here: true } }, revision: 2 };
      await store.update(next, 1);
      expect(await store.queueClasses()).toMatchObject([{ key: queueClass(next.needs), waiting: 1 }]);
      expect(await head()).toEqual([]);
    });

    it('gives only what one of the rooms has place for', async () => {
      const sizes: readonly (readonly [number, number])[] = [
        [3, 7],
        [4, 5],
        [2.5, 8],
        [2.1, 4.1],
      ];
      const tasks = sizes.map(([cpuCores, ramGb]) => needing({ cpuCores, ramGb }));
      const key = queueClass({ ...queuedTask().needs, cpuCores: 3, ramGb: 7 });
      await insertAll(store, tasks);
      const of = async (fits: NonNullable<QueueQuery['fits']>): Promise<number[]> =>
        (await head({ queueClass: key, fits })).map((id) => ids(tasks).indexOf(id));
      expect(await of([{ cpuCores: 3, ramGb: 7 }])).toEqual([0, 3]);
      expect(await of([{ cpuCores: 2.5 }])).toEqual([2, 3]);
      // Neither room has place for 3 cores with 7 GB, though both together have.
      expect(await of([{ cpuCores: 2.5 }, { ramGb: 5 }])).toEqual([1, 2, 3]);
      expect(await of([{}])).toEqual([0, 1, 2, 3]);
      // What is more than a corner says, in each.
      expect(await of([{ above: { ramGb: 5 } }])).toEqual([0, 2]);
      expect(await of([{ cpuCores: 3, above: { cpuCores: 2.5, ramGb: 4 } }])).toEqual([0]);
      expect(await of([{ ramGb: 5 }, { cpuCores: 2.5, above: { ramGb: 7.5 } }])).toEqual([1, 2, 3]);
      expect([await of([]), await of([{ cpuCores: 2 }])]).toEqual([[], []]);
    });

    it('gives only what there is disk for; what asks for none fits anywhere', async () => {
      const disks = [undefined, 20, 30];
      const tasks = disks.map((diskGb) => {
        const task = queuedTask();
        return { ...task, needs: { ...task.needs, ...(diskGb !== undefined && { diskGb }) } };
      });
      for (const task of tasks) await store.insert(requestOf(task), task);
      const found = async (fits: SizeRange[]): Promise<number[]> => {
        const keys = (await store.queueClasses()).map(({ key }) => key);
        const heads = await Promise.all(keys.map((queueClass) => store.queueHead({ queueClass, limit: 10, fits })));
        return heads.flatMap((head) => head.map(({ task }) => tasks.findIndex(({ id }) => id === task.id))).sort();
      };
      expect(await found([{ diskGb: 25 }])).toEqual([0, 1]);
      expect(await found([{ diskGb: 1 }, { diskGb: 30, above: { diskGb: 20 } }])).toEqual([0, 2]);
      expect(await found([{ gpus: 0 }])).toEqual([0, 1, 2]);
    });

    it('says how long it is and since when', async () => {
      expect(await store.queueOutlook()).toEqual({ length: 0 });
      await insertAll(store, [assignedTask(store.now()), queuedTask({ queuedAt: 900 }), queuedTask({ queuedAt: 800 })]);
      expect(await store.queueOutlook()).toEqual({ since: 800, length: 2 });
    });

    it('gives what is queued since before a time, longest first', async () => {
      const tasks = [300, 100, 200, 400].map((queuedAt) =>
        queuedTask({ queuedAt, ...(queuedAt === 100 && { notBefore: store.now() + 9000 }) }),
      );
      await insertAll(store, tasks);
      expect(ids(await store.queuedBefore(400, 10))).toEqual([1, 2, 0].map((at) => tasks[at]?.id));
      expect(await store.queuedBefore(400, 1)).toEqual([tasks[1]]);
    });
  });

  describe('room', () => {
    const CAPACITY = { cpuCores: 4, ramGb: 8 };
    const made = async (cpuCores: number, ramGb = 1): Promise<TaskRecord> => {
      const task = queuedTask();
      const sized = { ...task, needs: { ...task.needs, cpuCores, ramGb } };
      await store.insert(requestOf(sized), sized);
      return sized;
    };
    const on = (task: TaskRecord, backend = 'local', changes: Partial<TaskRecord> = {}): TaskRecord => ({
      ...task,
      state: 'INITIALIZING',
      step: 'stage-in',
      attempt: 1,
      backend,
      dueAt: 1,
      revision: task.revision + 1,
      ...changes,
    });
    const assign = async (task: TaskRecord, capacity: Capacity = CAPACITY, backend = 'local'): Promise<AssignResult> =>
      store.assign(on(task, backend), task.revision, capacity, 'relaxed');
    const used = async (key = 'local'): Promise<Amounts> => (await store.used([key])).get(key) ?? NOTHING;

    it('is never overfilled, however many ask at once, and nothing of what is refused is written', async () => {
      const tasks = await Promise.all(Array.from({ length: 10 }, () => made(1)));
      const results = await Promise.all(tasks.map((task) => assign(task)));
      expect(results.filter((result) => result === 'assigned')).toHaveLength(4);
      expect(await used()).toEqual({ cpuCores: 4, ramGb: 4, slots: 4 });
      expect((await store.counts())['QUEUED']).toBe(6);
      const [refused] = tasks.filter((_, index) => results[index] === 'full');
      expect(await store.getTask(refused?.id ?? '')).toEqual(refused);
    });

    it('is free while outputs wait for their storage, and is used again by the fence of a cancelled task', async () => {
      const task = await made(3);
      expect(await assign(task)).toBe('assigned');
      const waiting = on(task, 'local', { state: 'RUNNING', step: 'await-storage', revision: 3 });
      expect(await store.update(waiting, 2)).toBe(true);
      expect(await used()).toEqual(NOTHING);
      expect(await assign(await made(4))).toBe('assigned');
      expect(await store.update({ ...waiting, state: 'CANCELING', step: 'cancel', revision: 4 }, 3)).toBe(true);
      expect(await used()).toEqual({ cpuCores: 7, ramGb: 2, slots: 2 });
      expect(await store.update({ ...waiting, state: 'CANCELED', step: 'done', revision: 5 }, 4)).toBe(true);
      expect(await used()).toEqual({ cpuCores: 4, ramGb: 1, slots: 1 });
    });

    it('counts every amount and the slots; what is absent is unlimited', async () => {
      expect(await assign(await made(1, 8))).toBe('assigned');
      expect(await assign(await made(1, 0.5))).toBe('full');
      expect(await assign(await made(1, 0.5), { ...CAPACITY, slots: 1 }, 'other')).toBe('assigned');
      expect(await assign(await made(1, 0.5), { ...CAPACITY, slots: 1 }, 'other')).toBe('full');
      expect(await assign(await made(1, 0.5), { slots: 0 }, 'none')).toBe('full');
      expect(await assign(await made(1e6, 1e6), {}, 'endless')).toBe('assigned');
      expect(await assign(await made(1e6, 1e6), { ramGb: 3e6 }, 'endless')).toBe('assigned');
    });

    it('counts disk and GPUs for what asks for them', async () => {
      const capacity = { ...CAPACITY, diskGb: 100, gpus: 2 };
      const sized = await Promise.all(
        [{ diskGb: 60, gpus: 1 }, { diskGb: 60 }, { gpus: 2 }, { diskGb: 40, gpus: 1 }].map(async (more) => {
          const task = queuedTask();
          const one = { ...task, needs: { ...task.needs, ...more } };
          await store.insert(requestOf(one), one);
          return one;
        }),
      );
      const results: AssignResult[] = [];
      for (const task of sized) results.push(await assign(task, capacity));
      expect(results).toEqual(['assigned', 'full', 'full', 'assigned']);
      expect(await used()).toEqual({ cpuCores: 2, ramGb: 2, diskGb: 100, gpus: 2, slots: 2 });
      await harness().reopen();
      store = harness().store;
      const first = on(sized[0] as TaskRecord);
      expect(await store.update({ ...first, state: 'COMPLETE', step: 'cleanup', revision: 3 }, 2)).toBe(true);
      expect(await used()).toEqual({ cpuCores: 1, ramGb: 1, diskGb: 40, gpus: 1, slots: 1 });
    });

    it('adds up fractions as people do', async () => {
      // 0.1 + 0.1 + 0.1 is a little more than 0.3 for the machine.
      const third = { cpuCores: 0.3, ramGb: 0.3 };
      for (let index = 0; index < 3; index += 1) expect(await assign(await made(0.1, 0.1), third)).toBe('assigned');
      expect(await assign(await made(0.1, 0.1), third)).toBe('full');
    });

    it('is not taken for a task that somebody else was faster to change', async () => {
      const task = await made(3);
      const [one, other] = await Promise.all([assign(task), store.update({ ...task, state: 'CANCELED', step: 'done', revision: 2 }, 1)]);
      expect([one, other]).toEqual(one === 'assigned' ? ['assigned', false] : ['lost', true]);
      expect((await used()).slots ?? 0).toBe(one === 'assigned' ? 1 : 0);
      const again = await made(0.5);
      const both = await Promise.all([assign(again), assign(again)]);
      expect(both.toSorted()).toEqual(['assigned', 'lost']);
      expect((await used()).slots).toBe(one === 'assigned' ? 2 : 1);
    });

    it('is used while a backend has the task, and free from its end or its return to the queue, whoever makes that change', async () => {
      const [ends, returns, moves] = [await made(1), await made(1), await made(1)];
      for (const task of [ends, returns, moves]) await assign(task);
      const running = on(ends, 'local', { state: 'RUNNING', step: 'run', revision: 3 });
      await store.update(running, 2);
      await store.update({ ...running, state: 'CANCELING', step: 'cancel', revision: 4 }, 3);
      expect((await used()).slots).toBe(3);
      await store.update({ ...running, state: 'CANCELED', step: 'cleanup', revision: 5 }, 4);
      await store.update({ ...returns, attempt: 1, revision: 3 }, 2);
      expect(await used()).toEqual({ cpuCores: 1, ramGb: 1, slots: 1 });
      await store.update(on(moves, 'other', { attempt: 2, revision: 3 }), 2);
      expect([await used(), (await used('other')).slots]).toEqual([NOTHING, 1]);
    });

    it('is that of an instance where the task is bound to one, and of what it was given', async () => {
      const task = await made(3, 4);
      const bound = on(task, 'local', { boundTo: 'gateway-1', given: { cpuCores: 2, ramGb: 3 } });
      expect(await store.assign(bound, 1, { cpuCores: 2, ramGb: 3 })).toBe('assigned');
      expect([await used('local@gateway-1'), await used()]).toEqual([{ cpuCores: 2, ramGb: 3, slots: 1 }, NOTHING]);
      await store.update({ ...bound, state: 'COMPLETE', step: 'cleanup', revision: 3 }, 2);
      expect(await used('local@gateway-1')).toEqual(NOTHING);
    });

    it('is used by a task that comes into the store as under way, and more than there is by such tasks', async () => {
      await insertAll(store, [assignedTask(1), assignedTask(1), assignedTask(1, { state: 'COMPLETE', step: 'cleanup' })]);
      expect((await used()).slots).toBe(2);
      expect(await assign(await made(1), { cpuCores: 1 })).toBe('full');
    });
  });
}

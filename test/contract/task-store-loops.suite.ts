import type { AssignResult, ClaimQuery, QueueQuery, TaskStore } from '../../src/ports/task-store';
import { queueClass } from '../../src/task/queue-class';
import { type Amounts, type Capacity, NOTHING } from '../../src/task/room';
import type { TaskNeeds, TaskRecord } from '../../src/task/task-record';
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

/** The queue, what is due, and room; part of `taskStoreSuite`. */
export function taskStoreLoopsSuite(harness: () => TaskStoreHarness): void {
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
      expect([await of([]), await of([{ cpuCores: 2 }])]).toEqual([[], []]);
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

    it('counts every amount and the slots; what is absent is unlimited', async () => {
      expect(await assign(await made(1, 8))).toBe('assigned');
      expect(await assign(await made(1, 0.5))).toBe('full');
      expect(await assign(await made(1, 0.5), { ...CAPACITY, slots: 1 }, 'other')).toBe('assigned');
      expect(await assign(await made(1, 0.5), { ...CAPACITY, slots: 1 }, 'other')).toBe('full');
      expect(await assign(await made(1, 0.5), { slots: 0 }, 'none')).toBe('full');
      expect(await assign(await made(1e6, 1e6), {}, 'endless')).toBe('assigned');
      expect(await assign(await made(1e6, 1e6), { ramGb: 3e6 }, 'endless')).toBe('assigned');
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
      expect((await used()).slots).toBe(one === 'assigned' ? 1 : 0);
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

  describe('cancelingAmong', () => {
    it('tells tasks that are being cancelled from others', async () => {
      const canceling = assignedTask(1, { state: 'CANCELING', step: 'cancel' });
      const others = [assignedTask(1), queuedTask({ state: 'CANCELED', step: 'done', endedAt: 1 }), queuedTask()];
      await insertAll(store, [canceling, ...others]);
      expect(await store.cancelingAmong([...ids(others), canceling.id, 'nobody'])).toEqual(new Set([canceling.id]));
      expect(await store.cancelingAmong([])).toEqual(new Set());
    });
  });

  describe('getTasks and listBoundTo', () => {
    it('give those of many tasks that there are', async () => {
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

    it('list what is bound to an instance and not done', async () => {
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

    it('list what a backend has, not what only waits for it or is done', async () => {
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
  });
}

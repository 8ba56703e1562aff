import { mongo } from 'mongoose';
import { MongoConnection } from '../../../src/stores/mongo/mongo-connection';
import type { MongoTaskStore } from '../../../src/stores/mongo/mongo-task-store';
import { checkRooms } from '../../../src/stores/mongo/room-check';
import { queueClass } from '../../../src/task/queue-class';
import { type Amounts, NOTHING } from '../../../src/task/amounts';
import type { TaskRecord } from '../../../src/task/task-record';
import { describeMongo } from '../../system/mongo/mongo';
import { ownDatabase } from './mongo-store.fixture';
import { assignedTask, insertAll, queuedTask } from './task-store.fixture';

interface Room {
  readonly _id: string;
  readonly used: Amounts;
}
const ONE: Amounts = { cpuCores: 1, ramGb: 1, slots: 1 };

/** Room in use where several gateways share a store and die, and databases of the first version. */
describeMongo('room and classes', (url) => {
  const own = ownDatabase(url);
  const rooms = () => own.connection.collection<Room>('rooms');
  const used = async (store: MongoTaskStore): Promise<Amounts> => (await store.used(['local'])).get('local') ?? NOTHING;
  const taken = (task: TaskRecord): TaskRecord => ({
    ...task,
    state: 'INITIALIZING',
    step: 'stage-in',
    attempt: 1,
    backend: 'local',
    revision: 2,
  });
  const check = async (now = () => Date.now()): Promise<number> => {
    const checker = await MongoConnection.open(own.options('checker'));
    own.closeLater(checker);
    return checkRooms(checker, now, new AbortController().signal, 20);
  };

  it('is never overfilled by several gateways, and what each gives back all may take', async () => {
    const stores = await Promise.all(['one', 'two', 'three'].map((name) => own.open(name)));
    const [first] = stores;
    if (first === undefined) throw new Error('no store');
    const tasks = Array.from({ length: 60 }, () => queuedTask());
    await insertAll(first, tasks);
    const results = await Promise.all(tasks.map((task, index) => (stores[index % 3] ?? first).assign(taken(task), 1, { cpuCores: 7 })));
    const won = tasks.filter((_, index) => results[index] === 'assigned');
    expect(won).toHaveLength(7);
    expect(await used(first)).toEqual({ cpuCores: 7, ramGb: 7, slots: 7 });
    // By a gateway that never saw them.
    await Promise.all(
      won.map((task, index) =>
        (stores[(index + 1) % 3] ?? first).update({ ...taken(task), state: 'COMPLETE', step: 'cleanup', revision: 3 }, 2),
      ),
    );
    await Promise.all(stores.map(used));
    expect(await used(first)).toEqual(NOTHING);
  });

  it.each([1, 2, 4])('is counted once although the answer to its write is lost %i times', async (times) => {
    const store = await own.open();
    const tasks = [queuedTask(), queuedTask()];
    await insertAll(store, tasks);
    const failing = (mode: object | 'off', data?: object) =>
      own.connection
        .getClient()
        .db('admin')
        .command({ configureFailPoint: 'failCommand', mode, ...(data && { data }) });
    const lost = { code: 64, errmsg: 'waiting for replication timed out' };
    await failing({ times }, { failCommands: ['update'], appName: 'tes-gateway', namespace: `${own.name}.rooms`, writeConcernError: lost });
    const results = await Promise.all(tasks.map((task) => store.assign(taken(task), 1, { cpuCores: 9 })));
    await failing('off');
    expect([results, await used(store)]).toEqual([['assigned', 'assigned'], { cpuCores: 2, ramGb: 2, slots: 2 }]);
  });

  it('that a gateway took with it when it died is found, and nothing that is on the way', async () => {
    const store = await own.open();
    const [runs, waits] = [queuedTask(), queuedTask()];
    await insertAll(store, [runs, waits]);
    await store.assign(taken(runs), 1, {});
    await rooms().updateOne({ _id: 'local' }, { $inc: { 'used.cpuCores': 2, 'used.ramGb': 0.5, 'used.slots': 1 } });
    const checking = check();
    await store.assign(taken(waits), 1, {});
    expect(await checking).toBe(1);
    expect(await used(store)).toEqual({ cpuCores: 2, ramGb: 2, slots: 2 });
    // One at a time: two would put it right twice.
    expect(await check()).toBe(0);
    await rooms().updateOne({ _id: 'local' }, { $set: { used: NOTHING } });
    expect(await check(() => Date.now() + 120_000)).toBe(1);
    expect(await used(store)).toEqual({ cpuCores: 2, ramGb: 2, slots: 2 });
  });

  it('is left as it is where the sum was too high at some of the looks only: that was on the way', async () => {
    const store = await own.open();
    const task = queuedTask();
    await insertAll(store, [task]);
    await store.assign(taken(task), 1, {});
    const checker = await MongoConnection.open(own.options('checker'));
    own.closeLater(checker);
    const find = checker.collections.rooms.find.bind(checker.collections.rooms);
    let looks = 0;
    const change = (by: number) => rooms().updateOne({ _id: 'local' }, { $inc: { 'used.cpuCores': by, 'used.slots': by } });
    await change(1);
    // Two of them are one look.
    jest.spyOn(checker.collections.rooms, 'find').mockImplementation(((...given: Parameters<typeof find>) => {
      looks += 1;
      const cursor = find(...given);
      if (looks !== 3) return cursor;
      return { toArray: async () => (await change(-1), find(...given).toArray()) };
    }) as never);
    expect(await checkRooms(checker, () => Date.now(), new AbortController().signal, 1)).toBe(0);
    expect([looks, await used(store)]).toEqual([10, ONE]);
  });

  it('does not grow with what is live', async () => {
    const store = await own.open();
    await insertAll(
      store,
      Array.from({ length: 300 }, () => assignedTask(1)),
    );
    await used(store);
    const [document] = await rooms().find({}).toArray();
    expect(document?.used).toEqual({ cpuCores: 300, ramGb: 300, slots: 300 });
    expect(mongo.BSON.calculateObjectSize(document ?? {})).toBeLessThan(4096);
  });

  it('are found in a database of version 1', async () => {
    const old = (task: TaskRecord, more: object, place: number): object => {
      const { id, state, step, revision, backend, ...rest } = task;
      const record = JSON.stringify(rest);
      const fields = { state, step, revision, ...(backend !== undefined && { backend, target: backend }), owner: task.owner, terms: [] };
      const stored = { record, recordBytes: record.length, request: '{}', requestBytes: 2, writes: [] };
      return { _id: id, place: new mongo.ObjectId(place.toString(16).padStart(24, '0')), ...fields, ...stored, ...more };
    };
    const waiting = { readyAt: 0, wants: '', cpu: 1, ram: 1 };
    const due = { dueAt: 5, wakeAt: 5, reach: '["local"]' };
    const [first, second, runs] = [queuedTask(), queuedTask(), assignedTask(5)];
    await own.connection
      .collection<{ _id: string }>('tasks')
      .insertMany([old(first, waiting, 1), old(second, waiting, 2), old(runs, due, 3)] as { _id: string }[]);
    await own.connection.collection('tasks').createIndex({ wants: 1, place: 1, readyAt: 1, cpu: 1, ram: 1 });
    await own.connection.collection('tails').insertOne({ tail: '{}' });
    await own.connection.collection('capacities').insertOne({ version: 1, reservations: [] });
    await own.connection.collection<{ _id: string }>('meta').insertOne({ _id: 'schema', version: 1, storeId: 'x' } as { _id: string });
    const [store] = await Promise.all([own.open('one'), own.open('two')]);
    expect(await store.queueClasses()).toMatchObject([{ key: queueClass(first.needs), since: first.createdAt }]);
    const head = await store.queueHead({ queueClass: queueClass(first.needs), limit: 5 });
    expect(head.map(({ task }) => task)).toEqual([first, second]);
    expect(await used(store)).toEqual(ONE);
    await store.update({ ...runs, state: 'COMPLETE', step: 'cleanup', revision: 2 }, 1);
    expect(await used(store)).toEqual(NOTHING);
    expect(await store.assign(taken(first), 1, { slots: 1 })).toBe('assigned');
    const collections = (await own.connection.db?.listCollections().toArray())?.map(({ name }) => name) ?? [];
    expect(collections.filter((name) => name === 'tails' || name === 'capacities')).toEqual([]);
    expect(await own.connection.collection('tasks').countDocuments({ wants: { $exists: true } })).toBe(0);
    expect(await own.connection.collection('tasks').indexes()).toHaveLength(17);
  });
});

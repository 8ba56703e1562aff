import { randomBytes } from 'node:crypto';
import { InvalidTask, StoreError } from '../../../src/ports/errors';
import { deleteOrphanRequests } from '../../../src/stores/mongo/orphan-requests';
import { MongoConnection } from '../../../src/stores/mongo/mongo-connection';
import { groupScope, ownerScope } from '../../../src/task/scopes';
import type { TaskRecord } from '../../../src/task/task-record';
import { describeMongo } from '../../system/mongo/mongo';
import { ownDatabase } from './mongo-store.fixture';
import { eventually } from '../../system/tes-client';
import { assignedTask, insertAll, queuedTask, requestOf } from './task-store.fixture';

/** What only this store does: several at once, limits of a document, counters after a crash, lost answers. */
describeMongo('the store on its own', (url) => {
  const own = ownDatabase(url);
  const failCommand = (rest: object) =>
    own.connection
      .getClient()
      .db('admin')
      .command({ configureFailPoint: 'failCommand', ...rest });
  /** Of this database alone: other suites use the server at the same time. */
  const failPoint = (mode: object | 'alwaysOn', data: object) =>
    failCommand({ mode, data: { ...data, appName: 'tes-gateway', namespace: `${own.name}.tasks` } });
  const failedAndOff = async (): Promise<void> => expect((await failCommand({ mode: 'off' }))['count']).toBeGreaterThan(0);

  it('lets one gateway at a time delete what is past its retention, so that nobody has to count anew', async () => {
    const [first, second] = [await own.open('first'), await own.open('second')];
    await insertAll(
      first,
      Array.from({ length: 300 }, () => queuedTask({ state: 'COMPLETE', step: 'done', endedAt: 1 })),
    );
    const deleted = await Promise.all([first.deleteFinished(2, 500), second.deleteFinished(2, 500)]);
    expect([...deleted].sort()).toEqual([0, 300]);
    await insertAll(first, [queuedTask({ state: 'COMPLETE', step: 'done', endedAt: 1 })]);
    expect(await second.deleteFinished(2, 500)).toBe(1);
  });

  it('counts a task for its new owner also at a gateway that knew it as the former’s', async () => {
    const gateway = await own.open('gateway');
    const task = assignedTask(gateway.now(), { owner: 'anonymous' });
    await insertAll(gateway, [task]);
    await gateway.counts(ownerScope('anonymous'));
    const command = await own.open('command', { isTool: true });
    expect(await command.give({ ...task, owner: 'basic|ann', revision: 2 }, 1)).toBe(true);
    await command.close();
    expect(await gateway.update({ ...task, revision: 2, state: 'COMPLETE' }, 1)).toBe(false);
    expect(await gateway.update({ ...task, owner: 'basic|ann', revision: 3, state: 'COMPLETE' }, 2)).toBe(true);
    expect(await gateway.counts(ownerScope('basic|ann'))).toEqual({ COMPLETE: 1 });
    expect(await gateway.counts(ownerScope('anonymous'))).toEqual({});
  });

  it('forgets the counters of classes in which nothing waits any more, of those that users have had above all', async () => {
    let monotonic = 0;
    const store = await own.open('one', { monotonicNow: () => monotonic });
    const needs = (user: number): TaskRecord['needs'] => ({ ...queuedTask().needs, limitedBy: [`owner ${user}`] });
    const tasks = Array.from({ length: 300 }, (_, user) => queuedTask({ needs: needs(user), queuedAt: user }));
    await insertAll(store, tasks);
    const stored = (): Promise<number> => own.connection.collection('counts').countDocuments({ _id: /^class / as never });
    expect(await store.queueClasses()).toHaveLength(300);
    expect(await stored()).toBe(300);
    for (const task of tasks.slice(1)) await store.update({ ...task, revision: 2, state: 'CANCELED', step: 'done', endedAt: 1 }, 1);
    monotonic += 5000;
    expect(await store.queueClasses()).toHaveLength(1);
    expect(await stored()).toBe(1);
    expect(await store.counts()).toEqual({ QUEUED: 1, CANCELED: 299 });
    await insertAll(store, [queuedTask({ needs: needs(7) })]);
    monotonic += 5000;
    expect((await store.queueClasses()).map(({ waiting }) => waiting)).toEqual([1, 1]);
  });

  it('reads for a task that the asker may not see what it reads for none: nothing comes over from the server', async () => {
    const store = await own.open();
    const [hidden, shared] = [queuedTask({ owner: 'a', tags: { long: 'x'.repeat(1e6) } }), queuedTask({ owner: 'a', groups: ['g'] })];
    await insertAll(store, [hidden, shared]);
    const scopes = [ownerScope('b'), groupScope('g')];
    await own.connection.db?.command({ profile: 2, filter: { op: 'query', ns: `${own.name}.tasks` } });
    const asked = async (id: string): Promise<unknown[]> => {
      const answers = [await store.getState(id, scopes), await store.getTask(id, scopes), await store.getStored(id, scopes)];
      const seen = await own.connection.collection('system.profile').find().sort({ ts: 1 }).toArray();
      await own.connection.db?.command({ profile: 0 });
      await own.connection.collection('system.profile').drop();
      await own.connection.db?.command({ profile: 2, filter: { op: 'query', ns: `${own.name}.tasks` } });
      const replies = seen.map(({ nreturned, planSummary, responseLength }) => [nreturned, planSummary, responseLength]);
      return [
        answers.map((answer) => answer !== undefined),
        replies.map(([nreturned, planSummary]) => [nreturned, planSummary]),
        replies.map((reply) => reply[2]),
      ];
    };
    const none = await asked('nothing');
    expect(none.slice(0, 2)).toEqual([Array(3).fill(false), Array(3).fill([0, 'IXSCAN { _id: 1 }'])]);
    expect(await asked(hidden.id)).toEqual(none);
    expect((await asked(shared.id)).slice(0, 2)).toEqual([Array(3).fill(true), Array(3).fill([1, 'IXSCAN { _id: 1 }'])]);
  });

  describe('schema', () => {
    it('is made once by many gateways that start at the same moment', async () => {
      const stores = await Promise.all(Array.from({ length: 6 }, (_, index) => own.open(`gateway-${index}`)));
      const [first, second] = stores;
      const task = queuedTask();
      await first?.insert(requestOf(task), task);
      expect(await second?.getTask(task.id)).toEqual(task);
      const page = await first?.listMinimal({ pageSize: 1 });
      expect(page?.items).toHaveLength(1);
      const indexes = await own.connection.collection('tasks').indexes();
      expect(indexes).toHaveLength(17);
    });

    it('waits for an index that takes longer than any answer may', async () => {
      await failPoint({ times: 1 }, { failCommands: ['createIndexes'], blockConnection: true, blockTimeMS: 7000 });
      await own.open('patient', { limits: { query: 1500 } });
      await failedAndOff();
      expect(await own.connection.collection('tasks').indexes()).toHaveLength(17);
    });

    it('that was cut off in the middle is finished by the next', async () => {
      await own.connection.collection('tasks').createIndex({ place: -1 });
      await own.connection.collection<{ _id: string }>('meta').insertOne({ _id: 'schema', version: 0, storeId: 'x' } as { _id: string });
      await own.open();
      expect(await own.connection.collection('tasks').indexes()).toHaveLength(17);
      expect(await own.connection.collection<{ _id: string; version: number }>('meta').findOne({ _id: 'schema' })).toMatchObject({
        version: 5,
      });
    });

    it('of a newer version is refused and left alone', async () => {
      await own.connection.collection<{ _id: string }>('meta').insertOne({ _id: 'schema', version: 99, storeId: 'x' } as { _id: string });
      const error = await own.open().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(StoreError);
      expect(error).toMatchObject({ retryable: false, message: expect.stringMatching(/newer version.*schema 99/) as unknown });
      expect((await own.connection.db?.listCollections().toArray())?.map(({ name }) => name)).toEqual(['meta']);
    });
  });

  describe('large things', () => {
    const noise = (bytes: number): string => randomBytes((bytes * 3) / 4).toString('base64');
    const withTails = (executors: number, text: () => string): TaskRecord => {
      const tail = () => ({ text: text(), totalBytes: 1e6 });
      return queuedTask({
        revision: 2,
        state: 'COMPLETE',
        step: 'done',
        endedAt: 1,
        attempts: [
          {
            attempt: 1,
            backend: 'local',
            startedAt: 1,
            executors: Array.from({ length: executors }, () => ({ exitCode: 0, stdout: tail(), stderr: tail() })),
            outputs: [{ url: 'file:///o', path: '/o', sizeBytes: 1 }],
            systemLogs: ['first'],
            metadata: {},
          },
        ],
      });
    };

    it('a record of many outputs beyond the limit of a document is kept whole where it can be packed', async () => {
      const store = await own.open();
      const next = withTails(1000, () => 'line of output\n'.repeat(1000));
      const queued = queuedTask({ id: next.id });
      await store.insert(requestOf(queued), queued);
      expect(await store.update(next, 1)).toBe(true);
      expect(await store.getTask(next.id)).toEqual(next);
      expect((await store.listStored({ pageSize: 5 }, 1)).items).toHaveLength(1);
    });

    it('and loses its oldest outputs, with a line, where it cannot; the end of the task is never lost', async () => {
      const store = await own.open();
      const next = withTails(200, () => noise(60_000));
      const queued = queuedTask({ id: next.id });
      await store.insert(requestOf(queued), queued);
      expect(await store.update(next, 1)).toBe(true);
      const read = await store.getTask(next.id);
      expect([read?.state, read?.endedAt, read?.attempts[0]?.outputs]).toEqual(['COMPLETE', 1, next.attempts[0]?.outputs]);
      const executors = read?.attempts[0]?.executors ?? [];
      const kept = executors.filter(({ stdout }) => stdout?.text !== '');
      expect(executors).toHaveLength(200);
      expect(kept.length).toBeGreaterThan(50);
      expect(kept).toEqual(next.attempts[0]?.executors.slice(-kept.length));
      expect(executors[0]).toEqual({ exitCode: 0, stdout: { text: '', totalBytes: 1e6 }, stderr: { text: '', totalBytes: 1e6 } });
      expect(read?.attempts[0]?.systemLogs.slice(0, 2)).toEqual(['first', expect.stringMatching(/^executor 0: .*left out.*too large/)]);
    });

    it("a task that no document can hold is refused as the client's, not as a fault", async () => {
      const store = await own.open();
      const tags = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`t${index}`, '']));
      await expect(store.insert('{}', queuedTask({ tags }))).rejects.toBeInstanceOf(InvalidTask);
      await expect(store.insert('{}', queuedTask({ name: noise(20 * 2 ** 20) }))).rejects.toBeInstanceOf(InvalidTask);
      expect(await store.counts()).toEqual({});
    });

    it('pieces of a long request whose task never came are swept, others stay', async () => {
      const store = await own.open();
      const task = queuedTask();
      const text = JSON.stringify({ content: 'ä'.repeat(9_000_000) });
      await store.insert(text, task);
      const parts = own.connection.collection<{ _id: string; text: string; at: Date }>('requests');
      expect(await parts.countDocuments()).toBe(3);
      await parts.insertMany([0, 1].map((index) => ({ _id: `gone/${index}`, text: 'x', at: new Date(5) })));
      const checker = await MongoConnection.open(own.options('sweeper'));
      expect(await deleteOrphanRequests(checker, store.now() + 1000, 0)).toBe(2);
      expect(await deleteOrphanRequests(checker, store.now() + 1000, 0)).toBe(0);
      await checker.close();
      expect((await store.getStored(task.id))?.requestJson === text).toBe(true);
    });
  });

  describe('the gateways that have it open', () => {
    it('are known to each other by name, commands of an operator are not among them, and who closes it goes', async () => {
      const [one, two] = [await own.open('one'), await own.open('two')];
      const tool = await own.open('tool', { isTool: true });
      const names = async (): Promise<string[]> => [...(await tool.seenGateways()).keys()].sort();
      await eventually('both to have said so', async () => ((await names()).length === 2 ? true : undefined));
      const seen = [...(await one.seenGateways())];
      expect(seen.map(([name]) => name).sort()).toEqual(['one', 'two']);
      for (const [, at] of seen) expect(Math.abs(at - one.now())).toBeLessThan(10_000);
      await two.close();
      expect(await names()).toEqual(['one']);
    });

    it('tell each other of their backends, as they last said, until they close the store or fall silent', async () => {
      const [one, two] = [await own.open('one'), await own.open('two')];
      const backend = {
        name: 'local',
        draining: false,
        staging: 'gateway' as const,
        capacity: { cpuCores: 1, ramGb: 2 },
        boundToInstance: true,
        labels: { 'a.b': '$x' },
        parameterKeys: ['k'],
        notes: [],
        isWell: true,
      };
      await one.publish([backend]);
      await two.publish([]);
      await one.publish([{ ...backend, draining: true }]);
      expect(await two.published()).toEqual(
        new Map([
          ['one', [{ ...backend, draining: true }]],
          ['two', []],
        ]),
      );
      await own.connection.collection('gateways').updateOne({ instance: 'two' }, { $set: { backends: '{"version":99,"backends":1}' } });
      expect((await one.published()).get('two')).toEqual([]);
      await one.close();
      expect([...(await two.published()).keys()]).toEqual(['two']);
      const later = await own.open('later', { serverAhead: () => 61_000 });
      expect(await later.published()).toEqual(new Map());
    });

    it('have a name each: a second process of one name is refused while the first is alive, in the first moment and later', async () => {
      const first = await own.open('twin', { home: 'a' });
      for (const home of ['b', '']) {
        const error = await own.open('twin', { home }).catch((reason: unknown) => reason);
        expect(error).toMatchObject({
          retryable: false,
          message: expect.stringMatching(/^process \d+ on .* as gateway twin: .*\(setting instance\)/),
        });
      }
      const both = await Promise.allSettled([own.open('pair', { home: 'a' }), own.open('pair', { home: 'b' })]);
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      await first.close();
      await own.open('twin', { home: 'b' });
    });

    it('leave the leases of the one alone whose name is asked for in vain', async () => {
      const first = await own.open('twin', { home: 'a' });
      const lease = { holder: 'twin/stager', until: first.now() + 60_000 };
      const leased = assignedTask(first.now() + 60_000, { lease });
      await insertAll(first, [leased]);
      await own.open('twin', { home: 'b' }).catch(() => undefined);
      expect((await first.getTask(leased.id))?.lease).toEqual(lease);
    });

    it('come back at once after they were killed, where the lock of the same data directory proves it, or after a minute', async () => {
      await own.open('killed', { home: 'a' });
      await own.open('killed', { home: 'a' });
      await expect(own.open('killed', { home: 'b' })).rejects.toMatchObject({ retryable: false });
      await own.open('killed', { home: 'b', serverAhead: () => 61_000 });
    });

    it('hear of it when they were silent so long that another process has taken their name, and leave its note alone', async () => {
      jest.useFakeTimers({
        doNotFake: ['nextTick', 'setImmediate', 'setTimeout', 'clearTimeout', 'performance', 'Date', 'queueMicrotask'],
      });
      try {
        const taken: string[] = [];
        const silent = await own.open('twin', { home: 'a', onTaken: (why) => taken.push(why) });
        await own.open('twin', { home: 'b', serverAhead: () => 61_000 });
        jest.advanceTimersByTime(10_000);
        await eventually('the first to hear of it', async () => (taken.length > 0 ? true : undefined));
        expect(taken[0]).toMatch(/^gateway twin was silent for too long, and process \d+ on .* has taken its name$/);
        await silent.close();
        expect(await own.connection.collection('gateways').countDocuments({ instance: 'twin' })).toBe(1);
      } finally {
        jest.useRealTimers();
      }
    });
  });

  describe('counters', () => {
    const damage = (): Promise<unknown> =>
      own.connection
        .collection<{ _id: string }>('counts')
        .updateOne({ _id: 'all' }, { $inc: { 'states.QUEUED': 7, 'states.RUNNING': -2 } });

    it('are right again after a gateway ended without closing the store', async () => {
      const [dying, other] = [await own.open('dying', { home: 'here' }), await own.open('other')];
      const tasks = [
        queuedTask({ owner: 'a' }),
        queuedTask({ owner: 'b', groups: ['g'] }),
        assignedTask(1, { owner: 'b', groups: ['g', 'h'] }),
      ];
      await insertAll(dying, tasks);
      await other.counts();
      await dying.counts();
      await damage();
      for (const id of ['owner b', 'group g']) await own.connection.collection('counts').deleteOne({ _id: id as never });
      const again = await own.open('dying', { home: 'here' });
      await eventually('the counters to be right', async () => ((await again.counts()).QUEUED === 2 ? true : undefined));
      expect(await again.counts()).toEqual({ QUEUED: 2, RUNNING: 1 });
      expect(await again.counts(ownerScope('b'))).toEqual({ QUEUED: 1, RUNNING: 1 });
      expect(await again.counts(groupScope('g'))).toEqual({ QUEUED: 1, RUNNING: 1 });
      expect(await again.counts(groupScope('h'))).toEqual({ RUNNING: 1 });
    });

    it('of several gateways come together', async () => {
      const stores = [await own.open('x'), await own.open('y'), await own.open('z')];
      await Promise.all(
        stores.map((store) =>
          insertAll(
            store,
            Array.from({ length: 40 }, () => queuedTask()),
          ),
        ),
      );
      for (const store of stores) {
        await eventually('all to be counted', async () => ((await store.counts()).QUEUED === 120 ? true : undefined));
      }
    });
  });

  describe('an answer that is lost on the way', () => {
    afterEach(failedAndOff);

    it.each([2, 3, 5])('%i times over does not make a create fail, or happen twice', async (times) => {
      const store = await own.open();
      await failPoint({ times }, { failCommands: ['insert'], closeConnection: true });
      const tasks = Array.from({ length: 10 }, () => queuedTask());
      await insertAll(store, tasks);
      expect(await own.connection.collection('tasks').countDocuments()).toBe(10);
      expect(await store.counts()).toEqual({ QUEUED: 10 });
    });

    it('after the write had happened does not either', async () => {
      const store = await own.open();
      const task = queuedTask();
      await failPoint(
        { times: 1 },
        { failCommands: ['insert'], writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' } },
      );
      expect(await store.insert(requestOf(task), task)).toEqual({ kind: 'inserted' });
      await failPoint(
        { times: 1 },
        { failCommands: ['update'], writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' } },
      );
      expect(await store.update({ ...task, revision: 2, state: 'CANCELED', step: 'done' }, 1)).toBe(true);
      expect((await store.getTask(task.id))?.state).toBe('CANCELED');
    });

    it('tells of many updates which were made', async () => {
      const store = await own.open();
      const tasks = Array.from({ length: 20 }, () => queuedTask());
      await insertAll(store, tasks);
      await failPoint({ times: 3 }, { failCommands: ['update'], closeConnection: true });
      const updates = tasks.map((task, index) => store.update({ ...task, revision: 3 }, index % 2 === 0 ? 1 : 2));
      expect(await Promise.all(updates)).toEqual(tasks.map((_, index) => index % 2 === 0));
    });

    it('for good is a StoreError, and nothing hangs', async () => {
      const store = await own.open();
      await failPoint('alwaysOn', { failCommands: ['insert', 'find'], closeConnection: true });
      const task = queuedTask();
      await expect(store.insert(requestOf(task), task)).rejects.toBeInstanceOf(StoreError);
      await expect(store.getTask(task.id)).rejects.toBeInstanceOf(StoreError);
    });
  });
});

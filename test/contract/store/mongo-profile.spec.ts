import { type Connection, createConnection, type mongo } from 'mongoose';
import type { AccessToken } from '../../../src/ports/store/access-tokens';
import type { SealedCredential } from '../../../src/ports/store/sealed-credentials';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { deleteOrphanRequests } from '../../../src/stores/mongo/orphan-requests';
import { groupScope, ownerScope } from '../../../src/task/scopes';
import { MongoConnection } from '../../../src/stores/mongo/mongo-connection';
import { MongoTaskStore } from '../../../src/stores/mongo/mongo-task-store';
import { describeMongo, freshDatabase } from '../../system/mongo/mongo';
import { assignedTask, MAX_DUE_MS, queuedTask, requestOf } from './task-store.fixture';

/** Far more than any of the queries below may read. */
const TASKS = 1000;
const PAGE = 20;
/** Range ends, and entries that are passed over once: the same for ten tasks as for ten million. */
const SLACK = 32;
/** Those grow with tasks and users; the others have one document for each process, backend or owner, or a handful in all. */
const GROWING = ['tasks', 'requests', 'tokens', 'credentials'];
/** Who has a token, and a credential. */
const OWNERS = 200;

/** What the server's profiler notes of an operation. */
interface Noted {
  readonly op: string;
  readonly ns: string;
  readonly command?: Readonly<Record<string, unknown>>;
  readonly planSummary?: string;
  readonly hasSortStage?: boolean;
  readonly keysExamined?: number;
  readonly docsExamined?: number;
  readonly nreturned?: number;
  readonly nMatched?: number;
  readonly ndeleted?: number;
}

/** `keyIds` is not asked below: it reads all keys of the index, for a command of an operator's. */
function credentialOf(owner: string, target = 'https://h/data'): SealedCredential {
  return { owner, kind: 'storage', target, keyId: 'k1', sealed: 'c2VhbGVk', savedAt: 1 };
}

describeMongo('everything that the store asks of the server', (url) => {
  const database = freshDatabase();
  const options = { database, instance: 'i', home: 'the same', maxDueMs: MAX_DUE_MS };
  let connection: Connection;
  let db: mongo.Db;
  let dead: MongoTaskStore;
  let noted: Noted[];
  const called = new Set<string>();

  beforeAll(async () => {
    dead = await MongoTaskStore.open({ ...options, url: url() });
    const now = dead.now();
    const made = Array.from({ length: TASKS }, (_, number) => {
      const changes = {
        owner: `owner-${number % 2}`,
        ...(number % 5 === 0 && { groups: ['team'] }),
        name: `sample-${number}`,
        tags: { flow: 'one', n: `${number}` },
      };
      const kinds = [
        queuedTask({ ...changes, ...(number % 8 === 0 && { notBefore: now + 60_000 + number }) }),
        assignedTask(now - number, changes),
        queuedTask({ ...changes, state: 'COMPLETE', step: 'done', endedAt: 1000 + number }),
        assignedTask(now - number, { ...changes, backend: 'away', boundTo: 'other' }),
      ];
      return kinds[number % kinds.length] ?? queuedTask();
    });
    await Promise.all(made.map((task) => dead.insert(requestOf(task), task)));
    for (let owner = 0; owner < OWNERS; owner += 1) {
      await dead.accessTokens.add(tokenOf(`owner-${owner}`), 3);
      await dead.credentials.put(credentialOf(`owner-${owner}`), 3);
    }
    await dead.counts(ownerScope('owner-0'));
    connection = await createConnection(url(), { dbName: database }).asPromise();
    if (connection.db === undefined) throw new Error('there is no connection');
    db = connection.db;
    await db.createCollection('system.profile', { capped: true, size: 64 * 2 ** 20 });
    await db.command({ profile: 2 });
    await useEverything(now);
    await db.command({ profile: 0 });
    noted = (await db.collection('system.profile').find({}).toArray()) as unknown as Noted[];
  }, 120_000);
  afterAll(async () => {
    await dead.close();
    await connection.dropDatabase();
    await connection.close();
  });

  /** A second process of the same name: it looks for what the first, which has not closed, has left. */
  async function useEverything(now: number): Promise<void> {
    const store = noting(await MongoTaskStore.open({ ...options, url: url() }));
    const steps = ['run', 'cancel', 'cleanup', 'retreat'] as const;
    const due = { instance: 'i', holder: 'i/test', backends: ['local'], boundBackends: ['away'], steps };
    const [first = queuedTask()] = await store.claimDue({ ...due, leaseMs: 60_000, limit: PAGE });
    await store.nextDue(due);
    await store.readDue({ ...due, limit: PAGE });
    await store.postpone([{ id: first.id, revision: 0, dueAt: 0, until: 0 }]);
    await store.renew(first.id, 'i/test', 60_000);
    const large = queuedTask({ owner: 'owner-0' });
    await store.insert(JSON.stringify({ description: 'x'.repeat(100_000), executors: [] }), large, {
      key: 'k',
      bodySha256: 's',
      ttlMs: 1000,
    });
    await store.insert(requestOf(large), queuedTask({ owner: 'owner-0' }), { key: 'k', bodySha256: 's', ttlMs: 1000 });
    await store.knownKey('owner-0', { key: 'k', bodySha256: 's', ttlMs: 1000 });
    await Promise.all(
      [large, first].flatMap(({ id }) => [
        store.getState(id),
        store.getTask(id, [ownerScope('owner-0'), groupScope('team')]),
        store.getStored(id),
      ]),
    );
    for (const scopes of [undefined, [ownerScope('owner-0')], [ownerScope('owner-0'), groupScope('team')]]) {
      const mine = { ...(scopes && { scopes }), pageSize: PAGE };
      const page = await store.listMinimal(mine);
      await store.listMinimal({ ...mine, pageToken: page.nextPageToken });
      await store.listStored({ ...mine, state: 'COMPLETE' }, 2 ** 20);
      for (const key of ['flow', 'n']) await store.listMinimal({ ...mine, tags: [{ key, value: '' }] });
      for (const namePrefix of ['s', 'sample-', 'sample-123', 'none']) await store.listMinimal({ ...mine, namePrefix });
    }
    await store.listOldest((await store.listOldest('', PAGE, 2 ** 20)).nextPageToken, PAGE, 2 ** 20);
    const [{ key: queueClass } = { key: '' }] = await store.queueClasses();
    const [head] = await store.queueHead({ queueClass, limit: PAGE, fits: [{ cpuCores: 4 }, { ramGb: 4 }] });
    await store.queuedBefore(1, PAGE);
    await store.queueOutlook();
    if (head === undefined) throw new Error('nothing is queued');
    const assigned = { ...head.task, state: 'INITIALIZING', step: 'stage-in', backend: 'one', attempt: 1, revision: 2 } as const;
    await store.assign(assigned, 1, { cpuCores: 4, ramGb: 4 });
    await store.used(['one']);
    await store.cancelingAmong([first.id, large.id]);
    await store.getTasks([first.id, large.id]);
    await store.counts(ownerScope('owner-0'));
    await store.liveBackends();
    await store.listBoundTo('other', PAGE);
    await store.boundInstances();
    await store.listOnBackend('away', PAGE);
    await store.publish([]);
    await store.published();
    await store.seenGateways();
    await store.accessTokens.add(tokenOf('owner-0'), 3);
    await store.accessTokens.get('token of owner-7');
    await store.accessTokens.get('none');
    await store.accessTokens.of('owner-0');
    await store.accessTokens.remove('owner-0', 'token of owner-0');
    await store.accessTokens.remove('owner-1');
    await store.credentials.put(credentialOf('owner-0', 'https://h/new'), 3);
    await store.credentials.put(credentialOf('owner-0'), 3);
    await store.credentials.of('owner-0', 'storage');
    await store.credentials.reseal({ ...credentialOf('owner-0'), keyId: 'k2' }, credentialOf('owner-0'));
    await store.credentials.under('k1', PAGE);
    await store.credentials.remove(credentialOf('owner-1'));
    await store.ping();
    const done = { ...first, state: 'COMPLETE', step: 'done', endedAt: now, revision: first.revision + 1 } as const;
    await store.update(done, first.revision);
    await store.update(done, first.revision);
    await store.owners('owner-1', PAGE);
    await store.accessTokens.owners('owner-1', PAGE);
    await store.give({ ...done, owner: 'owner-1', revision: done.revision + 1 }, done.revision);
    await store.deleteFinished(now - 1000, PAGE);
    store.now();
    // What nobody calls: pieces of requests without a task, and the counters, which the dead process left in doubt.
    const bare = await MongoConnection.open({ ...options, url: url() });
    await deleteOrphanRequests(bare, now + 60_000, 0);
    await bare.close();
    for (
      let tries = 0;
      (await db
        .collection('system.profile')
        .countDocuments({ 'command.aggregate': 'tasks', 'command.pipeline.$limit': { $exists: false } })) === 0;
      tries += 1
    ) {
      if (tries === 500) throw new Error('the counters are not looked at');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await store.close();
  }

  /** The same store, which keeps in mind what was called. */
  function noting(store: TaskStore): TaskStore {
    return new Proxy(store, {
      get: (object, key) => {
        const member: unknown = Reflect.get(object, key, object);
        called.add(String(key));
        return typeof member === 'function' ? (member.bind(object) as unknown) : member;
      },
    });
  }

  const growing = (): Noted[] => noted.filter(({ ns }) => GROWING.some((name) => ns === `${database}.${name}`));
  const shown = ({ op, ns, command, planSummary, keysExamined, docsExamined }: Noted) =>
    JSON.stringify({ op, ns, planSummary, keysExamined, docsExamined, command }).slice(0, 600);

  it('is all here', () => {
    const port = Object.getOwnPropertyNames(MongoTaskStore.prototype).filter(
      (name) => !['constructor', 'connect', 'shut', 'parts', 'moved', 'replace'].includes(name),
    );
    expect(port.filter((name) => !called.has(name))).toEqual([]);
    expect(growing().map(({ op }) => op)).toEqual(expect.arrayContaining(['query', 'insert', 'update', 'remove', 'command']));
  });

  it('is found by an index', () => {
    const walked = growing().filter(({ planSummary = '' }) => planSummary.includes('COLLSCAN'));
    expect(walked.map(shown)).toEqual([]);
  });

  it('is never sorted in memory', () => {
    expect(growing().flatMap((each) => (each.hasSortStage === true ? shown(each) : []))).toEqual([]);
  });

  it('reads no more than twice what it gives back or changes', () => {
    const most = (each: Noted): number => {
      const { nreturned = 0, nMatched = 0, ndeleted = 0 } = each;
      return 2 * (nreturned + nMatched + ndeleted + pageOf(each)) + SLACK;
    };
    // A recount is of everything: one index, no documents.
    const [recounts, others] = [growing().filter(isCount), growing().filter((each) => !isCount(each))];
    expect(others.filter((each) => (each.keysExamined ?? 0) > most(each) || (each.docsExamined ?? 0) > most(each)).map(shown)).toEqual([]);
    expect(recounts.filter(({ docsExamined = 0 }) => docsExamined > 0).map(shown)).toEqual([]);
  });
});

function tokenOf(owner: string): AccessToken {
  const principal = { kind: 'user', owner, name: owner, groups: [], roles: ['user'] } as const;
  return { id: `token of ${owner}`, sha256: '', name: '', principal, scopes: ['read'], createdAt: 1, expiresAt: 9e12 };
}

function isCount(noted: Noted): boolean {
  const { command = {} } = noted;
  return pageOf(noted) === 0 && 'aggregate' in command;
}

/** How many tasks a page may hold that comes as one document. */
function pageOf({ command }: Noted): number {
  const stages = (command?.['pipeline'] ?? []) as { readonly $limit?: number }[];
  return Math.max(0, ...stages.map(({ $limit = 0 }) => $limit));
}

import { type Connection, createConnection, type mongo } from 'mongoose';
import type { ListQuery } from '../../../src/ports/store/task-records';
import { groupScope, ownerScope } from '../../../src/task/scopes';
import { dueFilter, dueOptions, nextOptions } from '../../../src/stores/mongo/due-tasks';
import { MongoTaskStore } from '../../../src/stores/mongo/mongo-task-store';
import { deletable, doneOptions } from '../../../src/stores/mongo/task-deletions';
import { minimalStages, namesFilter, namesOptions, pageFilter, pageOptions } from '../../../src/stores/mongo/task-pages';
import {
  classStages,
  longestOptions,
  nextReadyOptions,
  pauseOptions,
  queuedOptions,
  queueFilter,
  queueOptions,
} from '../../../src/stores/mongo/task-queue';
import { scanOptions } from '../../../src/stores/mongo/task-scan';
import { NEEDS } from '../../support/records';
import { describeMongo, freshDatabase } from '../../system/mongo/mongo';
import { CLASS_INDEX } from '../../../src/stores/mongo/schemas';
import { queueClass } from '../../../src/task/queue-class';
import { assignedTask, MAX_DUE_MS, queuedTask, requestOf } from './task-store.fixture';

/** As many as a page of 50 must not read. */
const TASKS = 4000;
const PAGE = 50;
const CLASSES = 11;
/** What a plan may consist of: index scans, merges of several in order, fetches by index entry, and what costs nothing. */
const ALLOWED = [
  'IXSCAN',
  'FETCH',
  'LIMIT',
  'SORT_MERGE',
  'OR',
  'COUNT_SCAN',
  'IDHACK',
  'PROJECTION_SIMPLE',
  'PROJECTION_COVERED',
  'PROJECTION_DEFAULT',
];

interface Stage {
  readonly stage: string;
  readonly inputStage?: Stage;
  readonly inputStages?: readonly Stage[];
}
interface Explained {
  readonly stages: readonly string[];
  readonly keys: number;
  readonly documents: number;
  readonly returned: number;
}

const stagesOf = ({ stage, inputStage, inputStages = [] }: Stage): string[] => [
  stage,
  ...[...inputStages, ...(inputStage === undefined ? [] : [inputStage])].flatMap(stagesOf),
];

/** A page each of: newest, in the middle, near the end. */
const PLACES = [0, TASKS / 2, TASKS - 2 * PAGE];

describeMongo('query plans', (url) => {
  const database = freshDatabase();
  let connection: Connection;
  let tasks: mongo.Collection;
  let now: number;
  let places: mongo.ObjectId[];

  beforeAll(async () => {
    const store = await MongoTaskStore.open({ url: url(), database, instance: 'i', maxDueMs: MAX_DUE_MS });
    now = store.now();
    for (let made = 0; made < TASKS;) {
      const group = [];
      for (; group.length < 500; made += 1) {
        const changes = {
          owner: `owner-${made % 2}`,
          groups: [`group-${made % 2}`, ...(made % 16 === 0 ? ['few'] : [])],
          name: `sample-${made % 2 === 0 ? 'even' : 'odd'}-${made}`,
          tags: { flow: 'one', n: `${made}` },
        };
        const kinds = [
          queuedTask({
            ...changes,
            ...(made % 8 === 0 && { notBefore: now + 60_000 + made }),
            ...(made % 100 === 4 && { needs: { ...NEEDS, backend: `backend-${made % 1000}` } }),
          }),
          assignedTask(now - made, changes),
          queuedTask({ ...changes, state: 'COMPLETE', step: 'done', endedAt: 1000 + made }),
          assignedTask(now - made, { ...changes, backend: 'away', boundTo: 'other' }),
        ];
        const task = kinds[made % kinds.length] ?? queuedTask();
        group.push(store.insert(requestOf(task), task));
      }
      await Promise.all(group);
    }
    await store.close();
    connection = await createConnection(url(), { dbName: database }).asPromise();
    tasks = connection.collection('tasks');
    places = (await tasks.find({}, { projection: { place: 1 }, sort: { place: -1 } }).toArray()).map(
      ({ place }) => place as mongo.ObjectId,
    );
  }, 120_000);
  afterAll(async () => {
    await connection.dropDatabase();
    await connection.close();
  });

  async function explained(filter: object, options: object): Promise<Explained> {
    const plan = await tasks.find(filter, options as mongo.FindOptions).explain('executionStats');
    const { executionStats, queryPlanner } = plan as {
      queryPlanner: { winningPlan: Stage };
      executionStats: { totalKeysExamined: number; totalDocsExamined: number; nReturned: number };
    };
    const { totalKeysExamined: keys, totalDocsExamined: documents, nReturned: returned } = executionStats;
    return { stages: stagesOf(queryPlanner.winningPlan), keys, documents, returned };
  }
  /** The part of an aggregation that reads: what follows works on what came of it. */
  async function explainedStages(stages: readonly object[], options: object): Promise<Explained> {
    const plan = (await tasks.aggregate([...stages], options).explain('executionStats')) as {
      stages: {
        $cursor?: { queryPlanner: { winningPlan: Stage & { queryPlan?: Stage } }; executionStats: Record<string, number> };
        $sort?: object;
      }[];
    };
    const [{ $cursor: cursor } = {}] = plan.stages;
    if (!cursor) throw new Error(`no read in ${JSON.stringify(plan)}`);
    const { queryPlanner, executionStats } = cursor;
    const { totalKeysExamined: keys = NaN, totalDocsExamined: documents = NaN, nReturned: returned = NaN } = executionStats;
    const found = stagesOf(queryPlanner.winningPlan.queryPlan ?? queryPlanner.winningPlan);
    const reading = found.filter((stage) => stage !== 'GROUP');
    return { stages: [...reading, ...plan.stages.flatMap(({ $sort }) => ($sort ? ['SORT'] : []))], keys, documents, returned };
  }
  function expectIndexed({ stages, keys, documents, returned }: Explained, wanted: number): void {
    expect(stages.filter((stage) => !ALLOWED.includes(stage))).toEqual([]);
    expect(stages).toContain('IXSCAN');
    expect([keys <= 2 * wanted, keys, wanted]).toEqual([true, keys, wanted]);
    expect(documents).toBeLessThanOrEqual(2 * wanted);
    expect(returned).toBeLessThanOrEqual(wanted);
  }

  const even = { key: 'flow', value: 'one' };
  it.each([
    {},
    { scopes: [ownerScope('owner-1')] },
    { state: 'COMPLETE' },
    { scopes: [ownerScope('owner-0')], state: 'QUEUED' },
    { tags: [even] },
    { tags: [{ key: 'flow', value: '' }] },
    { scopes: [ownerScope('owner-0')], tags: [even] },
    { scopes: [ownerScope('owner-1')], tags: [{ key: 'n', value: '' }] },
    { namePrefix: 'sample-' },
    { namePrefix: 's' },
    { namePrefix: 'sample-even' },
    { scopes: [ownerScope('owner-0')], namePrefix: 'sample-even' },
    { scopes: [groupScope('group-0')] },
    { scopes: [ownerScope('owner-0'), groupScope('group-1')] },
    { scopes: [ownerScope('nobody'), groupScope('few'), groupScope('group-1')] },
  ] as Omit<ListQuery, 'pageSize'>[])('a page of %j reads what it shows, wherever it is', async (query) => {
    for (const at of PLACES) {
      const { filter, hint } = pageFilter({ ...query, pageSize: PAGE }, places[at]);
      const plan = await explained(filter, { projection: { state: 1, place: 1 }, ...pageOptions(PAGE + 1, hint) });
      expectIndexed(plan, PAGE + 1);
      expectIndexed(await explainedStages(minimalStages(filter, PAGE + 1), hint ? { hint } : {}), PAGE + 1);
      expect(plan.returned).toBeGreaterThan(PAGE / 4);
    }
  });

  it.each([
    { state: 'QUEUED', tags: [even] },
    { scopes: [ownerScope('owner-0')], state: 'QUEUED', namePrefix: 'sample-' },
    { tags: [even, { key: 'n', value: '7' }] },
    { scopes: [ownerScope('owner-0'), groupScope('group-1')], state: 'QUEUED' },
    { scopes: [ownerScope('owner-0'), groupScope('group-0')], tags: [even] },
  ] as Omit<ListQuery, 'pageSize'>[])(
    'a page of several filters %j goes along the one that says the most, first page and deep',
    async (query) => {
      for (const at of PLACES) {
        const { filter, hint } = pageFilter({ ...query, pageSize: PAGE }, places[at]);
        expectIndexed(await explained(filter, { projection: { state: 1, place: 1 }, ...pageOptions(PAGE + 1, hint) }), PAGE + 1);
        expectIndexed(await explainedStages(minimalStages(filter, PAGE + 1), hint ? { hint } : {}), PAGE + 1);
      }
    },
  );

  it('few tasks with a name prefix are found in the index of names, without their documents', async () => {
    const plan = await explained(namesFilter('sample-odd-37'), namesOptions(2 * PAGE));
    expectIndexed(plan, 2 * PAGE);
    expect(plan.documents).toBe(0);
    expect(plan.returned).toBeGreaterThan(PAGE / 2);
    const few = places.slice(100, 100 + PAGE);
    const { filter, hint } = pageFilter({ namePrefix: 'sample-odd-37', pageSize: PAGE }, undefined, few);
    expectIndexed(await explained(filter, { projection: { state: 1, place: 1 }, ...pageOptions(PAGE + 1, hint) }), PAGE);
  });

  it('due tasks are read from where they begin, past all that other gateways have to do', async () => {
    const query = {
      instance: 'mine',
      backends: ['local'],
      boundBackends: ['away'],
      steps: ['run', 'cancel', 'cleanup', 'retreat'] as const,
    };
    expectIndexed(await explained(dueFilter(query, now), dueOptions(PAGE)), PAGE);
    const next = await explained(dueFilter(query), { ...nextOptions, limit: 1 });
    expect(next.stages.filter((stage) => !ALLOWED.includes(stage))).toEqual([]);
    // At most one entry of each range: who can reach it, by step.
    expect(next.keys).toBeLessThanOrEqual(6 * query.steps.length);
    expect(next.documents).toBeLessThanOrEqual(6 * query.steps.length);
  });

  const plain = queueClass(queuedTask().needs);
  it('the head of a class is read from its oldest task', async () => {
    expectIndexed(await explained(queueFilter({ queueClass: plain, limit: PAGE }), queueOptions(PAGE)), PAGE);
    const after = places.at(-TASKS / 2)?.toHexString() ?? '';
    const fits = [{ cpuCores: 1, ramGb: 4 }, { ramGb: 0.5 }];
    const plan = await explained(queueFilter({ queueClass: plain, limit: PAGE, after, fits }), queueOptions(PAGE));
    expectIndexed(plan, PAGE);
    expect(plan.returned).toBe(PAGE);
  });

  it.each([
    [[{ cpuCores: 0.1, ramGb: 4 }]],
    [
      [
        { cpuCores: 0.1, ramGb: 9 },
        { cpuCores: 0.2, ramGb: 1 },
      ],
    ],
    [[{ gpus: 0, diskGb: 0, ramGb: 0.5 }]],
  ])('what does not fit into %j is not fetched', async (fits) => {
    const small = await explained(queueFilter({ queueClass: plain, limit: PAGE, fits }), queueOptions(PAGE));
    expect([small.documents, small.returned]).toEqual([0, 0]);
  });

  it('the classes are jumps in an index, whatever waits in them', async () => {
    const plan: unknown = await tasks.aggregate(classStages(), { hint: CLASS_INDEX }).explain('executionStats');
    const text = JSON.stringify(plan);
    expect(text).toContain('"stage":"DISTINCT_SCAN"');
    const keys = Number(/"totalKeysExamined":(\d+)/.exec(text)?.[1]);
    expect(keys).toBeLessThanOrEqual(2 * CLASSES);
  });

  it.each([
    ['the longest waiting task', { queuedAt: { $exists: true } }, longestOptions, 1],
    ['the next pause that ends', { readyAt: { $gt: 1 } }, nextReadyOptions, 1],
    ['pauses that are over', { readyAt: { $gt: 0, $lte: Number.MAX_SAFE_INTEGER } }, pauseOptions(PAGE), PAGE],
    ['what has waited too long', { queuedAt: { $lt: Number.MAX_SAFE_INTEGER } }, queuedOptions(PAGE), PAGE],
  ])('%s: as many entries of an index as are asked for', async (_name, filter, options, wanted) => {
    expectIndexed(await explained(filter, { ...options, limit: wanted }), wanted);
  });

  it('what is done is deleted from its oldest end', async () => {
    expectIndexed(await explained(deletable(now, now), doneOptions(PAGE)), PAGE);
  });

  it('an export reads along the places', async () => {
    expectIndexed(await explained({ place: { $gt: places[TASKS / 2] } }, scanOptions(PAGE)), PAGE);
  });

  it('bound tasks are found by their instance', async () => {
    const options = { sort: { place: 1 }, hint: { bound: 1, place: 1 }, limit: PAGE };
    expectIndexed(await explained({ bound: 'other' }, options), PAGE);
  });
});

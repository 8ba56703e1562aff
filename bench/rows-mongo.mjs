// MongoDB as the store: creates, reads and claims, beside the bare driver that does the same with the same documents.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import mongoose from 'mongoose';
import { beside, rate } from './beside.mjs';
import { processFigures, round } from './figures.mjs';
import { prepareGateway } from './gateway.mjs';
import { CONNECTIONS, load } from './load.mjs';
import { realisticTask } from './tasks.mjs';

const { ObjectId } = mongoose.mongo;
const draining = { runtime: 'bubblewrap', drain: true };
/** Different tasks that the load cycles through. */
const SAMPLE = 2048;
/** The store has so many batches under way at once at most. */
const BATCHES = 4;
const CLAIMERS = 4;
const CLAIM = 64;
const DUE = 4096;
const LEAST = 0.7;

const RECORD = { state: 1, step: 1, revision: 1, backend: 1, boundTo: 1, dueAt: 1, notBefore: 1, lease: 1, record: 1 };
const STORED = { ...RECORD, request: 1, requestParts: 1 };

const VIEWS = [
  { row: 'get-minimal', view: 'MINIMAL', projection: { state: 1 }, read: (store, id) => store.getState(id) },
  { row: 'get-full', view: 'FULL', projection: STORED, read: (store, id) => store.getStored(id) },
];

/** The first of `bares` is the side that counts; the others are shown. */
async function compare(bench, row, what, ours, bares) {
  if (!bench.wants(row)) return;
  const { reps, duration, warmup } = bench.load;
  await ours(warmup);
  const figures = await beside({ reps, seconds: duration }, ours, bares);
  const [named] = Object.keys(bares);
  const ratio = figures.ratios[named];
  const rates = Object.entries(figures.barePerSecond).map(([name, perSecond]) => `${name} ${Math.round(perSecond)}/s`);
  const others = Object.entries(figures.ratios).filter(([name]) => name !== named);
  bench.row({
    row,
    what,
    target: `>= ${LEAST} of ${named}`,
    shown: `${round(ratio)} (${Math.round(figures.perSecond)}/s)${others.map(([name, of]) => `; ${round(of)} of ${name}`).join('')}`,
    beside: rates.join(', '),
    pass: ratio >= LEAST && figures.failed === 0,
    figures,
  });
}

/** The store in this process and the gateway over HTTP, on a database of their own that is dropped at the end. */
export async function mongoRates(bench) {
  const rows = ['create', 'create-http', ...VIEWS.flatMap(({ row }) => [row, `${row}-http`]), 'claim', 'claim-racing'];
  if (!bench.wants(...rows)) return;
  const database = `tes_bench_${process.pid}`;
  const gateway = await prepareGateway({
    main: bench.main,
    directory: join(bench.work, 'mongo-rates'),
    backend: draining,
    settings: bench.mongo.settings(database),
  });
  await gateway.start(bench.nodeOptions);
  try {
    await load({ url: gateway.base, requests: Array.from({ length: SAMPLE }, () => gateway.post(realisticTask())), amount: SAMPLE });
    const store = await bench.mongo.openStore(database);
    const shared = { bench, gateway, store, database, ids: await gateway.newestIds(SAMPLE) };
    if (bench.wants('create', 'create-http')) await creates(shared);
    for (const view of VIEWS) await gets(shared, view);
    bench.memory('MongoDB, API', gateway);
    if (bench.wants('claim', 'claim-racing')) await claims(shared);
  } finally {
    await gateway.remove();
    await bench.mongo.client.db(database).dropDatabase();
  }
}

async function creates({ bench, gateway, store, database }) {
  const { client, pid: serverPid } = bench.mongo;
  const { taskId } = bench.mongo.require('./engine/task-id.js');
  const fresh = () => taskId(Date.now(), randomBytes(10));
  const patterns = (await store.listStored({ pageSize: 1024 }, 2 ** 30)).items;
  const documents = await client.db(database).collection('tasks').find({}).limit(patterns.length).toArray();
  const grouped = await bench.mongo.twin(database, 'tasks', 'bare_grouped');
  const single = await bench.mongo.twin(database, 'tasks', 'bare_single');
  const group = CONNECTIONS / BATCHES;
  let made = 0;
  const nextDocument = () => ({ ...documents[made++ % documents.length], _id: fresh(), place: new ObjectId() });
  const bares = {
    [`insertMany of ${group}, ${BATCHES} at once`]: (seconds) =>
      rate({ callers: BATCHES, seconds, serverPid }, async () => {
        await grouped.insertMany(Array.from({ length: group }, nextDocument), { ordered: false });
        return group;
      }),
    [`insertOne, ${CONNECTIONS} at once`]: (seconds) =>
      rate({ callers: CONNECTIONS, seconds, serverPid }, async () => void (await single.insertOne(nextDocument()))),
  };
  const create = async () => {
    const { task, requestJson } = patterns[made++ % patterns.length];
    await store.insert(requestJson, { ...task, id: fresh() });
  };
  const ours = (seconds) => rate({ callers: CONNECTIONS, seconds, serverPid }, create);
  const http = overHttp(
    gateway,
    Array.from({ length: SAMPLE }, () => gateway.post(realisticTask())),
  );
  const what = `create, 1.6 KB, w:majority j:true: the store, ${CONNECTIONS} callers`;
  await compare(bench, 'create', what, ours, bares);
  await compare(bench, 'create-http', `the same over HTTP, ${CONNECTIONS} connections`, http, bares);
}

async function gets({ bench, gateway, store, database, ids }, { row, view, projection, read }) {
  const { client, pid: serverPid } = bench.mongo;
  const tasks = client.db(database).collection('tasks');
  let asked = 0;
  const next = () => ids[asked++ % ids.length];
  const bares = {
    [`findOne, ${CONNECTIONS} at once`]: (seconds) =>
      rate({ callers: CONNECTIONS, seconds, serverPid }, async () => void (await tasks.findOne({ _id: next() }, { projection }))),
  };
  const ours = (seconds) => rate({ callers: CONNECTIONS, seconds, serverPid }, async () => void (await read(store, next())));
  const requests = ids.map((id) => gateway.get(`/tasks/${id}?view=${view}`));
  await compare(bench, row, `GET ${view}: the store, ${CONNECTIONS} callers`, ours, bares);
  await compare(bench, `${row}-http`, `GET ${view} over HTTP, ${CONNECTIONS} connections`, overHttp(gateway, requests), bares);
}

/** Tasks that are due again a moment after they were claimed; each claimer has some of its own, then all have the same. */
async function claims({ bench, store, database }) {
  const { client, pid: serverPid } = bench.mongo;
  const { taskId } = bench.mongo.require('./engine/task-id.js');
  const tasks = client.db(database).collection('tasks');
  const [{ task, requestJson }] = (await store.listStored({ pageSize: 1 }, 2 ** 20)).items;
  const assigned = (number) => ({
    ...task,
    id: taskId(Date.now(), randomBytes(10)),
    state: 'RUNNING',
    step: 'run',
    attempt: 1,
    backend: `claims-${number % CLAIMERS}`,
    dueAt: store.now(),
  });
  await Promise.all(Array.from({ length: DUE }, (_, number) => store.insert(requestJson, assigned(number))));
  const all = Array.from({ length: CLAIMERS }, (_, claimer) => `claims-${claimer}`);
  const query = (backends, claimer) => ({
    instance: 'bench',
    holder: `bench/${claimer}`,
    backends,
    boundBackends: [],
    steps: ['run'],
    leaseMs: 1,
    limit: CLAIM,
  });
  const ours = (seconds) =>
    rate({ callers: CLAIMERS, seconds, serverPid }, async (claimer) => (await store.claimDue(query([all[claimer]], claimer))).length);
  const racing = (seconds) =>
    rate({ callers: CLAIMERS, seconds, serverPid }, async (claimer) => (await store.claimDue(query(all, claimer))).length);
  const dueOf = (claimer, now) => ({ reach: JSON.stringify([all[claimer]]), step: 'run', wakeAt: { $exists: true, $lte: now } });
  const leased = (claimer, until) => ({ lease: { holder: `bench/${claimer}`, until }, dueAt: until, wakeAt: until });
  const options = { sort: { wakeAt: 1 }, projection: RECORD, hint: { reach: 1, step: 1, wakeAt: 1 } };
  const bares = {
    [`find ${CLAIM} and as many updates in a bulk, ${CLAIMERS} at once`]: (seconds) =>
      rate({ callers: CLAIMERS, seconds, serverPid }, async (claimer) => {
        const now = Date.now();
        const found = await tasks.find(dueOf(claimer, now), { ...options, limit: CLAIM, batchSize: CLAIM + 1 }).toArray();
        if (found.length === 0) return 0;
        const updates = found.map(({ _id, revision }) => ({
          updateOne: { filter: { _id, revision }, update: { $set: { ...leased(claimer, now + 1), revision: revision + 1 } } },
        }));
        return (await tasks.bulkWrite(updates, { ordered: false })).modifiedCount;
      }),
    [`findOneAndUpdate, ${CONNECTIONS} at once`]: (seconds) =>
      rate({ callers: CONNECTIONS, seconds, serverPid }, async (caller) => {
        const now = Date.now();
        const update = { $set: leased(caller % CLAIMERS, now + 1), $inc: { revision: 1 } };
        return (await tasks.findOneAndUpdate(dueOf(caller % CLAIMERS, now), update, options)) === null ? 0 : 1;
      }),
  };
  await compare(bench, 'claim', `claims of ${CLAIM} due tasks: the store, ${CLAIMERS} callers`, ours, bares);
  if (!bench.wants('claim-racing')) return;
  const [named] = Object.keys(bares);
  const figures = await beside({ reps: bench.load.reps, seconds: bench.load.duration }, racing, { [named]: bares[named] });
  bench.row({
    row: 'claim-racing',
    what: 'the same when all four claim from the same tasks',
    target: '-',
    shown: `${round(figures.ratios[named])} (${Math.round(figures.perSecond)}/s)`,
    beside: `${named} ${Math.round(figures.barePerSecond[named])}/s`,
    pass: undefined,
    figures,
  });
}

/** A load of the gateway as a side: with its CPU per answer. */
function overHttp(gateway, requests) {
  return async (seconds) => {
    const before = processFigures(gateway.pid).cpuSeconds;
    const { perSecond, n, failed, p50, p99 } = await load({ url: gateway.base, requests, duration: seconds });
    return { perSecond, n, failed, p50, p99, cpuMs: round(((processFigures(gateway.pid).cpuSeconds - before) * 1000) / n, 4) };
  };
}

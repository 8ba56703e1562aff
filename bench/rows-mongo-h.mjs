// MongoDB as the store, seen by a client: ratios to H, as the rows of the embedded store; and what a task's life writes.
import { join } from 'node:path';
import mongoose from 'mongoose';
import { round } from './figures.mjs';
import { prepareGateway } from './gateway.mjs';
import { filledDatabase } from './rows-mongo-pages.mjs';
import { endOf, get, list, post } from './scenarios.mjs';
import { realisticTask } from './tasks.mjs';

const { Timestamp } = mongoose.mongo;
const LEAST = { page: 0.04, tag: 0.12, minimal: 0.33, full: 0.25, create: 0.05 };
const HITS = 10;

/** On a database of `bench.stored` tasks, all finished, that is kept: what these rows post is taken away again. */
export async function mongoToH(bench) {
  if (!bench.wants('h-page', 'h-tag', 'h-get-minimal', 'h-get-full', 'h-create')) return;
  const database = await filledDatabase(bench, bench.stored);
  const db = bench.mongo.client.db(database);
  const counts = await db.collection('counts').find().toArray();
  const gateway = await prepareGateway({
    main: bench.main,
    directory: join(bench.work, 'mongo-h'),
    backend: { runtime: 'bubblewrap', drain: true },
    settings: bench.mongo.settings(database),
  });
  await gateway.start(bench.nodeOptions);
  const stored = `${bench.stored.toLocaleString('en')} stored`;
  const row = async (name, what, least, measured) => {
    if (!bench.wants(name)) return;
    const figures = await measured();
    const shown = `${round(figures.ratio, 4)} H (${Math.round(figures.perSecond)}/s; by CPU times alone ${round(figures.cpuRatio, 4)})`;
    const pass = figures.ratio >= least && figures.failed === 0;
    bench.row({ row: name, what: `${what}, ${stored}`, target: `>= ${least} H`, shown, beside: '', pass, figures });
  };
  const { load } = bench;
  try {
    await row('h-page', 'MINIMAL page of 256 over HTTP', LEAST.page, () => list(gateway, { ...load, expect: 256 }));
    await row('h-get-minimal', 'GET MINIMAL over HTTP', LEAST.minimal, () => get(gateway, { ...load, view: 'MINIMAL' }));
    await row('h-get-full', 'GET FULL over HTTP', LEAST.full, () => get(gateway, { ...load, view: 'FULL' }));
    await row('h-tag', `tag filter with ${HITS} hits over HTTP`, LEAST.tag, async () => {
      for (let hit = 0; hit < HITS; hit++) await gateway.create(realisticTask({ seldom: 'yes' }));
      return list(gateway, { ...load, filter: { tag: 'seldom=yes' }, expect: HITS });
    });
    await row('h-create', 'create, 1.6 KB, w:majority j:true, over HTTP', LEAST.create, () => post(gateway, load));
  } finally {
    await gateway.remove();
    await db.collection('tasks').deleteMany({ state: 'QUEUED' });
    await db.collection('counts').deleteMany({});
    if (counts.length > 0) await db.collection('counts').insertMany(counts);
  }
}

/** What tasks that run write, by the server's own log of changes, which every member of a set gets. */
export async function mongoLife(bench) {
  if (!bench.wants('life')) return;
  const database = `tes_bench_bytes_${process.pid}`;
  const { client } = bench.mongo;
  const gateway = await prepareGateway({
    main: bench.main,
    directory: join(bench.work, 'mongo-life'),
    backend: { runtime: 'bubblewrap' },
    settings: bench.mongo.settings(database, { limits: { default_ram_gb: 0.1 } }),
  });
  await gateway.start(bench.nodeOptions);
  const local = client.db('local').collection('oplog.rs');
  const last = async () => (await local.find().sort({ $natural: -1 }).limit(1).next()).ts;
  const run = async (count) => {
    const ids = [];
    for (let made = 0; made < count; made++) ids.push(await gateway.create({ ...realisticTask(), ...TRUE }));
    for (const id of ids) {
      const state = await endOf(gateway, id);
      if (state !== 'COMPLETE') throw new Error(`a task ended ${state}`);
    }
    // Clean-up and counters.
    await new Promise((resolve) => setTimeout(resolve, 2000));
  };
  try {
    await run(4);
    const from = await last();
    await run(bench.alone);
    const written = await local
      .aggregate([
        { $match: { ts: { $gt: Timestamp.fromBits(from.low, from.high) } } },
        { $unwind: { path: '$o.applyOps', preserveNullAndEmptyArrays: true } },
        { $set: { ns: { $ifNull: ['$o.applyOps.ns', '$ns'] }, bytes: { $bsonSize: { $ifNull: ['$o.applyOps', '$$ROOT'] } } } },
        { $match: { ns: { $regex: `^${database}\\.` } } },
        { $group: { _id: '$ns', entries: { $sum: 1 }, bytes: { $sum: '$bytes' } } },
        { $sort: { bytes: -1 } },
      ])
      .toArray();
    const each = written.map(({ _id, entries, bytes }) => ({
      collection: _id.slice(database.length + 1),
      writes: round(entries / bench.alone, 1),
      bytes: Math.round(bytes / bench.alone),
    }));
    const sum = each.reduce((all, { bytes }) => all + bytes, 0);
    bench.row({
      row: 'life',
      what: `bytes of the server's log for one task, create to clean-up, one at a time (${bench.alone} of them)`,
      target: '-',
      shown: `${sum} bytes`,
      beside: each.map(({ collection, writes, bytes }) => `${collection} ${bytes} in ${writes}`).join(', '),
      pass: undefined,
      figures: { each },
    });
  } finally {
    await gateway.remove();
    await client.db(database).dropDatabase();
  }
}

/** A task of the usual length that runs here. */
const TRUE = {
  inputs: [],
  outputs: [],
  resources: {},
  executors: [{ image: 'busybox', command: ['true'], env: { PAD: 'x'.repeat(900) } }],
};

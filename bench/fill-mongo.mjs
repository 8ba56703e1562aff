// Fills a database through the store's own module:  node fill-mongo.mjs DIST URL DATABASE COUNT
// All tasks are finished. Whose a task is, its state, its tags and its name depend on its number alone, so that a filter finds the same
// share of a thousand as of a million: six of ten, two filters together six of ten of those; RARE finds one in a thousand.
// The index of terms is made at the end, by the store's own migration: kept up to date entry by entry it takes many times as long.
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import mongoose from 'mongoose';
import { fresh, realisticTask } from './tasks.mjs';

export const FILTERS = {
  none: {},
  owner: { scopes: ['owner often'] },
  state: { state: 'COMPLETE' },
  tag: { tags: [{ key: 'cohort', value: 'often' }] },
  name: { namePrefix: 'often ' },
  'state + tag': { state: 'COMPLETE', tags: [{ key: 'cohort', value: 'often' }] },
  'tag + name': { tags: [{ key: 'cohort', value: 'often' }], namePrefix: 'often ' },
  'owner + state': { scopes: ['owner often'], state: 'COMPLETE' },
  'owner + tag': { scopes: ['owner often'], tags: [{ key: 'cohort', value: 'often' }] },
};
/** One in a thousand. */
export const RARE = { tags: [{ key: 'rare', value: 'yes' }] };

const AT_ONCE = 2048;
const MINUTE = 60_000;

/** Six of ten, by one of several independent dice. */
const often = (number, die) => (Math.imul(number + 1, [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f][die]) >>> 8) % 1000 < 600;

function taskOf(number, count, now, id) {
  const createdAt = now - count + number;
  const request = realisticTask({ cohort: often(number, 2) ? 'often' : 'seldom', ...(number % 1000 === 500 && { rare: 'yes' }) });
  const isComplete = often(number, 1);
  const name = `${often(number, 3) ? 'often' : 'seldom'} ${request.name}`;
  const executor = {
    exitCode: 0,
    startedAt: createdAt + 1500,
    endedAt: createdAt + 20 * MINUTE,
    stdout: { text: 'aligned 4801 reads\n', totalBytes: 19 },
    stderr: { text: '', totalBytes: 0 },
  };
  const task = {
    id,
    owner: often(number, 0) ? 'often' : `seldom-${number % 7}`,
    name,
    tags: request.tags,
    createdAt,
    state: isComplete ? 'COMPLETE' : 'EXECUTOR_ERROR',
    step: 'done',
    revision: 7,
    attempt: 1,
    backend: 'local',
    jobEnded: true,
    endedAt: createdAt + 20 * MINUTE,
    needs: {
      cpuCores: 4,
      ramGb: 16,
      diskGb: 80,
      schemes: ['https'],
      parameterKeys: [],
      strict: false,
      preemptible: false,
      maxRuntimeSeconds: 86_400,
      hasInputs: true,
      hasOutputs: true,
      executorCount: 1,
    },
    attempts: [
      {
        attempt: 1,
        backend: 'local',
        startedAt: createdAt + 1000,
        endedAt: createdAt + 20 * MINUTE,
        executors: [executor],
        outputs: [{ url: `https://data.example.org/out/${fresh()}.bam`, path: '/data/out/sorted.bam', sizeBytes: 812_331 }],
        systemLogs: [],
        metadata: {},
      },
    ],
    systemLogs: [],
    overlay: {},
  };
  return [JSON.stringify({ ...request, name }), task];
}

async function fill(dist, url, database, count) {
  const require = createRequire(import.meta.url);
  const { MongoTaskStore } = require(join(dist, 'stores/mongo/mongo-task-store.js'));
  const { taskId } = require(join(dist, 'engine/task-id.js'));
  const client = await new mongoose.mongo.MongoClient(url).connect();
  const open = (onProgress) => MongoTaskStore.open({ url, database, instance: 'fill', maxDueMs: 60 * MINUTE, onProgress });
  const store = await open();
  await client.db(database).collection('tasks').dropIndex('terms_1_place_-1');
  let made = 0;
  let told = performance.now();
  const loop = async () => {
    while (made < count) {
      const number = made++;
      await store.insert(...taskOf(number, count, Date.now(), taskId(Date.now(), randomBytes(10))));
      if (performance.now() - told > 10_000) {
        told = performance.now();
        console.log(`${made} of ${count}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, loop));
  await store.close();
  await client
    .db(database)
    .collection('meta')
    .updateOne({ _id: 'schema' }, { $set: { version: 0 } });
  await (await open((line) => console.log(line))).close();
  await client.close();
}

if (process.argv[1] === import.meta.filename) {
  const [dist, url, database, count] = process.argv.slice(2);
  await fill(dist, url, database, Number(count));
}

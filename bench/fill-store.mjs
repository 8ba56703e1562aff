// Fills a store through the store's own module, many times faster than over HTTP:  node fill-store.mjs DIST STORE COUNT RARE
// The first task in it, which came over HTTP, is the pattern: the same record and request, with other ids, names and tags. All are
// finished; RARE of them, evenly spread, have the tag rare=yes, a name that starts with "rare" and the state SYSTEM_ERROR. The pattern
// stays, as the newest task.
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fresh } from './tasks.mjs';

const [dist, path, countText, rareText] = process.argv.slice(2);
const count = Number(countText);
const rareEvery = Math.floor(count / Number(rareText));
const require = createRequire(import.meta.url);
const { SqliteTaskStore } = require(join(dist, 'stores/sqlite/sqlite-task-store.js'));
const { taskId } = require(join(dist, 'engine/task-id.js'));

/** As many as one transaction of the store takes. */
const GROUP = 512;
const MINUTE = 60_000;

const store = await SqliteTaskStore.open({ path, maxDueMs: 60 * MINUTE });
const [{ task: pattern, requestJson }] = (await store.listStored({ pageSize: 1 }, 2 ** 20)).items;
const { sample, run: flow } = pattern.tags;
const from = pattern.createdAt - 60 * MINUTE - count;

for (let made = 0; made < count;) {
  const group = [];
  for (; group.length < GROUP && made < count; made++) group.push(insert(made));
  await Promise.all(group);
  if (made % (GROUP * 100) === 0) console.log(`${made} of ${count}`);
}
await store.close();

function insert(number) {
  const createdAt = from + number;
  const otherFlow = fresh();
  const otherSample = `NA${12000 + (number % 900)}`;
  const isRare = number % rareEvery === Math.floor(rareEvery / 2);
  const like = (text) => text.replaceAll(flow, otherFlow).replaceAll(sample, otherSample);
  const name = isRare ? `rare ${number}` : like(pattern.name);
  const tags = { ...pattern.tags, run: otherFlow, sample: otherSample, ...(isRare && { rare: 'yes' }) };
  const task = { ...pattern, id: taskId(createdAt, randomBytes(10)), name, tags, createdAt };
  const request = { ...JSON.parse(like(requestJson)), name, tags };
  return store.insert(JSON.stringify(request), { ...task, ...finished(createdAt, isRare) });
}

/** The part of a record that its life has changed. */
function finished(createdAt, failed) {
  const startedAt = createdAt + 1000;
  const endedAt = createdAt + 20 * MINUTE;
  const tail = (text) => ({ text, totalBytes: Buffer.byteLength(text) });
  const executor = {
    exitCode: 0,
    startedAt: startedAt + 500,
    endedAt: endedAt - 500,
    stdout: tail('aligned 4801 reads\n'),
    stderr: tail(''),
  };
  const attempt = {
    attempt: 1,
    backend: 'local',
    startedAt,
    endedAt,
    executors: failed ? [] : [executor],
    outputs: failed ? [] : [{ url: 'https://data.example.org/out/sorted.bam', path: '/data/out/sorted.bam', sizeBytes: 812_331 }],
    systemLogs: failed ? ['the input reads_1 cannot be read: 404'] : [],
    metadata: {},
  };
  const state = failed ? 'SYSTEM_ERROR' : 'COMPLETE';
  return { state, step: 'done', revision: 7, attempt: 1, backend: 'local', jobEnded: true, attempts: [attempt], endedAt };
}

#!/usr/bin/env node
// npm run bench: measures every row of the table in README.md on a gateway of its own, and prints the table.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from '../scripts/build.mjs';
import { cacheDir, root } from '../scripts/steps.mjs';
import { median } from './figures.mjs';
import { readOptions } from './options.mjs';
import { logins } from './rows-login.mjs';
import { memoryOf, memoryRow, millionStore, smallStore } from './rows-api.mjs';
import { ends } from './rows-ends.mjs';
import { idleTasks } from './rows-idle.mjs';
import { files } from './rows-files.mjs';
import { largestTasks } from './rows-largest.mjs';
import { pulsarNeighbours, pulsarRunning, pulsarTasks } from './rows-pulsar.mjs';
import { queuePasses } from './rows-queue.mjs';
import { stagerFile } from './rows-stager.mjs';
import { bubblewrapTasks, podmanTasks } from './rows-tasks.mjs';
import { BenchMongo } from './mongo-server.mjs';
import { mongoRates } from './rows-mongo.mjs';
import { mongoIdle, mongoLooks, mongoQuiet } from './rows-mongo-live.mjs';
import { mongoLife, mongoToH } from './rows-mongo-h.mjs';
import { mongoPages } from './rows-mongo-pages.mjs';
import { soak } from './soak.mjs';
import { markdown, rowLine } from './table.mjs';

const options = readOptions(process.argv.slice(2));
const main = resolve(options.main ?? join(root, 'dist', 'main.js'));
if (!existsSync(main)) await build();
const cache = cacheDir('bench');
const work = join(cache, `work-${process.pid}`);
mkdirSync(work, { recursive: true });

// An end by a signal is an end all the same: the servers are ended with the process.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
process.on('exit', () => rmSync(work, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));

const rows = [];
const failures = [];
/** What the rows share: sizes, where things lie, and where figures go. */
const bench = {
  ...options,
  main,
  cache,
  work,
  memories: [],
  say: (line) => process.stderr.write(`${line}\n`),
  wants: (...names) => names.some((name) => options.rows.length === 0 || options.rows.some((row) => name.startsWith(row))),
  row: (row) => {
    rows.push(row);
    process.stderr.write(`${rowLine(row)}\n`);
  },
  memory: (name, gateway) => bench.memories.push(memoryOf(name, gateway)),
};

const date = new Date().toISOString();
const isMongo = options.store === 'mongodb';
if (isMongo) bench.mongo = await BenchMongo.start(bench);
const stages = isMongo
  ? [mongoToH, mongoLife, mongoRates, mongoPages, mongoIdle, mongoLooks, mongoQuiet, memoryRow]
  : options.soak
    ? [soak]
    : [
        smallStore,
        logins,
        millionStore,
        largestTasks,
        bubblewrapTasks,
        podmanTasks,
        ends,
        idleTasks,
        queuePasses,
        files,
        pulsarTasks,
        stagerFile,
        pulsarNeighbours,
        pulsarRunning,
        memoryRow,
      ];
for (const stage of stages) {
  try {
    await stage(bench);
  } catch (error) {
    // One part that cannot be measured does not take the others with it.
    failures.push({ stage: stage.name, error: error.message });
    bench.say(`${stage.name} could not be measured: ${error.stack}`);
  }
}
const yardPerSecond = median(rows.flatMap(({ figures }) => figures?.yardPerSecond ?? []));
const beside = isMongo ? `MongoDB ${await bench.mongo.version()}` : undefined;
console.log(markdown({ rows, date, quick: options.quick, yardPerSecond, beside }));
for (const { stage, error } of failures) console.log(`\n${stage} could not be measured: ${error}`);
if (options.json)
  writeFileSync(options.json, `${JSON.stringify({ date, quick: options.quick, yardPerSecond, rows, failures }, undefined, 2)}\n`);
await bench.mongo?.close();
process.exit(failures.length === 0 ? 0 : 1);

// The MongoDB that `--store mongodb` is measured on: the real server of the tests with its data kept in the cache, or what MONGODB_URI names.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import mongoose from 'mongoose';
import { root } from '../scripts/steps.mjs';

/** As the gateway sets them: every write acknowledged by the journals of a majority. */
const CONCERNS = { readConcern: { level: 'majority' }, writeConcern: { w: 'majority', journal: true }, maxPoolSize: 32 };

/** The server, with a client of the bare driver. `pid` where it is our own: for its CPU and memory. */
export class BenchMongo {
  static async start(bench) {
    const directory = join(bench.cache, 'mongo');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'mongod.conf'), 'setParameter:\n  reportOpWriteConcernCountersInServerStatus: true\n');
    const url = process.env.MONGODB_URI ?? (await startIn(directory));
    const pidFile = join(directory, 'mongod.pid');
    const pid = process.env.MONGODB_URI === undefined && existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : undefined;
    const client = await new mongoose.mongo.MongoClient(url, CONCERNS).connect();
    await dropRemains(client);
    return new BenchMongo(url, pid, client, createRequire(join(dirname(bench.main), 'main.js')));
  }

  #stores = [];

  constructor(url, pid, client, require) {
    this.url = url;
    this.pid = pid;
    this.client = client;
    this.require = require;
  }

  async version() {
    return (await this.client.db('admin').command({ buildInfo: 1 })).version;
  }

  /** The gateway's store in this process, of the build that is measured. */
  async openStore(database) {
    const { MongoTaskStore } = this.require('./stores/mongo/mongo-task-store.js');
    const store = await MongoTaskStore.open({ url: this.url, database, instance: 'bench', maxDueMs: 3_600_000 });
    this.#stores.push(store);
    return store;
  }

  /** Settings of a gateway on it. */
  settings(database, more = {}) {
    return { store: { type: 'mongodb', url: this.url, database }, ...more };
  }

  /** Operations that the server has carried out since it started. */
  async operations() {
    const { opcounters } = await this.client.db('admin').command({ serverStatus: 1 });
    const { insert, query, update, delete: deleted, getmore, command } = opcounters;
    return { insert, query, update, delete: deleted, getmore, command };
  }

  /** Writes to the tasks of a database (`top`), and updates of all that asked for w:majority (0 of a server that does not count them), since it started. */
  async writes(database) {
    const admin = this.client.db('admin');
    const { totals } = await admin.command({ top: 1 });
    const { opWriteConcernCounters } = await admin.command({ serverStatus: 1 });
    return { tasks: totals[`${database}.tasks`]?.update?.count ?? 0, majority: Number(opWriteConcernCounters?.update.wmajority ?? 0) };
  }

  /** A collection with the indexes of another. */
  async twin(database, of, name) {
    const twin = this.client.db(database).collection(name);
    for (const { key, unique, partialFilterExpression } of await this.client.db(database).collection(of).listIndexes().toArray()) {
      if ('_id' in key) continue;
      await twin.createIndex(key, { ...(unique && { unique }), ...(partialFilterExpression && { partialFilterExpression }) });
    }
    return twin;
  }

  async close() {
    for (const store of this.#stores) await store.close();
    await this.client.close();
  }
}

/** Databases of benches that were ended before they could drop them. */
async function dropRemains(client) {
  const { databases } = await client.db('admin').command({ listDatabases: 1, nameOnly: true });
  for (const { name } of databases) {
    const [, bench] = /^tes_bench_.*?(\d+)$/.exec(name) ?? [];
    if (bench !== undefined && !existsSync(`/proc/${bench}`)) await client.db(name).dropDatabase();
  }
}

/** Ends by itself with this process; the data stays. */
async function startIn(directory) {
  const { stdout } = await promisify(execFile)(join(root, 'test/system/mongo/start.sh'), ['--owner', String(process.pid), directory]);
  return stdout.trim().replace('MONGODB_URI=', '');
}

// One gateway's engine and store, without HTTP, with a backend that any gateway can reach, whose jobs run for ever and which notes every
// look at them:  node live-gateway.mjs '{"dist", "url", "database", "instance", "pollMs"}'
// Says "ready" when its loops go. On stdin: "begin" sets the notes to nothing, "end" prints them as JSON and ends the process.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const { dist, url, database, instance, pollMs } = JSON.parse(process.argv[2]);
const require = createRequire(import.meta.url);
const part = (name) => require(join(dist, name));
const { MongoTaskStore } = part('stores/mongo/mongo-task-store.js');
const { Engine } = part('engine/engine.js');
const { BackendRegistry, StorageRegistry } = part('ports/registries.js');
const { adapters } = part('adapters.js');
const { loadSettings } = part('config/settings.js');
const { engineSettings } = part('settings-slices.js');

/** `[job, ms]` of every look. */
let looks = [];
const backend = {
  name: 'anywhere',
  capabilities: () => ({
    parameterKeys: [],
    staging: 'worker',
    capacity: { cpuCores: 1e6, ramGb: 1e6 },
    boundToInstance: false,
    canList: false,
    draining: true,
    pollMs: { first: pollMs, longest: pollMs },
    notes: [],
  }),
  check: () => [],
  start: () => Promise.resolve(),
  health: () => Promise.resolve({ ok: true, detail: 'bench' }),
  observe: (jobs) => {
    const at = Date.now();
    for (const { name } of jobs) looks.push([name, at]);
    return Promise.resolve(jobs.map(({ name }) => ({ jobName: name, phase: 'running', executors: [], systemLogs: [] })));
  },
};
const say = (message, fields) => process.stderr.write(`${instance}: ${message} ${fields?.err?.message ?? ''}\n`);
const settings = loadSettings({ files: [], env: {}, argv: [] }, adapters);
const store = await MongoTaskStore.open({ url, database, instance, maxDueMs: 3_600_000 });
const engine = new Engine({
  store,
  backends: new BackendRegistry([backend]),
  storage: new StorageRegistry([]),
  settings: engineSettings(settings, instance),
  log: { debug: () => undefined, info: () => undefined, warn: say, error: say },
  now: Date.now,
  random: Math.random,
});
await engine.start();
console.log('ready');

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'begin') looks = [];
  else break;
}
process.stdout.write(`${JSON.stringify({ looks, loopErrors: engine.loopErrors })}\n`);
await engine.stop(0);
await store.close();
process.exit();

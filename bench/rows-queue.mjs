// What the Scheduler's passes cost, in this process, on a store of the built gateway: CPU, so that a busy machine matters little.
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { median, round } from './figures.mjs';

const BACKENDS = Array.from({ length: 100 }, (_, number) => `site-${number}`);
const ROOMY = { cpuCores: 1e6, ramGb: 1e6 };
const NEEDS = {
  cpuCores: 1,
  ramGb: 1,
  schemes: [],
  parameterKeys: [],
  strict: false,
  preemptible: false,
  maxRuntimeSeconds: 3600,
  hasInputs: false,
  hasOutputs: false,
  executorCount: 1,
};

/** Assigning one task, and 64 at once, with few and with very many live ones; and a pass over a queue that waits for something else. */
export async function queuePasses(bench) {
  if (!bench.wants('queue')) return;
  const few = await assigning(bench, 10);
  const many = await assigning(bench, bench.live);
  for (const [count, limit] of [
    [1, (one) => one.many <= 1.5 * one.few],
    [64, ({ many: cpu }) => cpu < 15],
  ]) {
    const figures = { few: few[count], many: many[count] };
    bench.row({
      row: 'queue',
      what: `assign ${count} task${count > 1 ? 's at once' : ''}, ${bench.live.toLocaleString('en')} live (with 10: ${round(figures.few)} ms)`,
      target: count === 1 ? 'at most 1.5 times that' : 'under 15 ms of CPU',
      shown: `${round(figures.many)} ms of CPU`,
      funnel: '-',
      pass: limit(figures),
      figures,
    });
  }
  const cpu = await waiting(bench);
  bench.row({
    row: 'queue',
    what: `a pass, ${bench.many.toLocaleString('en')} queued in ${BACKENDS.length} classes of which one is open`,
    target: 'under 3 ms of CPU',
    shown: `${round(cpu)} ms of CPU`,
    funnel: '-',
    pass: cpu < 3,
    figures: { cpu },
  });
}

/** Median CPU of a pass, ms, by how many tasks it gives away. */
async function assigning(bench, live) {
  const { store, scheduler, insert } = await open(bench, `live-${live}`, ['site-0'], { 'site-0': ROOMY });
  await inGroups(live, (number) => insert({ state: 'RUNNING', step: 'run', attempt: 1, backend: 'site-0', dueAt: 9e15 }, number));
  const cpus = {};
  for (const [count, reps] of [
    [1, 60],
    [64, 12],
  ]) {
    const taken = [];
    for (let rep = 0; rep < reps; rep += 1) {
      await inGroups(count, () => insert());
      taken.push(await cpuOf(() => scheduler.pass()));
    }
    cpus[count] = median(taken.slice(reps / 4));
  }
  await store.close();
  return cpus;
}

async function waiting(bench) {
  const full = { cpuCores: 0, ramGb: 0 };
  const open_ = await open(bench, 'waiting', BACKENDS, Object.fromEntries(BACKENDS.map((name, at) => [name, at === 99 ? ROOMY : full])));
  const { store, scheduler, insert } = open_;
  const asking = (name) => insert({ needs: { ...NEEDS, backend: name } });
  await inGroups(bench.many, (number) => asking(BACKENDS[number % 99]));
  const taken = [];
  for (let rep = 0; rep < 40; rep += 1) {
    await asking(BACKENDS[99]);
    taken.push(await cpuOf(() => scheduler.pass()));
  }
  await store.close();
  return median(taken.slice(10));
}

async function open(bench, name, names, capacities) {
  const require = createRequire(import.meta.url);
  const built = (path) => require(join(dirname(bench.main), `${path}.js`));
  const { SqliteTaskStore } = built('stores/sqlite/sqlite-task-store');
  const { Scheduler } = built('engine/scheduler');
  const { TaskWriter } = built('engine/task-writer');
  const { TaskChanges } = built('engine/task-changes');
  const { BackendRegistry } = built('ports/registries');
  const { taskId } = built('engine/task-id');
  const store = await SqliteTaskStore.open({ path: join(bench.work, `${name}.sqlite`), maxDueMs: 3_600_000 });
  const capabilities = (backend) => ({
    parameterKeys: [],
    staging: 'gateway',
    capacity: capacities[backend],
    boundToInstance: false,
    canList: false,
    draining: false,
    pollMs: { first: 1000, longest: 30_000 },
    notes: [],
  });
  const backends = new BackendRegistry(names.map((backend) => ({ name: backend, capabilities: () => capabilities(backend) })));
  const writer = new TaskWriter(store, backends, new TaskChanges(() => undefined), Date.now);
  const monitor = { health: () => ({ ok: true, detail: '', since: 0 }) };
  const settings = { instance: 'bench', bigTaskWaitMs: 300_000, tickMs: 30_000, peekMs: 2000 };
  const scheduler = new Scheduler({ store, writer, backends, monitor, log: { info() {}, warn() {}, error: console.error } }, settings, {
    known: { elsewhere: () => [] },
    fullness: () => undefined,
    stillAwaits: () => undefined,
  });
  scheduler.stopped = false;
  const insert = async (changes = {}) => {
    const now = Date.now();
    const id = taskId(now, randomBytes(10));
    const plain = { owner: 'bench', tags: {}, createdAt: now, state: 'QUEUED', step: 'queued', revision: 1, attempt: 0, jobEnded: false };
    const task = { id, ...plain, needs: NEEDS, attempts: [], systemLogs: [], overlay: {}, ...changes };
    if (store.reserve !== undefined && task.backend !== undefined)
      await store.reserve(task.backend, { taskId: id, attempt: 1, cpuCores: 1, ramGb: 1 }, ROOMY);
    await store.insert('{"executors":[{"image":"i","command":["c"]}]}', task);
  };
  return { store, scheduler, insert };
}

async function inGroups(count, make) {
  for (let made = 0; made < count;) {
    const group = [];
    for (; group.length < 512 && made < count; made += 1) group.push(make(made));
    await Promise.all(group);
  }
}

async function cpuOf(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

// Three gateways on one database with very many live tasks: what they look at, and what they cost.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { processFigures, quantile, round, sorted } from './figures.mjs';
import { prepareGateway } from './gateway.mjs';
import { load } from './load.mjs';
import { trivialTask } from './tasks.mjs';

const GATEWAYS = 3;
const MOST_PERCENT = 2;
const QUIET_POLL_MS = 10_000;

/** CPU of each process in percent of one CPU while `seconds` go by, its memory, and what was asked of the server. */
async function costs(bench, pids, seconds) {
  const operations = await bench.mongo.operations();
  const before = pids.map((pid) => processFigures(pid).cpuSeconds);
  const from = performance.now();
  await pause(seconds * 1000);
  const took = (performance.now() - from) / 1000;
  const after = await bench.mongo.operations();
  const perSecond = Object.fromEntries(Object.entries(after).map(([name, n]) => [name, round((n - operations[name]) / took, 1)]));
  const gateways = pids.map((pid, index) => {
    const { cpuSeconds, rssMb, anonMb } = processFigures(pid);
    return { percent: round(((cpuSeconds - before[index]) * 100) / took), rssMb, anonMb };
  });
  return { gateways, mongodPerSecond: perSecond, seconds: round(took) };
}

const worst = ({ gateways }) => Math.max(...gateways.map(({ percent }) => percent));
const memoryOf = ({ gateways }) => `${gateways.map(({ rssMb }) => round(rssMb, 0)).join(', ')} MB`;

/** Real gateways, and tasks that wait for a backend: nobody looks at those. */
export async function mongoIdle(bench) {
  if (!bench.wants('idle')) return;
  const database = `tes_bench_idle_${process.pid}`;
  const gateways = [];
  try {
    for (let number = 1; number <= GATEWAYS; number++) {
      const directory = join(bench.work, `mongo-idle-${number}`);
      const settings = bench.mongo.settings(database, { instance: `gateway-${number}` });
      const gateway = await prepareGateway({ main: bench.main, directory, backend: { runtime: 'bubblewrap', drain: true }, settings });
      gateways.push(gateway);
      await gateway.start(bench.nodeOptions);
    }
    const pids = gateways.map(({ pid }) => pid);
    await pause(Math.min(10, bench.idleSeconds) * 1000);
    const empty = await costs(bench, pids, bench.idleSeconds / 2);
    const requests = Array.from({ length: 64 }, (_, number) => gateways[0].post(trivialTask(number)));
    const { failed } = await load({ url: gateways[0].base, requests, amount: bench.waiting });
    if (failed > 0) throw new Error(`${failed} tasks could not be created`);
    await pause(Math.min(10, bench.idleSeconds) * 1000);
    const figures = await costs(bench, pids, bench.idleSeconds);
    bench.row({
      row: 'idle',
      what: `${bench.waiting.toLocaleString('en')} tasks wait, ${GATEWAYS} gateways: CPU of the busiest (none waiting: ${worst(empty)} %)`,
      target: `< ${MOST_PERCENT} % of one CPU`,
      shown: `${worst(figures)} %`,
      beside: `mongod: ${figures.mongodPerSecond.query} queries/s, ${figures.mongodPerSecond.update} updates/s`,
      pass: worst(figures) < MOST_PERCENT,
      figures: { ...figures, empty },
    });
    for (const [index, gateway] of gateways.entries()) bench.memory(`MongoDB, gateway ${index + 1} of ${GATEWAYS}`, gateway);
    bench.row({
      row: 'memory',
      what: 'memory of the gateways then',
      target: '<= 250 MB each',
      shown: memoryOf(figures),
      beside: '',
      pass: figures.gateways.every(({ rssMb }) => rssMb <= 250),
      figures,
    });
  } finally {
    for (const gateway of gateways) await gateway.remove();
    await bench.mongo.client.db(database).dropDatabase();
  }
}

/** Tasks whose jobs run, looked at every `pollSeconds` by whichever of three engines comes first. */
export async function mongoLooks(bench) {
  if (!bench.wants('looks')) return;
  const { pollSeconds, waiting } = bench;
  const database = `tes_bench_live_${process.pid}`;
  const engines = [];
  try {
    await fillLive(bench, database, waiting, pollSeconds * 1000);
    for (let number = 1; number <= GATEWAYS; number++)
      engines.push(await startEngine(bench, database, `gateway-${number}`, pollSeconds * 1000));
    // One whole round first: the loops have found their pace.
    await pause(pollSeconds * 1000);
    for (const { child } of engines) child.stdin.write('begin\n');
    const figures = await costs(
      bench,
      engines.map(({ child }) => child.pid),
      pollSeconds * 2.5,
    );
    const notes = await Promise.all(engines.map((engine) => engine.end()));
    const { twice, unseen, gaps, shares } = judged(notes, waiting, pollSeconds * 1000);
    const every = `every ${pollSeconds} s`;
    bench.row({
      row: 'looks',
      what: `${waiting.toLocaleString('en')} live tasks, looked at ${every} by ${GATEWAYS} gateways: looked at twice in one interval`,
      target: 'none, and none left out',
      shown: `${twice} twice, ${unseen} not in time`,
      beside: `between two looks ${gaps.shortest} to ${gaps.longest} s, median ${gaps.median} s; looks by gateway ${shares.join(', ')}`,
      pass: twice === 0 && unseen === 0,
      figures: { ...figures, twice, unseen, gaps, shares, loopErrors: notes.map(({ loopErrors }) => loopErrors) },
    });
    bench.row({
      row: 'looks',
      what: `CPU of the busiest gateway meanwhile (${round(waiting / pollSeconds / GATEWAYS, 0)} looks/s each)`,
      target: `< ${MOST_PERCENT} % of one CPU`,
      shown: `${worst(figures)} %`,
      beside: memoryOf(figures),
      pass: worst(figures) < MOST_PERCENT,
      figures,
    });
  } finally {
    for (const { child } of engines) child.kill('SIGKILL');
    await bench.mongo.client.db(database).dropDatabase();
  }
}

/** Tasks whose jobs say nothing new: what a look writes, and how much of it has to be on the disks of a majority. */
export async function mongoQuiet(bench) {
  if (!bench.wants('quiet')) return;
  const { running } = bench;
  const database = `tes_bench_quiet_${process.pid}`;
  let engine;
  try {
    await fillLive(bench, database, running, QUIET_POLL_MS);
    engine = await startEngine(bench, database, 'gateway-1', QUIET_POLL_MS);
    await pause(QUIET_POLL_MS);
    engine.child.stdin.write('begin\n');
    const before = await bench.mongo.writes(database);
    await pause(4 * QUIET_POLL_MS);
    const after = await bench.mongo.writes(database);
    const looks = (await engine.end()).looks.length;
    const perLook = round((after.tasks - before.tasks) / looks, 2);
    const durable = after.majority - before.majority;
    bench.row({
      row: 'quiet',
      what: `${running.toLocaleString('en')} running tasks without news, looked at every ${QUIET_POLL_MS / 1000} s: writes of their documents per look`,
      target: '<= 1, none w:majority',
      shown: `${perLook} (${looks} looks)`,
      beside: `${durable} updates with w:majority meanwhile, of the gateway's own sign of life`,
      pass: perLook <= 1 && durable < looks / 50,
      figures: { looks, before, after },
    });
  } finally {
    engine?.child.kill('SIGKILL');
    await bench.mongo.client.db(database).dropDatabase();
  }
}

/** Running jobs of a backend that every gateway can reach, due evenly over the interval. */
async function fillLive(bench, database, count, pollMs) {
  const store = await bench.mongo.openStore(database);
  const { taskId } = bench.mongo.require('./engine/task-id.js');
  const now = store.now();
  const handle = { backend: 'anywhere', version: 1, step: 'submitted', data: {} };
  const needs = { cpuCores: 1, ramGb: 1, schemes: [], parameterKeys: [], strict: false, preemptible: false, maxRuntimeSeconds: 86_400 };
  const live = (number) => ({
    id: taskId(now, randomBytes(10)),
    owner: 'bench',
    tags: {},
    createdAt: now - 3_600_000,
    state: 'RUNNING',
    step: 'run',
    revision: 4,
    attempt: 1,
    backend: 'anywhere',
    handle,
    jobEnded: false,
    dueAt: now + Math.round((pollMs * number) / count),
    needs: { ...needs, hasInputs: false, hasOutputs: false, executorCount: 1 },
    attempts: [{ attempt: 1, backend: 'anywhere', startedAt: now - 3_500_000, executors: [], outputs: [], systemLogs: [], metadata: {} }],
    systemLogs: [],
    overlay: {},
  });
  const request = JSON.stringify(trivialTask(0));
  for (let made = 0; made < count; made += 1000) {
    const numbers = Array.from({ length: Math.min(1000, count - made) }, (_, index) => made + index);
    await Promise.all(numbers.map((number) => store.insert(request, live(number))));
  }
}

async function startEngine(bench, database, instance, pollMs) {
  const settings = JSON.stringify({ dist: dirname(bench.main), url: bench.mongo.url, database, instance, pollMs });
  const child = spawn(process.execPath, [...bench.nodeOptions, join(import.meta.dirname, 'live-gateway.mjs'), settings], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${instance} ended`);
    return value;
  };
  await next();
  return {
    child,
    end: async () => {
      const ended = once(child, 'exit');
      child.stdin.write('end\n');
      const notes = JSON.parse(await next());
      await ended;
      return notes;
    },
  };
}

/** A look sooner than the interval after the one before it is one too many. One that is overdue by half an interval was left out. */
function judged(notes, count, pollMs) {
  const times = new Map();
  for (const { looks } of notes) for (const [job, at] of looks) times.set(job, [...(times.get(job) ?? []), at]);
  const gaps = [];
  let twice = 0;
  let unseen = count - times.size;
  for (const each of times.values()) {
    const inOrder = sorted(each);
    const between = inOrder.slice(1).map((at, index) => at - inOrder[index]);
    twice += between.filter((gap) => gap < pollMs).length;
    unseen += between.some((gap) => gap > 1.5 * pollMs) ? 1 : 0;
    gaps.push(...between);
  }
  const order = sorted(gaps);
  const seconds = (q) => round(quantile(order, q) / 1000);
  return {
    twice,
    unseen,
    gaps: { shortest: seconds(0), median: seconds(0.5), longest: seconds(1) },
    shares: notes.map(({ looks }) => looks.length),
  };
}

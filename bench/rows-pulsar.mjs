// The rows of Pulsar: what the gateway's own part takes beside a real server on this machine, and many jobs on servers that are none.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { connect } from 'amqplib';
import { root } from '../scripts/steps.mjs';
import { median, processFigures, quantile, round, sorted } from './figures.mjs';
import { prepareGateway } from './gateway.mjs';
import { secondsOf, watchMemory, writeRandom } from './rows-files.mjs';
import { endOf } from './scenarios.mjs';
import { trivialTask } from './tasks.mjs';
import { pool } from './tes-server.mjs';

const runFile = promisify(execFile);
const POLL_MS = 500;
const SERVERS = 10;

/** A real engine, as the tests start it; ends with this process. */
async function startEngine(bench, engine, name, ...options) {
  const directory = join(bench.cache, name);
  const engines = join(root, 'test', 'system', engine);
  const { stdout } = await runFile(join(engines, 'start.sh'), ['--owner', String(process.pid), ...options, directory], {
    timeout: 600_000,
  });
  const of = (key) => new RegExp(`^${key}=(.*)$`, 'm').exec(stdout)?.[1] ?? '';
  return { directory, of, stop: () => runFile(join(engines, 'stop.sh'), [directory]) };
}

async function startPulsar(bench, name = 'pulsar', ...options) {
  const { directory, of, stop } = await startEngine(bench, 'pulsar', name, ...options);
  return { url: of('PULSAR_URL'), token: of('PULSAR_TOKEN'), staging: join(directory, 'run', 'staging'), stop };
}

const entry = (name, { url, token = '' }, more) => ({ name, type: 'pulsar', url, token, cpus: 1000, ram_gb: 1000, ...more });

async function startGateway(bench, name, backends, logs = { level: 'warn' }) {
  const directory = join(bench.work, name);
  const settings = { backends, logs, limits: { default_ram_gb: 0.1 } };
  const gateway = await prepareGateway({ main: bench.main, directory, backend: {}, settings });
  await gateway.start(bench.nodeOptions);
  return gateway;
}

export async function pulsarTasks(bench) {
  if (bench.wants('pulsar-overhead-amqp')) await overAmqp(bench);
  if (!bench.wants('pulsar-overhead', 'pulsar-file')) return;
  const pulsar = await startPulsar(bench);
  const backends = [entry('pulsar', pulsar, { runtime: 'bubblewrap', slots: 8 })];
  const gateway = await startGateway(bench, 'pulsar', backends, { level: 'debug', format: 'json' });
  try {
    if (bench.wants('pulsar-overhead'))
      await overhead(bench, gateway, pulsar, { row: 'pulsar-overhead', way: 'over REST', mostMs: POLL_MS + 100 });
    if (bench.wants('pulsar-file')) await file(bench, gateway, pulsar);
    bench.memory('Pulsar tasks', gateway);
  } finally {
    await gateway.remove();
    await pulsar.stop();
  }
}

/** Control over a real RabbitMQ, files over REST. */
async function overAmqp(bench) {
  const rabbit = await startEngine(bench, 'rabbitmq', 'rabbitmq');
  const url = rabbit.of('AMQP_URL');
  const pulsar = await startPulsar(bench, 'pulsar-amqp', '--broker', url);
  const gateway = await startGateway(bench, 'pulsar-amqp', [entry('pulsar', pulsar, { runtime: 'bubblewrap', slots: 8, amqp_url: url })], {
    level: 'debug',
    format: 'json',
  });
  const word = await listenToPulsar(url);
  try {
    await overhead(bench, gateway, pulsar, { row: 'pulsar-overhead-amqp', way: 'over AMQP, files over REST', mostMs: 50, word });
  } finally {
    await word.close();
    await gateway.remove();
    await pulsar.stop();
    await rabbit.stop();
  }
}

/** When Pulsar said of each job that it is over, as a listener beside the gateway hears it: what comes before is Pulsar's part. */
async function listenToPulsar(url) {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'pulsar', 'pulsar__status_update');
  const heard = new Map();
  const hear = ({ content }) => {
    const { job_id: id, status } = JSON.parse(content.toString());
    if (['complete', 'failed'].includes(status) && !heard.has(id)) heard.set(id, Date.now());
  };
  await channel.consume(queue, (message) => message && hear(message), { noAck: true });
  return { heard, close: () => connection.close() };
}

/** When the job's script was done, by the file that it leaves last; undefined when it was never seen. */
async function watchResult(path, ended) {
  for (;;) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found) return found.mtimeMs;
    if (ended()) return undefined;
    await pause(5);
  }
}

/** One task at a time: from its log when it was taken and handed over, from the worker when its script was done, from its document when it was COMPLETE. */
async function overhead(bench, gateway, { staging }, { row, way, mostMs, word }) {
  const ids = [];
  const scripts = new Map();
  for (let number = 0; number < bench.pulsarTasks; number++) {
    const id = await gateway.create(trivialTask(number));
    let isOver = false;
    const done = watchResult(join(staging, `tes-${id}-1`, 'metadata', 'tes', 'result'), () => isOver);
    const state = await endOf(gateway, id, { everyMs: 20, seconds: 60 });
    isOver = true;
    if (state !== 'COMPLETE') throw new Error(`a task on Pulsar ended ${state}`);
    ids.push(id);
    scripts.set(id, await done);
  }
  const troubles = (await (await fetch(`${gateway.base}/metrics`)).text())
    .split('\n')
    .filter((line) => /^tes_gateway_attempt_troubles_total\{.*"retreated"/.test(line));
  if (troubles.length > 0) throw new Error(`attempts were given up: ${troubles.join()}`);
  const handedOver = new Map();
  const taken = new Map();
  for (const line of gateway.log().split('\n')) {
    const { task, event, step, time } = line.startsWith('{') ? JSON.parse(line) : {};
    if (event === 'created') taken.set(task, Date.parse(time) || time);
    if (event === 'submitted' && step === 'run') handedOver.set(task, Date.parse(time) || time);
  }
  const before = ids.map((id) => handedOver.get(id) - taken.get(id));
  const after = [];
  const ends = new Map();
  const executors = [];
  const whole = [];
  for (const id of ids) {
    const { creation_time: created, logs } = (await gateway.call('GET', `/tasks/${id}?view=FULL`)).body;
    const done = scripts.get(id);
    ends.set(id, Date.parse(logs[0].end_time));
    if (done !== undefined) after.push(ends.get(id) - done);
    executors.push(Date.parse(logs[0].end_time) - Date.parse(logs[0].logs[0].end_time));
    whole.push(Date.parse(logs[0].end_time) - Date.parse(created));
  }
  const [handing, ending] = [median(before), median(after)];
  // Where Pulsar tells, its part of the end is known: from the script's end until it had told.
  const own = word ? ids.flatMap((id) => (word.heard.has(`tes-${id}-1`) ? [ends.get(id) - word.heard.get(`tes-${id}-1`)] : [])) : after;
  const share = median(own);
  bench.row({
    row,
    what: `\`true\` on Pulsar ${way}, ${ids.length} tasks one by one: POST to handed over, end of the job's script to COMPLETE`,
    target: `${word ? "Pulsar's word" : "script's end"} to COMPLETE < ${mostMs} ms`,
    shown: `${round(handing, 0)} ms (Pulsar's answers included), ${round(ending, 0)} ms${word ? `, of which ${round(share, 0)} ms after Pulsar's word` : ''}; executor's end to COMPLETE ${round(median(executors), 0)} ms, whole task ${round(median(whole), 0)} ms`,
    funnel: '-',
    pass: share < mostMs,
    figures: { before, after, own, executors, whole, seen: after.length, p95After: quantile(sorted(after), 0.95) },
  });
}

/** The same bytes there and back, by the gateway and by curl. */
async function file(bench, gateway, { url, token }) {
  const source = join(gateway.files, 'source');
  const result = join(gateway.files, 'result');
  await writeRandom(source, bench.fileMb);
  const address = (path, query) => `${url}${path}?${new URLSearchParams({ ...query, private_token: token })}`;
  const curl = (...args) => runFile('curl', ['-sSf', ...args], { timeout: 600_000 });
  const job = `bench-curl-${process.pid}`;
  const bare = () =>
    secondsOf(async () => {
      await curl('-X', 'POST', address('/jobs', { job_id: job }));
      await curl('-X', 'POST', '-H', 'Expect:', '-T', source, address(`/jobs/${job}/files`, { name: 'f', type: 'metadata' }));
      await curl('-o', result, address(`/jobs/${job}/files`, { name: 'f', type: 'output_metadata' }));
      await runFile('sync', ['-f', result]);
      await curl('-X', 'DELETE', address(`/jobs/${job}`, {}));
    });
  const shape = { inputs: [{ url: `file://${source}`, path: '/work/f' }], outputs: [{ url: `file://${result}`, path: '/work/f' }] };
  const reps = [];
  let before = await bare();
  for (let rep = 0; rep < bench.load.reps; rep++) {
    rmSync(result, { force: true });
    const memory = watchMemory(gateway.pid);
    const seconds = await secondsOf(async () => {
      const id = await gateway.create({ ...trivialTask(rep), ...shape });
      const state = await endOf(gateway, id, { seconds: 1200 });
      if (state !== 'COMPLETE') throw new Error(`the task with the large file ended ${state}`);
    });
    const growthMb = memory();
    if (statSync(result).size !== statSync(source).size) throw new Error('the output is not as long as the input');
    const after = await bare();
    reps.push({ seconds: round(seconds), curl: round((before + after) / 2), share: (before + after) / 2 / seconds, growthMb });
    before = after;
  }
  const share = median(reps.map((rep) => rep.share));
  const growthMb = Math.max(...reps.map((rep) => rep.growthMb));
  bench.row({
    row: 'pulsar-file',
    what: `${bench.fileMb / 1024} GB file to Pulsar and back, POST to COMPLETE, staging: gateway`,
    target: '>= 0.7 of curl, memory flat',
    shown: `${round(share)}, ${round(median(reps.map((rep) => rep.seconds)), 1)} s, memory +${round(growthMb, 0)} MB`,
    funnel: '-',
    pass: share >= 0.7 && growthMb <= 64,
    figures: { reps },
  });
}

/** As many servers that are none. */
async function startFakes(count) {
  const fakes = spawn(process.execPath, [join(root, 'bench', 'fake-pulsar.mjs'), String(count)], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => fakes.kill());
  return { urls: JSON.parse(String((await once(fakes.stdout, 'data'))[0])), stop: () => fakes.kill() };
}

/** What a healthy server's tasks notice of 300 tasks on one that does not answer any more. */
export async function pulsarNeighbours(bench) {
  if (!bench.wants('pulsar-neighbours')) return;
  const { urls, stop } = await startFakes(2);
  const backends = urls.map((url, index) => entry(['healthy', 'hanging'][index], { url }, { runtime: 'podman', slots: 10_000 }));
  const gateway = await startGateway(bench, 'neighbours', backends);
  const on = (backend, number) => ({ ...trivialTask(number), resources: { backend_parameters: { backend } } });
  const reach = async (id, state) => {
    for (let seen; seen !== state; seen = await gateway.state(id)) await pause(5);
  };
  /** 20 tasks at once: POST to RUNNING, then cancel to CANCELED. */
  const round20 = async () => {
    const [started, cancelled] = [[], []];
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    const ids = [];
    await pool(numbers, numbers.length, async (number) => {
      const from = performance.now();
      const id = await gateway.create(on('healthy', number));
      ids.push(id);
      await reach(id, 'RUNNING');
      started.push(performance.now() - from);
    });
    await pool(ids, ids.length, async (id) => {
      const from = performance.now();
      await gateway.call('POST', `/tasks/${id}:cancel`);
      await reach(id, 'CANCELED');
      cancelled.push(performance.now() - from);
    });
    return { started: median(started), cancelled: median(cancelled) };
  };
  try {
    await round20();
    const alone = [await round20(), await round20(), await round20()];
    const stuck = [];
    await pool(Array.from(Array(bench.pulsarStuck).keys()), 16, async (number) => stuck.push(await gateway.create(on('hanging', number))));
    for (const id of stuck) await reach(id, 'RUNNING');
    await fetch(`${urls[1]}/hang`, { method: 'POST' });
    const [cancels, posts] = [stuck.slice(0, stuck.length / 3), stuck.length / 3];
    for (const id of cancels) await gateway.call('POST', `/tasks/${id}:cancel`);
    for (let number = 0; number < posts; number += 1) await gateway.create(on('hanging', number));
    const beside = [await round20(), await round20(), await round20()];
    const ratio = (of) => median(beside.map((one) => one[of])) / median(alone.map((one) => one[of]));
    const [start, cancel] = [ratio('started'), ratio('cancelled')];
    bench.row({
      row: 'pulsar-neighbours',
      what: `20 tasks on a (fake) Pulsar beside ${stuck.length} running, ${cancels.length} of them cancelled, and ${posts} waiting on one that hangs: start and cancel, against alone`,
      target: '<= 2 x',
      shown: `start ${round(start)} x, cancel ${round(cancel)} x (${round(median(beside.map(({ started }) => started)), 0)} ms, ${round(median(beside.map(({ cancelled }) => cancelled)), 0)} ms)`,
      funnel: '-',
      pass: start <= 2 && cancel <= 2,
      figures: { alone, beside },
    });
  } finally {
    await gateway.remove();
    stop();
  }
}

export async function pulsarRunning(bench) {
  if (!bench.wants('pulsar-running')) return;
  const { urls, stop } = await startFakes(SERVERS);
  const slots = Math.ceil(bench.pulsarRunning / SERVERS);
  const backends = urls.map((url, index) => entry(`fake${index}`, { url }, { runtime: 'podman', slots }));
  const gateway = await startGateway(bench, 'running', backends);
  try {
    const ids = [];
    const from = performance.now();
    await pool(
      Array.from({ length: bench.pulsarRunning }, (_, number) => number),
      16,
      async (number) => ids.push(await gateway.create(trivialTask(number))),
    );
    for (const id of ids) for (; (await gateway.state(id)) !== 'RUNNING';) await pause(100);
    const seconds = (performance.now() - from) / 1000;
    // By then each is looked at as seldom as it ever is.
    await pause(bench.pulsarSettleSeconds * 1000);
    const start = { ...processFigures(gateway.pid), at: performance.now() };
    await pause(bench.idleSeconds * 1000);
    const end = processFigures(gateway.pid);
    const percent = ((end.cpuSeconds - start.cpuSeconds) * 100_000) / (performance.now() - start.at);
    bench.row({
      row: 'pulsar-running',
      what: `${ids.length} running tasks on ${SERVERS} (fake) Pulsar servers; all running after ${round(seconds, 1)} s`,
      target: '< 10 % of a core',
      shown: `${round(percent, 1)} % of one CPU, ${round(end.rssMb, 0)} MB (+${round(end.rssMb - start.rssMb, 1)})`,
      funnel: '-',
      pass: percent < 10,
      figures: { percent, seconds, rssMb: end.rssMb, growthMb: end.rssMb - start.rssMb },
    });
    bench.memory('running on Pulsar', gateway);
  } finally {
    await gateway.remove();
    stop();
  }
}

// The load: closed loop, keep-alive, no pipelining, 64 connections unless told otherwise; and H, loaded the same way in the same seconds.
import autocannon from 'autocannon';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { machineBusySeconds, mean, median, processFigures, quantile, round, sorted, syncsPerSecond } from './figures.mjs';

export const CONNECTIONS = 64;
/** Autocannon builds every request given to a connection again for that connection, so each gets its own few. */
const REQUESTS_PER_CONNECTION = 32;

/**
 * Loads `url` for `duration` seconds, or until `amount` answers. Every connection cycles through its own requests.
 * Latencies (ms) are from autocannon's timer per answer, not from its histogram of whole milliseconds.
 */
export async function load({ url, requests, duration, amount, connections = CONNECTIONS, headers = {}, timeout = 30 }) {
  const latencies = [];
  const codes = {};
  let seat = 0;
  const from = performance.now();
  const instance = autocannon({
    url,
    connections,
    pipelining: 1,
    requests: requests.slice(0, 1),
    timeout,
    headers,
    ...(amount ? { amount } : { duration }),
    setupClient: (client) => {
      const start = (seat++ * REQUESTS_PER_CONNECTION) % requests.length;
      if (requests.length > 1) client.setRequests([...requests.slice(start), ...requests].slice(0, REQUESTS_PER_CONNECTION));
    },
  });
  instance.on('response', (_client, status, _bytes, ms) => {
    latencies.push(ms);
    codes[status] = (codes[status] ?? 0) + 1;
  });
  const result = await instance;
  const seconds = (performance.now() - from) / 1000;
  const ms = sorted(latencies);
  const good = Object.entries(codes).reduce((sum, [code, n]) => sum + (code.startsWith('2') ? n : 0), 0);
  return {
    perSecond: round(good / seconds),
    p50: round(quantile(ms, 0.5), 3),
    p99: round(quantile(ms, 0.99), 3),
    max: round(ms.at(-1), 1),
    n: latencies.length,
    seconds: round(seconds),
    failed: latencies.length - good + result.errors + result.timeouts,
    codes,
    mbPerSecond: round(result.throughput.total / seconds / 1e6),
  };
}

let yardstickUrl;
/** Where H answers; started when it is first asked for. */
export async function yardstickServer() {
  yardstickUrl ??= await startYardstick();
  return yardstickUrl;
}

/** Loads H. Its server is a process of its own, as the measured one is. Both it and the generator are warm. */
export async function loadYardstick(seconds) {
  const requests = [{ method: 'GET', path: '/' }];
  const cold = yardstickUrl === undefined;
  const url = await yardstickServer();
  if (cold) await load({ url, requests, duration: 2 });
  const generator = generatorCpu();
  const result = await load({ url, requests, duration: seconds });
  return { ...result, generatorCpuMs: generator() / result.n };
}

/** Returns what tells the ms of CPU this process has taken since. */
function generatorCpu() {
  const from = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(from);
    return (user + system) / 1000;
  };
}

async function startYardstick() {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'yardstick.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.on('exit', () => child.kill());
  const [port] = await once(child.stdout, 'data');
  child.unref();
  child.stdout.unref();
  return `http://127.0.0.1:${Number(port)}`;
}

/**
 * H, `work`, H, `work`, ... H: each repetition is divided by the mean of H before and after it, which cancels most of a noisy machine.
 * `cpuRatio` is what the CPU times alone promise: H is as fast as the generator, anything else as the slower of generator and server.
 * `work` resolves to `{perSecond, n, ...}`. With `yardSeconds` 0 nothing is divided.
 */
export async function measure(server, { reps = 3, yardSeconds = 2, syncDirectory, onRep = () => undefined }, work) {
  const done = [];
  let before = yardSeconds > 0 ? await loadYardstick(yardSeconds) : undefined;
  for (let rep = 1; rep <= reps; rep++) {
    const syncs = syncDirectory === undefined ? undefined : syncsPerSecond(syncDirectory);
    const shares = cpuShares(server.pid);
    const result = await work(rep);
    const machine = shares(result.n);
    const after = yardSeconds > 0 ? await loadYardstick(yardSeconds) : undefined;
    const yard = after && mean([before.perSecond, after.perSecond]);
    before = after;
    done.push({
      rep,
      ...result,
      ...(yard && { yardPerSecond: round(yard), yardP50: after.p50, ratio: round(result.perSecond / yard, 5) }),
      ...(syncs && { syncsPerSecond: syncs }),
      ...machine,
      ...(yard &&
        machine.serverCpuMs && { cpuRatio: round(after.generatorCpuMs / Math.max(machine.serverCpuMs, machine.generatorCpuMs), 5) }),
      load1: round(loadavg()[0], 1),
    });
    onRep(done.at(-1));
  }
  return summary(done);
}

/** Whose CPU it was: the server's, the generator's, somebody else's. Server CPU per answer does not depend on what else the machine does. */
function cpuShares(pid) {
  const server = processFigures(pid).cpuSeconds;
  const busy = machineBusySeconds();
  const own = generatorCpu();
  const from = performance.now();
  return (answers) => {
    const seconds = (performance.now() - from) / 1000;
    const generator = own() / 1000;
    const { cpuSeconds, rssMb, anonMb } = processFigures(pid);
    const spent = cpuSeconds - server;
    return {
      ...(answers && Number.isFinite(spent) && { serverCpuMs: round((spent * 1000) / answers, 4) }),
      ...(answers && { generatorCpuMs: round((generator * 1000) / answers, 4) }),
      cores: {
        server: round(spent / seconds),
        generator: round(generator / seconds),
        others: round((machineBusySeconds() - busy - generator - (spent || 0)) / seconds),
      },
      ...(rssMb && { rssMb, anonMb }),
    };
  };
}

function summary(reps) {
  const column = (name) => reps.map((rep) => rep[name]).filter(Number.isFinite);
  const middle = (name, digits) => round(median(column(name)), digits);
  const range = (name) => (column(name).length > 0 ? [Math.min(...column(name)), Math.max(...column(name))] : undefined);
  return {
    reps,
    perSecond: middle('perSecond'),
    perSecondRange: range('perSecond'),
    p50: middle('p50', 3),
    p99: middle('p99', 3),
    ratio: middle('ratio', 5),
    ratioRange: range('ratio'),
    cpuRatio: middle('cpuRatio', 5),
    yardPerSecond: middle('yardPerSecond'),
    serverCpuMs: middle('serverCpuMs', 4),
    syncsPerSecond: middle('syncsPerSecond', 0),
    rssMb: reps.at(-1)?.rssMb,
    failed: reps.reduce((sum, { failed = 0 }) => sum + failed, 0),
  };
}

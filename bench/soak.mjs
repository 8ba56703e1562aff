// Mixed load for a long time at a steady rate: memory, handles, size of the store and latency at the end against after the warm-up.
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { mean, median, processFigures, quantile, round, sizeMb, sorted } from './figures.mjs';
import { prepareGateway } from './gateway.mjs';
import { yardstickServer } from './load.mjs';
import { endOf } from './scenarios.mjs';
import { realisticTask, TERMINAL, trivialTask } from './tasks.mjs';
import { listPath } from './tes-server.mjs';

/** How often one client of each kind sends a request, ms; the mix has `CLIENTS` of a kind, one where none is named. */
const EVERY = { create: 1000, file: 2000, cancel: 2000, get: 20, full: 50, list: 100, filter: 200, yardstick: 20 };
const CLIENTS = { create: 4 };
const RECENT = 200;

/** Starts the mix until the given moment. `take` hands out the latencies by kind since its last call. */
function startMix(gateway, yardstickUrl, counts, until) {
  let latencies = {};
  const recent = [];
  const anyId = () => recent[Math.floor(Math.random() * recent.length)];
  const remember = (id) => {
    recent.push(id);
    if (recent.length > RECENT) recent.shift();
    return id;
  };
  const get = async (path) => {
    const { status, text } = await gateway.call('GET', path);
    if (status !== 200) throw new Error(`${path}: ${status} ${text.slice(0, 200)}`);
  };
  const create = async (task) => remember(await gateway.create(task));
  let number = 0;
  /** Each resolves to what the client does before its next request; that is not part of the latency. */
  const ended = (id) => async () => {
    const state = await endOf(gateway, id, { everyMs: 100 });
    if (state !== 'COMPLETE') throw new Error(`${id} ended ${state}`);
  };
  const work = {
    create: async () => ended(await create(trivialTask(number++))),
    file: async () => ended(await create(fileTask(gateway, number++))),
    cancel: async () => {
      const id = await create({ ...realisticTask(), inputs: [], outputs: [] });
      await gateway.call('POST', `/tasks/${id}:cancel`, {});
      return () => endOf(gateway, id, { everyMs: 100 });
    },
    get: () => recent.length > 0 && get(`/tasks/${anyId()}?view=MINIMAL`),
    full: () => recent.length > 0 && get(`/tasks/${anyId()}?view=FULL`),
    list: () => get(listPath()),
    filter: () => get(listPath({ tag: 'bench=e2e', state: 'COMPLETE', pageSize: 20, view: 'BASIC' })),
    yardstick: async () => void (await (await fetch(yardstickUrl)).arrayBuffer()),
  };
  const client = async (kind) => {
    while (performance.now() < until) {
      const from = performance.now();
      try {
        const rest = await work[kind]();
        (latencies[kind] ??= []).push(performance.now() - from);
        counts[kind] = (counts[kind] ?? 0) + 1;
        if (typeof rest === 'function') await rest();
      } catch (error) {
        counts.failed = (counts.failed ?? 0) + 1;
        counts.lastFailure = String(error);
      }
      await pause(Math.max(1, EVERY[kind] - (performance.now() - from)));
    }
  };
  const clients = Object.keys(EVERY).flatMap((kind) => Array.from({ length: CLIENTS[kind] ?? 1 }, () => client(kind)));
  const take = () => {
    const taken = latencies;
    latencies = {};
    return taken;
  };
  return { take, ended: Promise.all(clients) };
}

const fileTask = (gateway, number) => ({
  name: `soak-file-${number % 50}`,
  inputs: [{ url: `file://${join(gateway.files, 'in')}`, path: '/work/in' }],
  outputs: [{ url: `file://${join(gateway.files, `out-${number % 50}`)}`, path: '/work/out' }],
  executors: [{ image: 'localhost/busybox:latest', command: ['/bin/sh', '-c', 'cat /work/in /work/in >/work/out'] }],
});

export async function soak(bench) {
  const { minutes } = bench;
  const directory = join(bench.work, 'soak');
  // Finished tasks go after a short while, so that the store is as large after the warm-up as it will ever be. Sweeps are 5 minutes apart:
  // what is compared lies 10 minutes apart.
  const settings = { retention: { finished: '1m' } };
  const gateway = await prepareGateway({ main: bench.main, directory, backend: { runtime: 'bubblewrap' }, settings });
  writeFileSync(join(gateway.files, 'in'), Buffer.alloc(1_000_000, 'x'));
  await gateway.start(bench.nodeOptions);
  const counts = {};
  const from = performance.now();
  const mix = startMix(gateway, await yardstickServer(), counts, from + minutes * 60_000);
  const samples = [];
  while (performance.now() - from < minutes * 60_000 - 2000) {
    await pause(Math.min(20_000, minutes * 3000));
    const taken = Object.entries(mix.take());
    const p50 = Object.fromEntries(taken.map(([kind, ms]) => [kind, round(quantile(sorted(ms), 0.5), 2)]));
    const { rssMb, handles, threads } = processFigures(gateway.pid);
    const storeMb = round(sizeMb(gateway.store), 1);
    samples.push({ minute: round((performance.now() - from) / 60_000), rssMb, handles, threads, storeMb, p50 });
    bench.say(JSON.stringify(samples.at(-1)));
  }
  await mix.ended;
  soakRows(bench, samples, counts, await unfinished(gateway));
  await gateway.remove();
}

/** Tasks that have not ended a while after the last one was created. */
async function unfinished(gateway) {
  for (let tries = 0; ; tries++) {
    let open = 0;
    let token = '';
    do {
      const { body } = await gateway.call('GET', listPath({ pageSize: 2000 }, token));
      open += body.tasks.filter(({ state }) => !TERMINAL.has(state)).length;
      token = body.next_page_token;
    } while (token);
    if (open === 0 || tries > 60) return open;
    await pause(1000);
  }
}

/** After the warm-up = the samples between a third and a half of the time; the end = those of the last sixth. */
function soakRows(bench, samples, counts, left) {
  const end = samples.at(-1).minute;
  const between = (a, b) => samples.filter(({ minute }) => minute >= end * a && minute <= end * b);
  const begin = between(1 / 3, 1 / 2);
  const last = between(5 / 6, 1);
  const add = (what, read, digits = 1) => {
    const [a, b] = [begin, last].map((some) => mean(some.map(read)));
    const shown = `${round(a, digits)} -> ${round(b, digits)} (${round((b / a - 1) * 100, 1)} %)`;
    bench.row({ row: 'soak', what, target: 'within 10 %', shown, funnel: '-', pass: b <= a * 1.1, figures: { begin: a, end: b } });
  };
  add('memory, MB', ({ rssMb }) => rssMb);
  add('handles', ({ handles }) => handles);
  add('store, MB', ({ storeMb }) => storeMb);
  for (const kind of Object.keys(EVERY).filter((name) => name !== 'yardstick')) {
    const [a, b] = [begin, last].map((some) => median(some.map(({ p50 }) => p50[kind] / p50.yardstick)));
    const shown = `${round(a, 1)} -> ${round(b, 1)} times H's (${round((b / a - 1) * 100, 1)} %)`;
    const figures = { begin: a, end: b };
    bench.row({ row: 'soak', what: `latency of ${kind}`, target: 'within 10 %', shown, funnel: '-', pass: b <= a * 1.1, figures });
  }
  const pass = left === 0 && !counts.failed;
  bench.row({
    row: 'soak',
    what: 'requests',
    target: 'none fails, every task ends',
    shown: `${JSON.stringify(counts)}, ${left} not ended`,
    funnel: '-',
    pass,
    figures: { counts, left, samples },
  });
}

// How soon a running task has ended when it is to end: one program, and thousands of processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startEngine } from './engines.mjs';
import { median, processFigures, round } from './figures.mjs';
import { prepareGateway } from './gateway.mjs';
import { TERMINAL } from './tasks.mjs';

const RUNTIMES = ['bubblewrap', 'apptainer', 'docker', 'podman'];
/** What a program that takes no notice of TERM has to end, s. */
const GRACE = 1;
/** Cancels whose CPU is added up: the kernel counts in hundredths of a second. */
const CANCELS = 15;

/** Processes that do nothing and take no notice of TERM: each waits for somebody to open a pipe. */
const crowd = (count) =>
  `trap "" TERM; mkfifo /tmp/pipe; n=0; while [ $n -lt ${count} ]; do read line </tmp/pipe & n=$((n + 1)); done; echo ready; wait`;

export async function ends(bench) {
  for (const runtime of RUNTIMES) {
    if (!bench.wants(`cancel-${runtime}`, `crowd-${runtime}`, `cancel-beside-${runtime}`)) continue;
    const { env, settings, image } = await startEngine(runtime, bench.cache);
    const gateway = await prepareGateway({
      main: bench.main,
      directory: join(bench.work, `ends-${runtime}`),
      env,
      settings: { ...settings, local: { kill_grace_seconds: GRACE } },
      backend: { runtime },
    });
    await gateway.start(bench.nodeOptions);
    try {
      if (bench.wants(`cancel-${runtime}`)) await cancelOfSleep(bench, gateway, runtime, image);
      if (bench.wants(`cancel-beside-${runtime}`)) await cancelBesideOthers(bench, gateway, runtime, image);
      if (bench.wants(`crowd-${runtime}`)) await cancelOfCrowd(bench, gateway, runtime, image);
    } finally {
      await gateway.remove();
    }
  }
}

/** Resolves with the task's id once the program has printed this line. */
async function started(gateway, executor, line) {
  const id = await gateway.create({ executors: [executor], resources: { ram_gb: 4 } });
  for (;;) {
    const response = await fetch(`${gateway.base}/ext/v1/tasks/${id}/logs/0/stdout`);
    if ((await response.text()).includes(line)) return id;
    if (TERMINAL.has(await gateway.state(id))) throw new Error(`${id} ended before it was cancelled`);
    await pause(20);
  }
}

/** From the cancel to CANCELED, ms, and whether the next look at the state already said so. */
async function cancelled(gateway, id) {
  const from = performance.now();
  await gateway.call('POST', `/tasks/${id}:cancel`, {});
  let state = await gateway.state(id);
  const atOnce = state === 'CANCELED';
  for (; state !== 'CANCELED'; state = await gateway.state(id)) await pause(5);
  return { ms: performance.now() - from, atOnce };
}

/** A program that has no handler for TERM. */
async function cancelOfSleep(bench, gateway, runtime, image) {
  const all = [];
  for (let number = 0; number < 7; number += 1) {
    const id = await started(gateway, { image, command: ['/bin/sh', '-c', 'echo ready; exec sleep 600'] }, 'ready');
    all.push(await cancelled(gateway, id));
  }
  const times = all.map(({ ms }) => ms);
  const longest = Math.max(...times);
  const confirmed = all.filter(({ atOnce }) => atOnce).length;
  bench.row({
    row: `cancel-${runtime}`,
    what: `cancel of a running \`sleep 600\` to CANCELED, ${runtime}, the longest of ${all.length} (median ${round(median(times), 0)} ms)`,
    target: '<= 1.5 s, CANCELED at the next look',
    shown: `${round(longest / 1000)} s, ${confirmed} of ${all.length}`,
    pass: longest <= 1500 && confirmed === all.length,
    figures: { times, confirmed },
  });
}

/** What ends a job is a child of the gateway: its CPU alone, and while many processes that have nothing to do with it are on the machine. */
async function cancelBesideOthers(bench, gateway, runtime, image) {
  const cpuMs = async () => {
    let ms = 0;
    for (let number = 0; number < CANCELS; number += 1) {
      const id = await started(gateway, { image, command: ['/bin/sh', '-c', 'echo ready; exec sleep 600'] }, 'ready');
      const before = processFigures(gateway.pid).endedCpuSeconds;
      await cancelled(gateway, id);
      ms += (processFigures(gateway.pid).endedCpuSeconds - before) * 1000;
    }
    return ms / CANCELS;
  };
  const alone = await cpuMs();
  const neighbours = spawn('/bin/sh', ['-c', `n=0; while [ $n -lt ${bench.neighbours} ]; do sleep 3600 & n=$((n + 1)); done; echo; wait`], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  try {
    await once(neighbours.stdout, 'data');
    const beside = await cpuMs();
    const all = readdirSync('/proc').filter((name) => /^\d/.test(name)).length;
    const each = ((beside - alone) * 1000) / bench.neighbours;
    bench.row({
      row: `cancel-beside-${runtime}`,
      what: `CPU of a cancel beside ${all} processes, ${runtime} (${round(alone, 0)} ms without ${bench.neighbours} of them)`,
      target: '<= 50 us for each other process',
      shown: `${round(beside, 0)} ms, ${round(each, 0)} us for each`,
      pass: each <= 50,
      figures: { alone, beside, all },
    });
  } finally {
    process.kill(-neighbours.pid, 'SIGKILL');
  }
}

async function cancelOfCrowd(bench, gateway, runtime, image) {
  const id = await started(gateway, { image, command: ['/bin/sh', '-c', crowd(bench.crowd)] }, 'ready');
  const { ms } = await cancelled(gateway, id);
  const after = ms / 1000 - GRACE;
  bench.row({
    row: `crowd-${runtime}`,
    what: `${bench.crowd} processes that take no notice of TERM, ${runtime}: CANCELED so long after their grace of ${GRACE} s`,
    target: '<= 2 s',
    shown: `${round(after)} s`,
    pass: after <= 2,
    figures: { ms },
  });
}

// What a gateway costs while very many tasks wait and nothing changes.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { processFigures, round } from './figures.mjs';
import { prepareGateway } from './gateway.mjs';
import { load } from './load.mjs';
import { trivialTask } from './tasks.mjs';

/** Percent of one CPU that still counts as none: timers that fire every few seconds. */
const NONE = 0.5;

async function cpuPercent(gateway, seconds) {
  const before = processFigures(gateway.pid).cpuSeconds;
  const from = performance.now();
  await pause(seconds * 1000);
  return ((processFigures(gateway.pid).cpuSeconds - before) * 100_000) / (performance.now() - from);
}

/** Once with a backend that drains, once behind a task that holds the whole machine. */
export async function idleTasks(bench) {
  if (!bench.wants('idle')) return;
  const stored = bench.waiting.toLocaleString('en');
  for (const drain of [true, false]) {
    const directory = join(bench.work, 'idle');
    const gateway = await prepareGateway({ main: bench.main, directory, backend: { runtime: 'bubblewrap', drain } });
    await gateway.start();
    const holder = drain ? undefined : await holdMachine(gateway);
    try {
      const empty = await settled(gateway, bench.idleSeconds);
      const requests = Array.from({ length: 64 }, (_, number) => gateway.post(trivialTask(number)));
      const { failed } = await load({ url: gateway.base, requests, amount: bench.waiting });
      if (failed > 0) throw new Error(`${failed} of ${stored} tasks could not be created`);
      const percent = await settled(gateway, bench.idleSeconds);
      bench.row({
        row: 'idle',
        what: `${stored} live tasks waiting, ${drain ? 'the backend drains' : 'one running holds the machine'} (none waiting: ${round(empty)} %)`,
        target: 'no CPU',
        shown: `${round(percent)} % of one CPU`,
        funnel: '-',
        pass: percent <= Math.max(NONE, empty * 1.1),
        figures: { percent, empty, seconds: bench.idleSeconds, ...processFigures(gateway.pid) },
      });
    } finally {
      if (holder) await gateway.call('POST', `/tasks/${holder}:cancel`, {}).then(() => pause(2000));
      await gateway.remove();
    }
  }
}

/** What it takes once the effects of what was done before are over. */
async function settled(gateway, seconds) {
  await pause(Math.min(10, seconds) * 1000);
  return cpuPercent(gateway, seconds);
}

async function holdMachine(gateway) {
  const task = trivialTask('holder', { command: 'exec sleep 86400' });
  const id = await gateway.create({ ...task, resources: { cpu_cores: availableParallelism() } });
  for (let tries = 0; (await gateway.state(id)) !== 'RUNNING'; tries++) {
    if (tries > 600) throw new Error('the task that was to hold the machine does not run');
    await pause(100);
  }
  return id;
}

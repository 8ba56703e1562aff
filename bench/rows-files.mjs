// One large file in and out of a task, against cp and sync on the same disk.
import { execFile } from 'node:child_process';
import { createWriteStream, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { mean, median, processFigures, round } from './figures.mjs';
import { prepareGateway } from './gateway.mjs';
import { endOf } from './scenarios.mjs';
import { trivialTask } from './tasks.mjs';

const runFile = promisify(execFile);
const MIB = 2 ** 20;

export async function writeRandom(path, mb) {
  const file = createWriteStream(path);
  const block = randomBytes(4 * MIB);
  for (let written = 0; written < mb; written += 4) {
    // No block is like another, should a file system look for that.
    block.writeUInt32LE(written, 0);
    if (!file.write(Buffer.from(block))) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
  await runFile('sync', ['-f', path]);
}

export async function secondsOf(work) {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1000;
}

export async function files(bench) {
  if (!bench.wants('files')) return;
  const gateway = await prepareGateway({ main: bench.main, directory: join(bench.work, 'files'), backend: { runtime: 'bubblewrap' } });
  await gateway.start(bench.nodeOptions);
  const source = join(gateway.files, 'source');
  const result = join(gateway.files, 'result');
  try {
    await writeRandom(source, bench.fileMb);
    // Each into a file that is new, as the gateway's are: writing over an old one gets its memory and blocks, still warm.
    const cp = async (copies) => {
      const names = Array.from({ length: copies }, (_, index) => join(gateway.files, `copy${index}`));
      const seconds = await secondsOf(async () => {
        for (const name of names) {
          await runFile('cp', ['--reflink=never', source, name]);
          await runFile('sync', ['-f', name]);
        }
      });
      for (const name of names) rmSync(name);
      return seconds;
    };
    const input = { url: `file://${source}`, path: '/work/in' };
    const output = { url: `file://${result}`, path: '/work/in' };
    const shapes = { input: { inputs: [input] }, 'input and output': { inputs: [input], outputs: [output] } };
    for (const [name, shape] of Object.entries(shapes)) {
      const copies = name === 'input' ? 1 : 2;
      const reps = [];
      let before = await cp(copies);
      for (let rep = 0; rep < bench.load.reps; rep++) {
        const memory = watchMemory(gateway.pid);
        const seconds = await secondsOf(async () => {
          const id = await gateway.create({ ...trivialTask(rep), ...shape });
          const state = await endOf(gateway, id);
          if (state !== 'COMPLETE') throw new Error(`the task with the large ${name} ended ${state}`);
        });
        const growthMb = memory();
        const after = await cp(copies);
        reps.push({
          seconds: round(seconds),
          cp: round(mean([before, after])),
          times: seconds / mean([before, after]),
          growthMb,
        });
        before = after;
        if (copies === 2) {
          if (statSync(result).size !== statSync(source).size) throw new Error('the output is not as long as the input');
          rmSync(result);
        }
      }
      const times = median(reps.map((rep) => rep.times));
      const growthMb = Math.max(...reps.map((rep) => rep.growthMb));
      bench.row({
        row: 'files',
        what: `${bench.fileMb / 1024} GB file ${name}, POST to COMPLETE, against cp and sync -f`,
        target: '<= 1.3 x, memory flat',
        shown: `${round(times)} x, memory +${round(growthMb, 0)} MB`,
        funnel: '-',
        pass: times <= 1.3 && growthMb <= 64,
        figures: { reps },
      });
    }
    bench.memory('large files', gateway);
  } finally {
    await gateway.remove();
  }
}

/** Returns what ends the watch and tells how many MiB the process grew at most. */
export function watchMemory(pid) {
  const start = processFigures(pid).rssMb;
  let most = start;
  const timer = setInterval(() => (most = Math.max(most, processFigures(pid).rssMb ?? 0)), 100);
  return () => {
    clearInterval(timer);
    return most - start;
  };
}

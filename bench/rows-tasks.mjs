// The rows in which tasks run: one alone, and very many at once.
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { IMAGE, startEngine } from './engines.mjs';
import { round } from './figures.mjs';
import { prepareGateway } from './gateway.mjs';
import { e2e, e2e1 } from './scenarios.mjs';
import { pool } from './tes-server.mjs';

const runFile = promisify(execFile);

/** A gateway that takes as many trivial tasks at once as there are CPUs, or as `--parallel` says. */
async function startGateway(bench, runtime, env = {}) {
  const width = bench.parallel ?? availableParallelism();
  const directory = join(bench.work, runtime);
  // Only the CPUs are to limit how many run at once: a trivial task is charged one, and little memory.
  const settings = { limits: { default_ram_gb: 0.1 } };
  const gateway = await prepareGateway({ main: bench.main, directory, env, settings, backend: { runtime, cpus: width } });
  await gateway.start(bench.nodeOptions);
  await e2e(gateway, { count: width * 4, reps: 1, image: IMAGE });
  return { gateway, width };
}

const endsOf = (states) => (Object.keys(states).every((state) => state === 'COMPLETE') ? '' : `, ENDED ${JSON.stringify(states)}`);
const allComplete = (states) => Object.keys(states).every((state) => state === 'COMPLETE');

export async function bubblewrapTasks(bench) {
  if (!bench.wants('one-bubblewrap', 'many-bubblewrap')) return;
  const { gateway, width } = await startGateway(bench, 'bubblewrap');
  try {
    if (bench.wants('one-bubblewrap')) {
      const bare = () => runFile('bwrap', ['--ro-bind', '/', '/', '/bin/sh', '-c', 'true']);
      const figures = await e2e1(gateway, { count: bench.alone, beside: bare });
      bench.row({
        row: 'one-bubblewrap',
        what: `one \`true\` task, POST to COMPLETE, bubblewrap (bare bwrap: ${figures.besideMs} ms)`,
        target: 'median <= 60 ms',
        shown: `${figures.ms} ms${endsOf(figures.states)}`,
        funnel: '94 ms',
        pass: figures.ms <= 60 && allComplete(figures.states),
        figures,
      });
    }
    if (bench.wants('many-bubblewrap')) {
      const figures = await e2e(gateway, { count: bench.atOnce, reps: 1, settleSeconds: 600 });
      bench.row({
        row: 'many-bubblewrap',
        what: `${bench.atOnce} such tasks at once, ${width} running, bubblewrap`,
        target: '>= 40/s',
        shown: `${round(figures.perSecond, 1)}/s${endsOf(figures.reps[0].states)}`,
        funnel: '22/s',
        pass: figures.perSecond >= 40 && figures.failed === 0,
        figures,
      });
    }
    bench.memory('bubblewrap tasks', gateway);
  } finally {
    await gateway.remove();
  }
}

export async function podmanTasks(bench) {
  if (!bench.wants('one-podman', 'many-podman')) return;
  const { env } = await startEngine('podman', bench.cache);
  const run = () => runFile('podman', ['run', '--rm', IMAGE, '/bin/sh', '-c', 'true'], { env: { ...process.env, ...env } });
  await run();
  const { gateway, width } = await startGateway(bench, 'podman', env);
  try {
    if (bench.wants('one-podman')) await onePodman(bench, gateway, run);
    if (bench.wants('many-podman')) await manyPodman(bench, gateway, run, width);
    bench.memory('podman tasks', gateway);
  } finally {
    await gateway.remove();
  }
}

async function onePodman(bench, gateway, run) {
  const figures = await e2e1(gateway, { count: bench.alone, beside: run });
  const times = figures.ms / figures.besideMs;
  bench.row({
    row: 'one-podman',
    what: `one \`true\` task, POST to COMPLETE, podman (bare \`podman run\`: ${round(figures.besideMs, 0)} ms)`,
    target: '<= 1.2 x bare `podman run`',
    shown: `${round(times)} x, ${figures.ms} ms${endsOf(figures.states)}`,
    funnel: '620 ms',
    pass: times <= 1.2 && allComplete(figures.states),
    figures,
  });
}

/** Bare runs before and after, as with H. */
async function manyPodman(bench, gateway, run, width) {
  const count = bench.atOncePodman;
  const bare = async () => {
    const from = performance.now();
    await pool(Array.from({ length: Math.ceil(count / 2) }), width, run);
    return (performance.now() - from) / 1000;
  };
  const before = await bare();
  const figures = await e2e(gateway, { count, reps: 1, settleSeconds: 1200, image: IMAGE });
  const barePerSecond = (2 * Math.ceil(count / 2)) / (before + (await bare()));
  const share = figures.perSecond / barePerSecond;
  bench.row({
    row: 'many-podman',
    what: `${count} such tasks at once, ${width} running, podman (bare: ${round(barePerSecond, 1)}/s)`,
    target: '>= 0.9 of bare `podman run`',
    shown: `${round(share)}, ${round(figures.perSecond, 1)}/s${endsOf(figures.reps[0].states)}`,
    funnel: '0.6',
    pass: share >= 0.9 && figures.failed === 0,
    figures: { ...figures, barePerSecond },
  });
}

// One large file that a Pulsar worker fetches and stores itself, against the same stager started by hand with the same plan, both by the
// times that the stager gives for its transfers. The task around it (POST to COMPLETE) is shown beside: over REST its end is seen a poll later.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { root } from '../scripts/steps.mjs';
import { startFileServer } from '../test/contract/storage/http-file-server.ts';
import { median, round } from './figures.mjs';
import { prepareGateway } from './gateway.mjs';
import { secondsOf, writeRandom } from './rows-files.mjs';
import { endOf } from './scenarios.mjs';
import { trivialTask } from './tasks.mjs';

const engines = join(root, 'test', 'system', 'pulsar');

async function startPulsar(bench) {
  const directory = join(bench.cache, 'pulsar');
  const args = ['--owner', String(process.pid), directory];
  const { stdout } = await promisify(execFile)(join(engines, 'start.sh'), args, { timeout: 600_000 });
  const of = (name) => new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)?.[1] ?? '';
  return { url: of('PULSAR_URL'), token: of('PULSAR_TOKEN'), stop: () => promisify(execFile)(join(engines, 'stop.sh'), [directory]) };
}

export async function stagerFile(bench) {
  if (!bench.wants('stager-file')) return;
  const built = dirname(bench.main);
  const program = join(built, 'stager.main.js');
  const files = join(bench.work, 'stager-files');
  mkdirSync(files, { recursive: true });
  await writeRandom(join(files, 'source'), bench.fileMb);
  const server = await startFileServer(files);
  const pulsar = await startPulsar(bench);
  const backend = {
    ...{ type: 'pulsar', url: pulsar.url, token: pulsar.token, runtime: 'bubblewrap', slots: 2, cpus: 8, ram_gb: 64 },
    ...{ staging: 'worker', stager: [process.execPath, program] },
  };
  const settings = { storage: { http: { allowed_networks: ['127.0.0.0/8'] } } };
  const gateway = await prepareGateway({ main: bench.main, directory: join(bench.work, 'stager'), backend, settings });
  await gateway.start(bench.nodeOptions);
  const task = {
    ...trivialTask(0),
    inputs: [{ url: `${server.url}/source`, path: '/work/f', type: 'FILE' }],
    outputs: [{ url: `${server.url}/result`, path: '/work/f', type: 'FILE' }],
  };
  try {
    const reps = [];
    const byHand = () => secondsByHand(bench, built, program, task);
    let before = await byHand();
    for (let rep = 0; rep < bench.load.reps; rep++) {
      rmSync(join(files, 'result'), { force: true });
      let id;
      const whole = await secondsOf(async () => {
        id = await gateway.create(task);
        const state = await endOf(gateway, id, { everyMs: 50, seconds: 1200 });
        if (state !== 'COMPLETE') throw new Error(`the task with the large file ended ${state}`);
      });
      if (statSync(join(files, 'result')).size !== statSync(join(files, 'source')).size)
        throw new Error('the output is not as long as the input');
      const { system_logs: lines } = (await gateway.call('GET', `/tasks/${id}?view=FULL`)).body.logs[0];
      const moving = lines
        .map((line) => Number(/by the worker: .* in ([0-9.]+) s$/.exec(line)?.[1] ?? 0))
        .reduce((sum, each) => sum + each);
      const after = await byHand();
      const hand = (before + after) / 2;
      reps.push({ whole: round(whole), moving: round(moving), hand: round(hand), share: hand / moving });
      before = after;
    }
    const share = median(reps.map((rep) => rep.share));
    bench.row({
      row: 'stager-file',
      what: `${bench.fileMb / 1024} GB file from a web server to a Pulsar worker and back, staging: worker, against the stager started by hand`,
      target: '>= 0.9',
      shown: `${round(share)}, ${round(median(reps.map((rep) => rep.moving)), 1)} s; whole task ${round(median(reps.map((rep) => rep.whole)), 1)} s`,
      funnel: '-',
      pass: share >= 0.9,
      figures: { reps },
    });
  } finally {
    await gateway.remove();
    await server.close();
    await pulsar.stop();
  }
}

/** The plan that the gateway would send, in a directory of its own; the outputs are asked for as soon as the inputs are there. */
async function secondsByHand(bench, built, program, task) {
  const directory = join(bench.work, 'by-hand');
  const require = createRequire(import.meta.url);
  const { stagerPart } = require(join(built, 'backends', 'pulsar', 'worker-staging.js'));
  const http = {
    enabled: true,
    maxRedirects: 5,
    reach: { networks: ['127.0.0.0/8'], setting: 'storage.http.allowed_networks' },
    connectTimeoutMs: 10_000,
    idleTimeoutMs: 60_000,
  };
  const stager = {
    ...{ command: [], files: [], transfers: { parallel: 8, tries: 3 } },
    retry: { attempts: 1, firstDelayMs: 100, longestDelayMs: 100, patienceMs: 0 },
    storage: [{ name: 'http', schemes: ['http'], settings: http }],
  };
  const { files } = stagerPart({ name: 'by-hand', request: task }, { runtime: 'bubblewrap', stager }, directory);
  rmSync(directory, { recursive: true, force: true });
  for (const each of ['plan', 'stager']) mkdirSync(join(directory, each), { recursive: true });
  for (const [name, content] of files) writeFileSync(join(directory, 'plan', name), content);
  const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(child, 'exit');
  while (child.exitCode === null && !existsSync(join(directory, 'stager', 'in'))) await pause(5);
  writeFileSync(join(directory, 'stager', 'ask'), '');
  const [code] = await ended;
  if (code !== 0) throw new Error(`the stager started by hand ended with ${code}`);
  const said = (word) => JSON.parse(readFileSync(join(directory, 'stager', word), 'utf8'));
  return (said('in').ms + said('out').ms) / 1000;
}

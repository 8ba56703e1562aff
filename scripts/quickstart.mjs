// `npm run quickstart`: from a fresh clone to a task that ran. With `-- --once` it ends after the example.
// Runs on the host's own Node (>= 20); everything else comes with `npm ci`.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { chooseRuntime } from './choose-runtime.mjs';
import { exampleTask, runExample } from './example-task.mjs';
import { installPackages } from './install.mjs';
import { root, toolEnvironment } from './steps.mjs';

const IMAGE = 'docker.io/library/busybox:1.36';
const dataDir = join(root, 'data');
const { once, port } = parseArgs({
  options: { once: { type: 'boolean', default: false }, port: { type: 'string', default: '8080' } },
}).values;
const url = `http://127.0.0.1:${port}`;

/** Starts the built server; resolves when it serves. It is a group of its own, so that Ctrl-C reaches it once, through us. */
async function startServer(runtime) {
  mkdirSync(dataDir, { recursive: true });
  const logFile = join(dataDir, 'gateway.log');
  const log = openSync(logFile, 'a');
  const logStart = readFileSync(logFile, 'utf8').length;
  const backends = JSON.stringify([{ name: 'local', type: 'local', runtime }]);
  const args = ['dist/main.js', '--server.port', port, '--data_dir', dataDir, '--work_dir', join(root, 'work'), '--backends', backends];
  const child = spawn('node', args, { cwd: root, env: toolEnvironment(), stdio: ['ignore', log, log], detached: true });
  closeSync(log);
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  let gone = false;
  void ended.then(() => (gone = true));
  for (;;) {
    if (gone) throw new Error(`the server did not start:\n${readFileSync(logFile, 'utf8').slice(logStart).slice(-4000)}`);
    const ready = await fetch(`${url}/readyz`).catch(() => undefined);
    if (ready?.ok && !gone) break;
    await setTimeout(50);
  }
  console.log(`  it writes its log to ${logFile}`);
  return { child, ended };
}

/** npm and the terminal may both hand on one Ctrl-C: what comes within a second is one. */
function passOnSignals(child) {
  let last = -Infinity;
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      if (performance.now() - last < 1000) return;
      last = performance.now();
      child.kill(signal);
    });
  }
}

async function quickstart() {
  if (
    await fetch(`${url}/healthz`).then(
      () => true,
      () => false,
    )
  )
    throw new Error(`Something answers on port ${port} already: stop it, or choose another port with \`-- --port 8081\`.`);
  await installPackages();
  await build();
  console.log('Choosing a container runtime');
  const runtime = await chooseRuntime(IMAGE);
  console.log(
    `  ${runtime}${runtime === 'bubblewrap' ? ": programs of this machine in a fresh root; the task's image is recorded but not used" : ''}`,
  );

  console.log(`Starting the server on ${url}`);
  const { child, ended } = await startServer(runtime);
  passOnSignals(child);
  let right;
  try {
    right = await runExample(`${url}/ga4gh/tes/v1`, exampleTask(IMAGE, join(dataDir, 'files', 'quickstart')));
    console.log(right ? 'The output is right.' : 'The output is NOT what it should be.');
    if (!once) sayWhatNext();
  } finally {
    if (once) child.kill('SIGTERM');
  }
  const end = await ended;
  return once && (!right || end !== 0) ? 1 : 0;
}

function sayWhatNext() {
  const body = JSON.stringify({ executors: [{ image: IMAGE, command: ['echo', 'hello'] }] });
  console.log(`
Swagger UI      ${url}/docs
Try             curl -X POST ${url}/ga4gh/tes/v1/tasks -H 'Content-Type: application/json' -d '${body}'
then            curl '${url}/ga4gh/tes/v1/tasks?view=FULL'

Serving until Ctrl-C.`);
}

try {
  process.exitCode = await quickstart();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

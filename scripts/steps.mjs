// Runs named steps, a few at a time, and prints one line for each as it ends: name, time, and its output if it failed.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Where caches go: outside the checkout and outside the temporary directory, kept between calls. */
export function cacheDir(...parts) {
  const dir = join(process.env.TES_GATEWAY_CACHE ?? join(homedir(), '.cache', 'tes-gateway'), ...parts);
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** The environment in which the tools of `node_modules` (Node 24 among them) come first. */
export function toolEnvironment(extra = {}) {
  return { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}`, ...extra };
}

/**
 * Runs a command from the top of the checkout. Resolves to `{code, output}`, never throws; a command that cannot start has code 127.
 * `show` gets the output while it comes.
 */
export function runCommand(command, args, { env = {}, show, signal } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env: toolEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'], signal });
    let output = '';
    const take = (chunk) => {
      output += chunk;
      show?.(String(chunk));
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', (error) => resolve({ code: 127, output: `${output}${error.message}\n` }));
    child.on('close', (code, killedBy) => resolve({ code: code ?? 1, output: killedBy ? `${output}ended by ${killedBy}\n` : output }));
  });
}

export const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(1)} s`;

/** Says every few seconds that something is still going on. */
export async function withProgress(words, work) {
  const from = performance.now();
  const told = setInterval(() => console.log(`  ${words} ... ${seconds(from)}`), 5000);
  try {
    return await work();
  } finally {
    clearInterval(told);
  }
}

/** Runs `[{name, command, args, env?, says?}]`, `atOnce` at a time, and returns the names of those that failed. What one `says` is shown also when it went well. */
export async function runSteps(steps, atOnce = 2) {
  const failed = [];
  const waiting = [...steps];
  const worker = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const from = performance.now();
      const { code, output } = await runCommand(step.command, step.args, { env: step.env });
      console.log(`${code === 0 ? 'ok    ' : 'FAILED'}  ${step.name.padEnd(12)} ${seconds(from)}`);
      if (code !== 0) failed.push(step.name);
      if (code !== 0 || (step.says && output !== '')) console.log(output.trimEnd().replace(/^/gm, '        '));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return failed;
}

/** What both `check` and `verify` look at without running anything. `cached` trades certainty for seconds. */
export function staticSteps(cached) {
  const cache = cached ? cacheDir('check') : undefined;
  return [
    {
      name: 'lint',
      command: 'eslint',
      args: [
        '-c',
        'scripts/config/eslint.config.mjs',
        '--max-warnings=0',
        ...(cache ? ['--cache', '--cache-location', join(cache, 'eslint')] : []),
        '.',
      ],
    },
    {
      name: 'types',
      command: 'tsc',
      args: ['--noEmit', '-p', 'tsconfig.json', ...(cache ? ['--incremental', '--tsBuildInfoFile', join(cache, 'tsbuildinfo')] : [])],
    },
    {
      name: 'format',
      command: 'prettier',
      args: ['--check', '--log-level=warn', ...(cache ? ['--cache', '--cache-location', join(cache, 'prettier')] : []), '.'],
    },
    {
      name: 'import rule',
      command: 'depcruise',
      args: ['--config', 'scripts/config/dependency-cruiser.cjs', '--output-type', 'err', 'src', 'test'],
    },
    { name: 'unused code', command: 'knip', args: ['--no-progress'] },
    { name: 'shell', command: 'node', args: ['scripts/shellcheck.mjs'], says: true },
  ];
}

/** The environment jest needs: packages that are ES modules are loaded as such. */
export const jestEnvironment = { NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning' };

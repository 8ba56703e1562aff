// `npm run breaks -- [--unit] [--contract] [--e2e] [--system] [FILTER...]`: carries out the deliberate breaks of `test/breaks/*.yaml` in
// copies of the working tree, two at a time, and wants each to be seen by every spec file it names, or by those of the suites given. A
// filter is a part of the room, the words, a changed file or a spec file. `--check`: only whether each can be carried out as it is written.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { faultsOf, judge, reader, readBreaks } from './break-list.mjs';
import { installPackages } from './install.mjs';
import { cacheDir, jestEnvironment, root, runCommand, seconds, toolEnvironment } from './steps.mjs';

const AT_ONCE = 2;
/** For one spec file as it is; a broken one, which may well wait for ever, has a few times what that took. */
const LIMIT_MS = 600_000;
const LEAST_LIMIT_MS = 60_000;
/** Engines take their time, and a test of theirs that waits in vain says so itself after some minutes. */
const LEAST_ENGINE_LIMIT_MS = 300_000;
const PATIENCE = 4;
/** Some breaks show in one of some hundred random lives. */
const LIVES = process.env.TES_GATEWAY_TEST_LIVES ?? '600';
/** For one unit test, which has milliseconds to do; others keep the limit of `jest.config.mjs`. */
const UNIT_TEST_MS = 15_000;

const given = process.argv.slice(2);
const filters = given.filter((word) => !word.startsWith('--')).map((word) => word.toLowerCase());
const suites = ['unit', 'contract', 'e2e', 'system'].filter((suite) => given.includes(`--${suite}`));
/** Of spec files with engines and servers. */
let turns = Promise.resolve();
const isOf = (suite, spec) => spec.startsWith(`test/${suite}/`);

const wanted = readBreaks(root)
  .map((entry) => ({
    ...entry,
    seenBy: entry.seenBy.filter(({ spec }) => suites.length === 0 || suites.some((suite) => isOf(suite, spec))),
  }))
  .filter(({ room, broken, changes, seenBy }) => {
    const text = [room, broken, ...changes.map(({ file }) => file), ...seenBy.map(({ spec }) => spec)].join('\n').toLowerCase();
    return seenBy.length > 0 && (filters.length === 0 || filters.some((filter) => text.includes(filter)));
  });

if (given.includes('--check')) {
  const read = reader(root);
  const faults = wanted.flatMap((entry) => faultsOf(root, entry, read));
  console.log([...faults, `${wanted.length} breaks, ${faults.length} faults`].join('\n'));
  process.exitCode = faults.length === 0 ? 0 : 1;
} else {
  await installPackages();
  process.exitCode = await runAll();
}

async function runAll() {
  const parent = cacheDir('breaks');
  for (const left of readdirSync(parent).filter((pid) => !existsSync(`/proc/${pid}`))) rmSync(join(parent, left), { recursive: true });
  const scratch = join(parent, String(process.pid));
  const running = new Set();
  const end = () => {
    for (const pid of running) killGroup(pid);
    rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
  };
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
    process.on(signal, () => {
      end();
      process.exit(code);
    });
  }
  try {
    const from = performance.now();
    const copies = [];
    for (let index = 0; index < AT_ONCE; index++) copies.push(await copyTree(join(scratch, String(index))));
    const told = { red: 0, 'NOT SEEN': 0, 'does not apply': 0 };
    const waiting = [...wanted];
    const baselines = new Map();
    await Promise.all(
      copies.map(async (copy) => {
        for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) {
          const { verdict, why } = await carryOut(copy, entry, baselines, running);
          told[verdict]++;
          console.log(`${verdict.padEnd(14)}  ${entry.room}: ${entry.broken} (${why})`);
        }
      }),
    );
    console.log(`${told.red} of ${wanted.length} red in ${seconds(from)}`);
    return told.red === wanted.length && wanted.length > 0 ? 0 : 1;
  } finally {
    end();
  }
}

/**
 * The files of the working tree as they are, committed or not. Of `node_modules` all that was installed is linked, but not the directory:
 * system tests build there. They build without types, which a break need not get right.
 */
async function copyTree(copy) {
  const { output } = await runCommand('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  const files = output.split('\0').filter((name) => name !== '' && existsSync(join(root, name)));
  for (const dir of new Set(files.map((name) => dirname(join(copy, name))))) mkdirSync(dir, { recursive: true });
  for (const name of files) cpSync(join(root, name), join(copy, name), { verbatimSymlinks: true });
  const installed = readdirSync(join(root, 'node_modules')).filter(
    (name) => !name.startsWith('.') || name === '.bin' || name === '.package-lock.json',
  );
  mkdirSync(join(copy, 'node_modules'));
  for (const name of installed) symlinkSync(join(root, 'node_modules', name), join(copy, 'node_modules', name));
  const types = join(copy, 'src', 'tsconfig.build.json');
  const { compilerOptions, ...rest } = JSON.parse(readFileSync(types, 'utf8'));
  writeFileSync(types, JSON.stringify({ ...rest, compilerOptions: { ...compilerOptions, noCheck: true } }));
  return copy;
}

async function carryOut(copy, entry, baselines, running) {
  const faults = faultsOf(copy, entry);
  if (faults.length > 0) return { verdict: 'does not apply', why: faults.join('; ') };
  const names = [];
  for (const { spec, tests } of entry.seenBy) {
    const takesTurns = isOf('contract', spec) || isOf('system', spec);
    const run = (...args) => (takesTurns ? inTurn(() => runSpec(copy, spec, ...args, running)) : runSpec(copy, spec, ...args, running));
    if (!baselines.has(spec)) baselines.set(spec, run(allTests(spec), LIMIT_MS));
    const before = await baselines.get(spec);
    const undo = apply(copy, entry.changes);
    try {
      const limit = Math.max(takesTurns ? LEAST_ENGINE_LIMIT_MS : LEAST_LIMIT_MS, PATIENCE * before.ms);
      const { seen, why } = judge(await run(tests, limit), before);
      if (seen.length === 0) return { verdict: 'NOT SEEN', why: `${spec}: ${why}` };
      names.push(seen.length === 1 ? seen[0] : `${seen[0]}, and ${seen.length - 1} more`);
    } finally {
      undo();
    }
  }
  return { verdict: 'red', why: names.join('; ') };
}

/** One at a time: engines and servers are shared, and end with the jest that started them. */
function inTurn(work) {
  const done = turns.then(work);
  turns = done.catch(() => undefined);
  return done;
}

/** What all wanted breaks want of a spec file: run once, unbroken, so that a test that fails anyway counts for none of them. */
function allTests(spec) {
  const patterns = wanted.flatMap(({ seenBy }) => seenBy.filter((seen) => seen.spec === spec).map(({ tests }) => tests));
  return patterns.includes(undefined) ? undefined : [...new Set(patterns)].map((pattern) => `(?:${pattern})`).join('|');
}

function apply(copy, changes) {
  const before = new Map(changes.map(({ file }) => [file, readFileSync(join(copy, file), 'utf8')]));
  for (const { file, find, replace } of changes) {
    const path = join(copy, file);
    writeFileSync(path, readFileSync(path, 'utf8').split(find).join(replace));
  }
  return () => {
    for (const [file, text] of before) writeFileSync(join(copy, file), text);
  };
}

/** Jest's summary (absent when it left none), how long it took, and whether that was all of `limitMs`. */
function runSpec(copy, spec, tests, limitMs, running) {
  const results = join(copy, 'results.json');
  rmSync(results, { force: true });
  const args = [
    ...['--runTestsByPath', spec, '--silent', '--forceExit', '--json', '--outputFile', results],
    ...['--cacheDirectory', join(copy, 'jest-cache')],
    ...(tests === undefined ? [] : ['--testNamePattern', tests]),
    ...(isOf('unit', spec) ? ['--testTimeout', String(UNIT_TEST_MS)] : []),
  ];
  const env = toolEnvironment({ ...jestEnvironment, TES_GATEWAY_TEST_LIVES: LIVES });
  return new Promise((resolve) => {
    // A group of its own: what tests have started goes with it.
    const child = spawn('jest', args, { cwd: copy, env, stdio: 'ignore', detached: true });
    running.add(child.pid);
    const from = performance.now();
    let isOver = false;
    const limit = setTimeout(() => {
      isOver = true;
      killGroup(child.pid);
    }, limitMs);
    child.on('close', () => {
      clearTimeout(limit);
      running.delete(child.pid);
      killGroup(child.pid);
      const summary = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : undefined;
      resolve({ summary, ms: performance.now() - from, isOver });
    });
    child.on('error', () => resolve({ ms: 0, isOver: false }));
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}

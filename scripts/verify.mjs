// `npm run verify`: the whole check, as `.ci/run` calls it. Its last line is the sum, taken from jest's own results. `-- --long` adds what
// only repeats: more tasks under kills, and suites on further pairs of a runtime and a way to Pulsar.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SUITES } from '../jest.config.mjs';
import { build } from './build.mjs';
import { installPackages } from './install.mjs';
import { cacheDir, jestEnvironment, root, runCommand, runSteps, seconds, staticSteps, withProgress } from './steps.mjs';
import { filesOf, settle, sum, timesTable } from './verify-results.mjs';

const isLong = process.argv.includes('--long');
/** `npm run check` plays a hundred random lives of the engine. */
const AMOUNTS = {
  TES_GATEWAY_TEST_LIVES: process.env.TES_GATEWAY_TEST_LIVES ?? (isLong ? '3000' : '1500'),
  ...(isLong && { TES_GATEWAY_TEST_LONG: '1' }),
};
/** Spec files at a time on two cores. */
const WORKERS = 3;
/** Where the times of the spec files stand for the next run. */
const TIMES = join(cacheDir('verify'), 'times.json');
const from = performance.now();
const total = { passed: 0, failed: 0, skipped: 0 };

/** What the engine tests need; elsewhere than on Debian as root it changes nothing, and what is absent is skipped (a failure with CI=true). */
async function installEngines() {
  console.log('Engines (installed as root on Debian, used as they are elsewhere)');
  const show = (text) => process.stdout.write(text.replace(/^(?=.)/gm, '  '));
  const { code } = await withProgress('engines', () => runCommand('sh', ['test/system/install.sh'], { show }));
  if (code === 0) return;
  console.log('  not everything could be installed; the tests of what is absent are skipped, or fail with CI=true');
}

/** One jest run: its code, and its spec files from the results it writes at the end. */
async function runJest(words, paths) {
  const results = join(cacheDir('verify'), `${process.pid}.json`);
  // `--json` sends the results to a file, and jest's own report to stderr.
  const args = [...paths, '--json', `--outputFile=${results}`, `--cacheDirectory=${cacheDir('jest')}`];
  const env = { ...jestEnvironment, ...AMOUNTS, TES_GATEWAY_TEST_TIMES: TIMES };
  const { code } = await withProgress(words, () => runCommand('jest', args, { env, show: (text) => process.stdout.write(text) }));
  const files = filesOf(existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : undefined);
  rmSync(results, { force: true });
  return { code, files };
}

/** All suites in one run: most of their time is waiting for servers, so one that computes has a core. A spec file that failed is run once more, alone. */
async function runTests() {
  console.log('\ntests');
  const first = await runJest('tests', [`--maxWorkers=${WORKERS}`]);
  const again = new Map();
  for (const { file } of first.files.filter(({ failed }) => failed > 0)) {
    const name = relative(root, file);
    console.log(`\n${name} failed: once more, alone`);
    for (const second of (await runJest(name, ['--runTestsByPath', file])).files) again.set(second.file, second);
  }
  const settled = settle(first.files, again);
  const files = settled.files.map((file) => ({ ...file, file: relative(root, file.file) }));
  writeFileSync(TIMES, JSON.stringify(Object.fromEntries(files.map(({ file, ms }) => [file, ms]))));
  for (const test of files.flatMap(({ skipped }) => skipped)) console.log(`skipped ${test}`);
  const suites = SUITES.map((suite) => ({ suite, files: files.filter(({ file }) => file.startsWith(`test/${suite}/`)) }));
  for (const { suite, files: own } of suites) countSuite(suite, own);
  if (first.code !== 0 && sum(first.files).failed === 0) {
    console.log(`FAILED  jest ended with ${first.code} although no test failed`);
    total.failed += 1;
  }
  return {
    files,
    suites: suites.map(({ suite, files: own }) => ({ suite, ms: own.reduce((ms, file) => ms + file.ms, 0) })),
    unstable: settled.unstable,
  };
}

/** Adds what a suite came to; without results, or without a test, it counts as failed. */
function countSuite(suite, files) {
  const counts = sum(files);
  if (counts.passed + counts.failed === 0) {
    console.log(`FAILED  ${suite}: no test was run`);
    counts.failed = 1;
  }
  console.log(
    `${counts.failed === 0 ? 'ok    ' : 'FAILED'}  ${suite}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`,
  );
  for (const key of Object.keys(total)) total[key] += counts[key];
}

let ran = { files: [], suites: [], unstable: [] };
try {
  await installPackages();
  await installEngines();
  console.log('\nformat, lint, types, import rule, unused code');
  total.failed += (await runSteps(staticSteps(false))).length;
  await build();
  ran = await runTests();
} catch (error) {
  console.error(error.message);
  total.failed += 1;
}
console.log(`\nverified in ${seconds(from)}`);
console.log(timesTable(ran.suites, ran.files, 12));
for (const { file, failedTests } of ran.unstable) {
  console.log(`unstable: ${relative(root, file)}: ${failedTests.join(', ') || 'the file itself'}`);
}
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exitCode = total.failed === 0 ? 0 : 1;

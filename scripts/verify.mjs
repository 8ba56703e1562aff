// `npm run verify`: the whole check, as `.ci/run` calls it. Its last line is the sum, taken from jest's own results. `-- --long` adds what
// only repeats: more tasks under kills, and suites on further pairs of a runtime and a way to Pulsar.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SUITES } from '../jest.config.mjs';
import { build } from './build.mjs';
import { installPackages } from './install.mjs';
import { cacheDir, jestEnvironment, root, runCommand, runSteps, seconds, staticSteps, withProgress } from './steps.mjs';
import { filesOf, settle, sum, timesTable } from './verify-results.mjs';

/** `npm run check` plays a hundred random lives of the engine. */
const AMOUNTS = {
  TES_GATEWAY_TEST_LIVES: process.env.TES_GATEWAY_TEST_LIVES ?? '3000',
  ...(process.argv.includes('--long') && { TES_GATEWAY_TEST_LONG: '1', TES_GATEWAY_TASKS: '80' }),
};
const from = performance.now();
const total = { passed: 0, failed: 0, skipped: 0 };
const unstable = [];
const suites = [];
const allFiles = [];

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
  const { code } = await withProgress(words, () =>
    runCommand('jest', args, { env: { ...jestEnvironment, ...AMOUNTS }, show: (text) => process.stdout.write(text) }),
  );
  const files = filesOf(existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : undefined);
  rmSync(results, { force: true });
  return { code, files };
}

/** A suite; without results, or without a test, it counts as failed. A spec file that failed is run once more, alone. */
async function runTests(suite) {
  console.log(`\n${suite} tests`);
  const started = performance.now();
  const first = await runJest(`${suite} tests`, ['--selectProjects', suite]);
  const again = new Map();
  for (const { file } of first.files.filter(({ failed }) => failed > 0)) {
    const name = relative(root, file);
    console.log(`\n${name} failed: once more, alone`);
    for (const second of (await runJest(name, ['--runTestsByPath', file])).files) again.set(second.file, second);
  }
  const settled = settle(first.files, again);
  const counts = sum(settled.files);
  if (counts.passed + counts.failed === 0) {
    console.log(`FAILED  ${suite}: no test was run`);
    counts.failed = 1;
  } else if (first.code !== 0 && sum(first.files).failed === 0) {
    console.log(`FAILED  ${suite}: jest ended with ${first.code} although no test failed`);
    counts.failed = 1;
  }
  for (const test of settled.files.flatMap(({ skipped }) => skipped)) console.log(`skipped ${test}`);
  const { passed, failed, skipped } = counts;
  console.log(
    `${failed === 0 ? 'ok    ' : 'FAILED'}  ${suite}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds(started)})`,
  );
  unstable.push(...settled.unstable);
  suites.push({ suite, ms: performance.now() - started });
  allFiles.push(...settled.files.map(({ file, ms }) => ({ file: relative(root, file), ms })));
  for (const key of Object.keys(total)) total[key] += counts[key];
}

try {
  await installPackages();
  await installEngines();
  console.log('\nformat, lint, types, import rule, unused code');
  total.failed += (await runSteps(staticSteps(false))).length;
  await build();
  for (const suite of SUITES) await runTests(suite);
} catch (error) {
  console.error(error.message);
  total.failed += 1;
}
console.log(`\nverified in ${seconds(from)}`);
console.log(timesTable(suites, allFiles, 12));
for (const { file, failedTests } of unstable) {
  console.log(`unstable: ${relative(root, file)}: ${failedTests.join(', ') || 'the file itself'}`);
}
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exitCode = total.failed === 0 ? 0 : 1;

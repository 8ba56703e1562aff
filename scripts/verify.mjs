// `npm run verify`: the whole check, as `.ci/run` calls it. Its last line is the sum, taken from jest's own results.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { installPackages } from './install.mjs';
import { cacheDir, jestEnvironment, runCommand, runSteps, seconds, staticSteps, withProgress } from './steps.mjs';

const SUITES = ['unit', 'contract', 'e2e', 'engines'];
/** `npm run check` plays a hundred random lives of the engine. */
const LIVES = { TES_GATEWAY_TEST_LIVES: process.env.TES_GATEWAY_TEST_LIVES ?? '3000' };
const from = performance.now();
const total = { passed: 0, failed: 0, skipped: 0 };

/** What the engine tests need; elsewhere than on Debian as root it changes nothing, and what is absent is skipped (a failure with CI=true). */
async function installEngines() {
  console.log('Engines (installed as root on Debian, used as they are elsewhere)');
  const show = (text) => process.stdout.write(text.replace(/^(?=.)/gm, '  '));
  const { code } = await withProgress('engines', () => runCommand('sh', ['test/engines/install.sh'], { show }));
  if (code === 0) return;
  console.log('  not everything could be installed; the tests of what is absent are skipped, or fail with CI=true');
}

/** One jest run; its numbers come from the file it writes at the end. Without that file, or without a test, it counts as failed. */
async function runTests(suite) {
  console.log(`\n${suite} tests`);
  const started = performance.now();
  const results = join(cacheDir('verify'), `${process.pid}-${suite}.json`);
  // `--json` sends the results to a file, and jest's own report to stderr.
  const args = [`test/${suite}/`, '--json', `--outputFile=${results}`, `--cacheDirectory=${cacheDir('jest')}`];
  const { code } = await withProgress(`${suite} tests`, () =>
    runCommand('jest', args, { env: { ...jestEnvironment, ...LIVES }, show: (text) => process.stdout.write(text) }),
  );
  const summary = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : undefined;
  rmSync(results, { force: true });
  const passed = summary?.numPassedTests ?? 0;
  // A suite that cannot be loaded has no failed test of its own.
  let failed = (summary?.numFailedTests ?? 0) + (summary?.numRuntimeErrorTestSuites ?? 0);
  const skipped = summary?.numPendingTests ?? 0;
  if (passed + failed === 0) {
    console.log(`FAILED  ${suite}: no test was run`);
    failed = 1;
  } else if (code !== 0 && failed === 0) {
    console.log(`FAILED  ${suite}: jest ended with ${code} although no test failed`);
    failed = 1;
  }
  for (const test of (summary?.testResults ?? []).flatMap(({ assertionResults }) => assertionResults)) {
    if (test.status === 'pending') console.log(`skipped ${test.fullName}`);
  }
  console.log(
    `${failed === 0 ? 'ok    ' : 'FAILED'}  ${suite}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds(started)})`,
  );
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
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
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exitCode = total.failed === 0 ? 0 : 1;

// `npm run check`: what can be known without a server. `--fast`: of the unit tests only those of what has changed since the last commit.
// The whole of it is `npm run verify`.
import { installPackages } from './install.mjs';
import { jestEnvironment, runSteps, seconds, staticSteps } from './steps.mjs';

await installPackages();
const from = performance.now();
const isFast = process.argv.includes('--fast');
const unit = {
  name: 'unit',
  command: 'jest',
  args: ['--selectProjects', 'unit', '--silent', ...(isFast ? ['--onlyChanged', '--passWithNoTests'] : [])],
  env: jestEnvironment,
};
const failed = await runSteps([unit, ...staticSteps(true)]);
console.log(failed.length === 0 ? `all well in ${seconds(from)}` : `failed: ${failed.join(', ')} (${seconds(from)})`);
process.exitCode = failed.length === 0 ? 0 : 1;

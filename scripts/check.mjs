// `npm run check`: what can be known in seconds. The whole of it is `npm run verify`.
import { jestEnvironment, runSteps, seconds, staticSteps } from './steps.mjs';

const from = performance.now();
const unit = {
  name: 'unit',
  command: 'jest',
  args: ['test/unit', '--silent'],
  env: jestEnvironment,
};
const failed = await runSteps([unit, ...staticSteps(true)]);
console.log(failed.length === 0 ? `all well in ${seconds(from)}` : `failed: ${failed.join(', ')} (${seconds(from)})`);
process.exitCode = failed.length === 0 ? 0 : 1;

// `npm run lint`, `npm run typecheck`: one of the steps of `npm run check`, by its name there.
import { installPackages } from './install.mjs';
import { runSteps, staticSteps } from './steps.mjs';

await installPackages();
const steps = staticSteps(true).filter(({ name }) => process.argv.slice(2).includes(name));
process.exitCode = (await runSteps(steps)).length;

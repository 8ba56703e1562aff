// `npm test -- PATTERN...`: jest with the options it needs, on the terminal it is typed in.
import { spawnSync } from 'node:child_process';
import { installPackages } from './install.mjs';
import { jestEnvironment, root, toolEnvironment } from './steps.mjs';

await installPackages();
const { status } = spawnSync('jest', process.argv.slice(2), { cwd: root, env: toolEnvironment(jestEnvironment), stdio: 'inherit' });
process.exitCode = status ?? 1;

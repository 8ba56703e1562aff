// `npm test -- PATTERN...`: jest with the options it needs, on the terminal it is typed in.
import { spawnSync } from 'node:child_process';
import { jestEnvironment, root, toolEnvironment } from './steps.mjs';

const { status } = spawnSync('jest', process.argv.slice(2), { cwd: root, env: toolEnvironment(jestEnvironment), stdio: 'inherit' });
process.exitCode = status ?? 1;

// `npm test -- PATTERN...`: jest with the options it needs, on the terminal it is typed in. Without a pattern the unit tests, which need
// nothing installed.
import { spawnSync } from 'node:child_process';
import { installPackages } from './install.mjs';
import { jestEnvironment, root, toolEnvironment } from './steps.mjs';

await installPackages();
const given = process.argv.slice(2);
const { status } = spawnSync('jest', given.length > 0 ? given : ['--selectProjects', 'unit'], {
  cwd: root,
  env: toolEnvironment(jestEnvironment),
  stdio: 'inherit',
});
process.exitCode = status ?? 1;

// `npm run dev -- FLAGS`: the server from src/ as it is, without a build; started again whenever a file there changes.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { installPackages } from './install.mjs';
import { root, toolEnvironment } from './steps.mjs';

await installPackages();
const options = [
  '--watch-path=src',
  '--watch-preserve-output',
  '--max-semi-space-size=8',
  '--import',
  join(root, 'scripts/typescript-hook.mjs'),
];
const server = spawn('node', [...options, 'src/main.ts', ...process.argv.slice(2)], {
  cwd: root,
  env: toolEnvironment(),
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill(signal));
server.on('exit', (code) => (process.exitCode = code ?? 1));

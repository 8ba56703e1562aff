// Brings node_modules into step with package-lock.json; nothing to do is the usual case. Works on the host's own Node.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, runCommand, seconds, withProgress } from './steps.mjs';

/** What npm wrote down at the end of its last complete install, against what the lock file asks for. */
function upToDate() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const packages = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;
  const have = packages(installed);
  return Object.entries(packages(join(root, 'package-lock.json'))).every(
    ([path, { version, optional }]) => path === '' || have[path]?.version === version || (optional && !(path in have)),
  );
}

export async function installPackages() {
  if (upToDate()) return;
  const from = performance.now();
  console.log('Installing packages (npm ci)');
  const { code, output } = await withProgress('npm ci', () => runCommand('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']));
  if (code !== 0) throw new Error(`npm ci failed:\n${output}`);
  console.log(`  done in ${seconds(from)}`);
}

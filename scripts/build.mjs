// Builds dist/ when a source is newer than it. Types are checked on the way.
import { chmodSync, copyFileSync, existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, runCommand, seconds, withProgress } from './steps.mjs';

const newest = (folder) => Math.max(...readdirSync(folder, { recursive: true }).map((name) => statSync(join(folder, name)).mtimeMs));

/** `always` builds even if dist/ looks up to date. */
export async function build({ always = false } = {}) {
  const built = join(root, 'dist', 'main.js');
  const others = ['package-lock.json', '.swcrc', 'scripts/build.mjs', 'scripts/bundle.mjs'].map(
    (name) => statSync(join(root, name)).mtimeMs,
  );
  const sources = Math.max(newest(join(root, 'src')), ...others);
  if (!always && existsSync(built) && statSync(built).mtimeMs > sources) return;
  const from = performance.now();
  console.log('Building (tsc, esbuild)');
  // Built aside and put in place at the end: a failed build, or a server that starts meanwhile, finds the old one whole.
  const next = join(root, 'node_modules', '.dist-next');
  const old = join(root, 'node_modules', '.dist-old');
  for (const folder of [next, old]) rmSync(folder, { recursive: true, force: true });
  const { code, output } = await withProgress('tsc', () => runCommand('tsc', ['-p', 'src/tsconfig.build.json', '--outDir', next]));
  if (code !== 0) throw new Error(`the build failed:\n${output}`);
  for (const file of readdirSync(join(root, 'src'), { recursive: true })) {
    if (/\.(sh|sql)$/.test(file)) copyFileSync(join(root, 'src', file), join(next, file));
  }
  // Needs a package; quickstart loads this file before there are any.
  const { bundle } = await import('./bundle.mjs');
  await bundle(next);
  // Commands: `tes-gateway`, and on workers `tes-gateway-stager`.
  for (const command of ['main.js', 'stager.main.js']) chmodSync(join(next, command), 0o755);
  if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
  renameSync(next, join(root, 'dist'));
  rmSync(old, { recursive: true, force: true });
  console.log(`  done in ${seconds(from)}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build({ always: true });

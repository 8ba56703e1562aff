// Stores full of tasks, made once for each count and layout of the store and kept in the cache.
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { prepareGateway } from './gateway.mjs';
import { realisticTask } from './tasks.mjs';

export const RARE = 10;
/** What decides how a stored task looks, beside the filling itself. */
const LAYOUT = ['stores/sqlite/schema.js', 'stores/sqlite/codes.js', 'engine/task-id.js'];

/** Puts a store of `count` finished tasks where the gateway, which is not running, will open it. */
export async function placeStore(bench, gateway, count) {
  const kept = await filledStore(bench, count);
  mkdirSync(dirname(gateway.storeFile), { recursive: true });
  // cp shares the blocks where the file system can; a copy of gigabytes otherwise.
  await promisify(execFile)('cp', ['--reflink=auto', kept, gateway.storeFile]);
  await promisify(execFile)('sync', ['-f', gateway.storeFile]);
}

async function filledStore(bench, count) {
  const dist = dirname(bench.main);
  const layout = createHash('sha256');
  for (const file of [...LAYOUT.map((name) => join(dist, name)), join(import.meta.dirname, 'fill-store.mjs')])
    layout.update(readFileSync(file));
  const family = `store-${count}-`;
  const name = `${family}${layout.digest('hex').slice(0, 12)}.sqlite`;
  const kept = join(bench.cache, name);
  if (existsSync(kept)) return kept;
  for (const old of readdirSync(bench.cache)) if (old.startsWith(family)) rmSync(join(bench.cache, old));
  bench.say(`filling a store with ${count} tasks (once; kept as ${kept})`);
  const gateway = await prepareGateway({
    main: bench.main,
    directory: join(bench.work, 'fill'),
    backend: { runtime: 'bubblewrap', drain: true },
  });
  await gateway.start();
  await gateway.create(realisticTask());
  await gateway.stop();
  const args = [join(import.meta.dirname, 'fill-store.mjs'), dist, gateway.storeFile, count, RARE].map(String);
  await finished(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }), bench.say);
  cpSync(gateway.storeFile, `${kept}.partial`);
  renameSync(`${kept}.partial`, kept);
  await gateway.remove();
  return kept;
}

export function finished(child, say) {
  child.stdout.on('data', (text) => say(`  ${String(text).trim().split('\n').at(-1)}`));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the store could not be filled: exit code ${code}`))));
  });
}

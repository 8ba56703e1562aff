// Copies the packages named, and what they need, out of node_modules: node copy-packages.mjs FOLDER NAME...
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const [folder, ...names] = process.argv.slice(2);
const top = process.cwd();

/** Where a package in `from` finds `name`, as Node looks for it. */
function find(name, from) {
  for (let place = from; ; place = dirname(place)) {
    const found = join(place, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return found;
    if (place === top) return undefined;
  }
}

const taken = new Set();
function take(name, from, isOptional) {
  const place = find(name, from);
  if (place === undefined) {
    if (isOptional) return;
    throw new Error(`${name}, which ${relative(top, from) || 'docker/Dockerfile'} needs, is not installed`);
  }
  if (taken.has(place)) return;
  taken.add(place);
  // Its own node_modules holds packages that are taken, or not, for themselves.
  cpSync(place, resolve(folder, relative(top, place)), { recursive: true, filter: (file) => file !== join(place, 'node_modules') });
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'));
  for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) take(needed, place, needed in optionalDependencies);
}

for (const name of names) take(name, top, false);

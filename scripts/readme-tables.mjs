// Writes the tables of README.md that are made from code: the settings, and what each runtime can do.
// With --check it changes nothing and only says whether they are up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { root } from './steps.mjs';

// Sources import each other without extension; Node itself takes the types out.
registerHooks({
  resolve(specifier, context, next) {
    const isSource = specifier.startsWith('.') && context.parentURL?.endsWith('.ts') && !specifier.endsWith('.ts');
    return next(isSource ? `${specifier}.ts` : specifier, context);
  },
});
const { settingsSchema } = await import('../src/config/settings-schema.ts');
const { RUNTIME_ABILITIES } = await import('../src/backends/shared/runtimes/capabilities.ts');

function* leaves(node, prefix = '') {
  for (const [name, child] of Object.entries(node)) {
    if ('default' in child) yield [prefix + name, child];
    else yield* leaves(child, `${prefix}${name}.`);
  }
}

const cell = (text) => text.replaceAll('|', '\\|');
const shown = (value) => (value === '' ? '' : `\`${cell(typeof value === 'string' ? value : JSON.stringify(value).replaceAll('"', ''))}\``);
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

function settingsTable() {
  const rows = [...leaves(settingsSchema)].map(([key, { doc, format, default: value, sensitive }]) => {
    const choices = Array.isArray(format) ? ` (${format.join(', ')})` : '';
    return [`\`${key}\``, shown(value), `${cell(doc + choices)}${sensitive ? ' (secret)' : ''}`];
  });
  return table(['setting', 'default', 'meaning'], rows);
}

function runtimesTable() {
  const words = {
    cpus: 'CPU limit',
    memory: 'memory limit',
    pids: 'process limit',
    wallClock: 'time limit',
    disk: 'disk limit',
    gpus: 'GPUs',
  };
  const runtimes = Object.values(RUNTIME_ABILITIES);
  const abilities = [...new Set(runtimes.flatMap(Object.keys))].filter((key) => key !== 'runtime');
  const rows = abilities.map((key) => [words[key] ?? key, ...runtimes.map((runtime) => cell(runtime[key] ?? ''))]);
  return table(['', ...runtimes.map(({ runtime }) => runtime)], rows);
}

const path = join(root, 'README.md');
const before = readFileSync(path, 'utf8');
let after = before;
for (const [name, make] of Object.entries({ settings: settingsTable, runtimes: runtimesTable })) {
  const [begin, end] = [`<!-- ${name}: made by scripts/readme-tables.mjs -->`, `<!-- end of ${name} -->`];
  const [from, to] = [after.indexOf(begin), after.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`README.md has no place for the table: ${begin} ... ${end}`);
  after = `${after.slice(0, from)}${begin}\n\n${make()}\n\n${after.slice(to)}`;
}
if (!process.argv.includes('--check')) writeFileSync(path, after);
else if (after !== before) {
  console.error('The tables of README.md are out of date: node scripts/readme-tables.mjs');
  process.exitCode = 1;
}

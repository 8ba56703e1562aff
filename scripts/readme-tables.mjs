// Writes what is made from the pages of settings, and from the list of runtimes: tables of README.md and of the backends' READMEs,
// settings/default.yaml and settings/settings.schema.json. With --check it changes nothing and only says whether they are up to date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { root } from './steps.mjs';

// Sources import each other without extension; Node itself takes the types out.
registerHooks({
  resolve(specifier, context, next) {
    const isSource = specifier.startsWith('.') && context.parentURL?.endsWith('.ts') && !specifier.endsWith('.ts');
    return next(isSource ? `${specifier}.ts` : specifier, context);
  },
});
const { adapters } = await import('../src/adapters.ts');
const { entryPage } = await import('../src/config/entry-page.ts');
const { settingsPage } = await import('../src/config/settings-schema.ts');
const { settingsJsonSchema } = await import('../src/config/settings-json-schema.ts');
const { RUNTIMES } = await import('../src/backends/shared/runtimes/runtimes.ts');

function* leaves(node, prefix = '') {
  for (const [name, child] of Object.entries(node)) {
    if ('default' in child) yield [prefix + name, child];
    else yield* leaves(child, `${prefix}${name}.`);
  }
}

const cell = (text) => text.replaceAll('|', '\\|');
const shown = (value) => (value === '' ? '' : `\`${cell(typeof value === 'string' ? value : JSON.stringify(value).replaceAll('"', ''))}\``);
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

function settingRow([key, { doc, format, default: value, sensitive, required }]) {
  const choices = Array.isArray(format) ? ` (${format.join(', ')})` : '';
  const secret = sensitive ? `; secret, also \`${key}_file\`: a file that holds it` : '';
  return [`\`${key}\``, required ? 'needed' : value === undefined ? '' : shown(value), cell(doc + choices) + secret];
}

const settingsTable = () => table(['setting', 'default', 'meaning'], [...leaves(settingsPage(adapters))].map(settingRow));
/** Of the keys of one type of backend. */
const entryTable = (backend) => () => table(['key', 'default', 'meaning'], Object.entries(entryPage(backend)).map(settingRow));

function runtimesTable() {
  const words = {
    cpus: 'CPU limit',
    memory: 'memory limit',
    pids: 'process limit',
    wallClock: 'time limit',
    disk: 'disk limit',
    gpus: 'GPUs',
  };
  const runtimes = Object.values(RUNTIMES);
  const keys = [...new Set(runtimes.flatMap(({ abilities }) => Object.keys(abilities)))];
  const rows = keys.map((key) => [words[key] ?? key, ...runtimes.map(({ abilities }) => cell(abilities[key] ?? ''))]);
  return table(['', ...runtimes.map(({ name }) => name)], rows);
}

const HEAD = `Every setting with its meaning and its default, as comments: a file to look things up in and to copy from. No program reads it.
Put what you change into a file of your own, and start with \`npm start -- --config FILE\`.
A setting without a default has two marks before it.`;
const wrapped = (text) => text.match(/.{1,110}(?= |$)/gm).map((line) => `# ${line.trim()}`);

/** The pages as lines of YAML: what a setting means, and its default. */
function yamlLines(page) {
  return Object.entries(page).flatMap(([name, node]) => {
    if (!('default' in node)) return [`${name}:`, ...yamlLines(node).map((line) => `  ${line}`)];
    const { doc, format, default: value, sensitive } = node;
    const choices = Array.isArray(format) ? ` (${format.join(', ')})` : '';
    const line = stringify({ [name]: value }, { collectionStyle: 'flow', lineWidth: 0 })
      .trim()
      .replace(/^\{ (.*) \}$/, '$1');
    const said = wrapped(doc + choices + (sensitive ? `; secret, also ${name}_file: a file that holds it` : ''));
    if (format === 'backends') return [...said, `${name}:`, ...adapters.backends.flatMap(entryLines)];
    return [...said, value === undefined || value === '' ? `# ${name}:` : line];
  });
}

/** An entry of the first type is what there is by default; of the others it is shown what they may say. */
function entryLines({ type, doc, ...backend }, index) {
  const lines = yamlLines(entryPage(backend));
  const mark = index === 0 ? '' : '# ';
  return [`  # ${doc}`, `  ${mark}- type: ${type}`, ...lines.map((line) => `  ${mark}  ${line}`)];
}

const stale = [];

function put(file, text) {
  const path = join(root, file);
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  if (process.argv.includes('--check')) stale.push(file);
  else writeFileSync(path, text);
}

/** Fills the places of `tables` (name -> maker) in a page. */
function fill(file, tables) {
  let text = readFileSync(join(root, file), 'utf8');
  for (const [name, make] of Object.entries(tables)) {
    const [begin, end] = [`<!-- ${name}: made by scripts/readme-tables.mjs -->`, `<!-- end of ${name} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`${file} has no place for the table: ${begin} ... ${end}`);
    text = `${text.slice(0, from)}${begin}\n\n${make()}\n\n${text.slice(to)}`;
  }
  put(file, text);
}

const [first, ...others] = adapters.backends;
fill('README.md', { settings: settingsTable, entries: entryTable(first), runtimes: runtimesTable });
for (const backend of others) fill(`src/backends/${backend.type}/README.md`, { entries: entryTable(backend) });
put('settings/default.yaml', [...wrapped(HEAD), '', ...yamlLines(settingsPage(adapters)).map((line) => `# ${line}`), ''].join('\n'));
put('settings/settings.schema.json', `${JSON.stringify(settingsJsonSchema(adapters), null, 2)}\n`);
if (stale.length > 0) {
  console.error(`${stale.join(', ')}: out of date. Run: node scripts/readme-tables.mjs`);
  process.exitCode = 1;
}

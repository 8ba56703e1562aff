// Writes the table of settings into README.md, made from src/config/settings-schema.ts. With --check it only says whether it is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { settingsSchema } from '../src/config/settings-schema.ts';
import { root } from './steps.mjs';

const BEGIN = '<!-- settings: made by scripts/settings-table.mjs -->';
const END = '<!-- end of settings -->';

function* leaves(node, prefix = '') {
  for (const [name, child] of Object.entries(node)) {
    if ('default' in child) yield [prefix + name, child];
    else yield* leaves(child, `${prefix}${name}.`);
  }
}

const cell = (text) => text.replaceAll('|', '\\|');
const shown = (value) => (value === '' ? '' : `\`${cell(typeof value === 'string' ? value : JSON.stringify(value).replaceAll('"', ''))}\``);
const rows = [...leaves(settingsSchema)].map(([key, { doc, format, default: value, sensitive }]) => {
  const choices = Array.isArray(format) ? ` (${format.join(', ')})` : '';
  return `| \`${key}\` | ${shown(value)} | ${cell(doc + choices)}${sensitive ? ' (secret)' : ''} |`;
});
const table = [BEGIN, '', '| setting | default | meaning |', '|---|---|---|', ...rows, '', END].join('\n');

const path = join(root, 'README.md');
const before = readFileSync(path, 'utf8');
const [from, to] = [before.indexOf(BEGIN), before.indexOf(END)];
if (from < 0 || to < from) throw new Error(`README.md has no place for the table: ${BEGIN} ... ${END}`);
const after = before.slice(0, from) + table + before.slice(to + END.length);
if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('The table of settings in README.md is out of date: node scripts/settings-table.mjs');
    process.exitCode = 1;
  }
} else if (after !== before) {
  writeFileSync(path, after);
}

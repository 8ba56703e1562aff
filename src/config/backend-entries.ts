import { readFileSync } from 'node:fs';
import type { Adapters, BackendAdapter, SettingDefinition } from '../ports/adapter';
import { choiceWords, must, optional, type Rule, Shape, TEXT } from '../shape/shape';
import { isObject } from '../task/plain-object';
import type { Problem } from '../task/problem';
import { ruleOf } from './setting-formats';
import { entryPage } from './entry-page';

type Entry = Readonly<Record<string, unknown>>;

const firstLine = (error: unknown): string => (error as Error).message.split('\n', 1).join('');

/** The content of a file that holds one secret. Throws the file system's error. */
export function secretIn(file: string): string {
  return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
}

/** What came of the value of `backends`: the entries with everything that they leave out, or what is wrong with them, one line each. */
export interface ReadEntries {
  readonly entries: readonly Entry[];
  readonly faults: readonly string[];
}

/** Reads the value of `backends`. Nothing in a fault is a value: one may be a secret. */
export function readEntries(value: unknown, { backends }: Adapters): ReadEntries {
  if (!Array.isArray(value) || value.length === 0) return { entries: [], faults: ['backends: must be a list of at least one backend'] };
  const faults: string[] = [];
  const entries = value.map((entry: unknown, index) => readEntry(entry, `backends[${index}]`, backends, faults));
  const names = entries.map(({ name }) => name);
  const twice = new Set(names.filter((name, index) => name !== undefined && names.indexOf(name) !== index));
  for (const name of twice) faults.push(`backends: two backends are called ${String(name)}`);
  return { entries, faults };
}

function readEntry(given: unknown, path: string, backends: readonly BackendAdapter[], faults: string[]): Entry {
  const type = isObject(given) ? (given['type'] ?? backends[0]?.type) : undefined;
  const adapter = backends.find((backend) => backend.type === type);
  if (!isObject(given)) faults.push(`${path}: must be an object such as {name: ${backends[0]?.type}, type: ${backends[0]?.type}}`);
  else if (!adapter) faults.push(`${path}.type: must be ${choiceWords(backends.map((backend) => backend.type))}`);
  if (!isObject(given) || !adapter) return {};

  const before = faults.length;
  const page = Object.entries(entryPage(adapter));
  const defaults = page.flatMap(([key, definition]): [string, unknown][] =>
    definition.default === undefined ? [] : [[key, definition.default]],
  );
  const values: Record<string, unknown> = { name: type, type, ...Object.fromEntries(defaults), ...given };
  for (const [key, definition] of page) {
    if (definition.sensitive) takeSecret(values, given, key, (fault) => faults.push(`${path}.${key}_file: ${fault}`));
    else if (Object.hasOwn(given, key)) values[key] = ruleOf(definition).read?.(given[key]) ?? given[key];
  }
  const problems: Problem[] = [];
  new Shape({ type: TEXT, ...Object.fromEntries(page.map(memberOf)) }).collect(values, path, problems);
  faults.push(...problems.map((problem) => `${problem.path}: ${problem.message}`));
  if (faults.length === before) faults.push(...(adapter.faults?.(values) ?? []).map((fault) => `${path}: ${fault}`));
  return values;
}

function memberOf([key, definition]: [string, SettingDefinition]): [string, Rule] {
  const { words, test } = ruleOf(definition);
  return [key, definition.required ? must(words, test) : optional(must(words, test))];
}

/** Puts what the file `KEY_file` holds in the place of its name. */
function takeSecret(values: Record<string, unknown>, given: Entry, key: string, report: (fault: string) => void): void {
  const file = given[`${key}_file`];
  delete values[`${key}_file`];
  if (file === undefined) return;
  if (Object.hasOwn(given, key)) return report(`not beside ${key}: give one of them`);
  if (typeof file !== 'string' || file === '') return report('must be the name of a file');
  try {
    values[key] = secretIn(file);
  } catch (error) {
    report(firstLine(error));
  }
}

/** An entry as it may be shown. */
export function maskedEntry(entry: unknown, { backends }: Adapters): unknown {
  if (!isObject(entry)) return entry;
  const adapter = backends.find(({ type }) => type === entry['type']);
  const page = adapter ? entryPage(adapter) : {};
  return Object.fromEntries(Object.entries(entry).map(([key, value]) => [key, page[key]?.sensitive ? '[masked]' : value]));
}

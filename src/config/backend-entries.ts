import { readFileSync } from 'node:fs';
import type { Adapters, BackendAdapter, SettingDefinition } from '../ports/adapter';
import { choiceWords, ruleOf } from './setting-formats';
import { entryPage } from './settings-schema';
import { isObject } from '../task/plain-object';

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
  if (!Array.isArray(value) || value.length === 0) return { entries: [], faults: ['must be a list of at least one backend'] };
  const read = value.map((entry: unknown) => readEntry(entry, backends));
  const faults = read.flatMap((entry, index) => entry.faults.map((fault) => `entry ${index}${fault}`));
  const names = read.map(({ values }) => values['name']);
  const twice = new Set(names.filter((name, index) => name !== undefined && names.indexOf(name) !== index));
  for (const name of twice) faults.push(`two backends are called ${String(name)}`);
  return { entries: read.map(({ values }) => values), faults };
}

function readEntry(given: unknown, backends: readonly BackendAdapter[]): { readonly values: Entry; readonly faults: readonly string[] } {
  const [first] = backends;
  if (!isObject(given) || !first)
    return { values: {}, faults: [` must be an object such as {name: ${first?.type}, type: ${first?.type}}`] };
  const { type = first.type } = given;
  const adapter = backends.find((backend) => backend.type === type);
  if (!adapter) return { values: {}, faults: [`: type must be ${choiceWords(backends.map((backend) => backend.type))}`] };

  const page = entryPage(adapter);
  const faults: string[] = [];
  const values: Record<string, unknown> = { name: type, type };
  for (const [key, definition] of Object.entries(page)) {
    try {
      const said = valueOf(given, key, definition);
      const value = said === undefined ? definition.default : said;
      if (value === undefined && definition.required) faults.push(`: ${key} is missing`);
      if (value !== undefined) values[key] = value;
      const rule = ruleOf(definition);
      if (value !== undefined && !rule.test(value)) faults.push(`: ${key} must be ${rule.words}`);
    } catch (error) {
      faults.push(`: ${key}_file: ${firstLine(error)}`);
    }
  }
  const known = new Set(['type', ...Object.entries(page).flatMap(([key, { sensitive }]) => (sensitive ? [key, `${key}_file`] : [key]))]);
  for (const key of Object.keys(given)) if (!known.has(key)) faults.push(` has an unknown key ${key}`);
  if (faults.length === 0) faults.push(...(adapter.faults?.(values) ?? []).map((fault) => `: ${fault}`));
  return { values, faults };
}

function valueOf(entry: Entry, key: string, { sensitive, ...definition }: SettingDefinition): unknown {
  const file = sensitive ? entry[`${key}_file`] : undefined;
  if (file === undefined) {
    if (!Object.hasOwn(entry, key)) return undefined;
    return ruleOf(definition).read?.(entry[key]) ?? entry[key];
  }
  if (Object.hasOwn(entry, key)) throw new Error(`not beside ${key}: give one of them`);
  if (typeof file !== 'string' || file === '') throw new Error('must be the name of a file');
  return secretIn(file);
}

/** An entry as it may be shown. */
export function maskedEntry(entry: unknown, { backends }: Adapters): unknown {
  if (!isObject(entry)) return entry;
  const adapter = backends.find(({ type }) => type === entry['type']);
  const page = adapter ? entryPage(adapter) : {};
  return Object.fromEntries(Object.entries(entry).map(([key, value]) => [key, page[key]?.sensitive ? '[masked]' : value]));
}

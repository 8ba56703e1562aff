import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import type { SettingDefinition } from '../ports/adapter';
import { secretIn } from './backend-entries';
import { isWrittenPlainly, ruleOf } from './setting-formats';
import { isObject } from '../task/plain-object';

/** One value that somebody gave, and where, for the message when it is wrong. */
export interface GivenSetting {
  readonly key: string;
  readonly value: unknown;
  readonly source: string;
}

export interface GivenSettings {
  readonly values: GivenSetting[];
  /** One line each, naming source and key. */
  readonly faults: string[];
}

export const ENVIRONMENT_PREFIX = 'TES_GATEWAY__';
const NEVER_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** Drops the keys that would reach into JavaScript's own objects. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, inner]) => (NEVER_KEYS.has(key) ? [] : [[key, plain(inner)]])));
}

/** Reads the layers; each `take` adds to `given`. */
export class SettingSources {
  readonly given: GivenSettings = { values: [], faults: [] };

  constructor(private readonly definitions: ReadonlyMap<string, SettingDefinition>) {}

  /** A YAML file. One that is empty says nothing. */
  file(path: string): void {
    try {
      const content: unknown = plain(parse(readFileSync(path, 'utf8')));
      if (content === null || content === undefined) return;
      if (isObject(content)) this.tree(content, '', path);
      else this.given.faults.push(`${path}: must hold settings by name`);
    } catch (error) {
      this.given.faults.push(`${path}: ${firstLine(error)}`);
    }
  }

  /** `TES_GATEWAY__SERVER__PORT=8081`; with `_FILE` at the end the value stands in the file named. */
  environment(env: Readonly<Record<string, string | undefined>>): void {
    const shortened = new Map([...this.definitions.keys()].map((key) => [`TES_GATEWAY_${key.replaceAll('.', '_')}`.toUpperCase(), key]));
    for (const [variable, text] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (text === undefined) continue;
      const meant = shortened.get(variable.replaceAll('__', '_')) ?? shortened.get(variable.replaceAll('__', '_').replace(/_FILE$/, ''));
      // Kubernetes sets `TES_GATEWAY_SERVER_PORT=tcp://...` for a service called tes-gateway-server.
      if (!variable.startsWith(ENVIRONMENT_PREFIX) && meant !== undefined && !text.startsWith('tcp://'))
        this.given.faults.push(`${variable}: the variable of ${meant} is ${variableOf(meant)}`);
      if (!variable.startsWith(ENVIRONMENT_PREFIX)) continue;
      const key = variable.slice(ENVIRONMENT_PREFIX.length).toLowerCase().replaceAll('__', '.');
      if (this.definitions.has(key)) this.text(key, text, variable);
      else if (key.endsWith('_file') && this.definitions.has(key.slice(0, -5))) this.textOfFile(key.slice(0, -5), text, variable);
      else
        this.given.faults.push(`${variable}: there is no setting ${key}${meant === undefined ? '' : `; ${meant} is ${variableOf(meant)}`}`);
    }
  }

  /** `--server.port 8081`, `--server.port=8081`; `--store.url_file` for one that is sensitive. */
  flags(argv: readonly string[]): void {
    const names = [...this.definitions].flatMap(([key, { sensitive }]) => (sensitive ? [key, `${key}_file`] : [key]));
    const options = Object.fromEntries(names.map((key) => [key, { type: 'string' as const }]));
    const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
    for (const token of tokens) {
      if (token.kind === 'positional') this.given.faults.push(`${token.value}: flags begin with --`);
      if (token.kind !== 'option') continue;
      const secret = this.secretBehind(token.name);
      if (!this.definitions.has(token.name) && secret === undefined)
        this.given.faults.push(`${token.rawName}: there is no setting ${token.name}`);
      else if (token.value === undefined) this.given.faults.push(`${token.rawName}: ${token.name} needs a value`);
      else if (secret === undefined) this.text(token.name, token.value, token.rawName);
      else this.textOfFile(secret, token.value, token.rawName);
    }
  }

  private textOfFile(key: string, path: string, source: string): void {
    try {
      this.text(key, secretIn(path), source);
    } catch (error) {
      this.given.faults.push(`${source}: ${key}: ${firstLine(error)}`);
    }
  }

  /** Text stays as it is where text is wanted; everything else is YAML, of which JSON is a part. */
  private text(key: string, text: string, source: string): void {
    const definition = this.definitions.get(key);
    try {
      this.value(key, definition && isWrittenPlainly(definition) ? text : plain(parse(text)), source);
    } catch (error) {
      this.given.faults.push(`${source}: ${key}: ${firstLine(error)}`);
    }
  }

  private tree(node: Readonly<Record<string, unknown>>, prefix: string, source: string): void {
    for (const [name, value] of Object.entries(node)) {
      const key = prefix + name;
      const isGroup = !this.definitions.has(key) && [...this.definitions.keys()].some((known) => known.startsWith(`${key}.`));
      const secret = this.secretBehind(key);
      if (this.definitions.has(key)) this.value(key, value, source);
      else if (secret !== undefined && typeof value === 'string') this.textOfFile(secret, value, source);
      else if (!isGroup) this.given.faults.push(`${source}: there is no setting ${key}`);
      else if (isObject(value)) this.tree(value, `${key}.`, source);
      else if (value !== null) this.given.faults.push(`${source}: ${key}: must hold settings by name`);
    }
  }

  /** The sensitive setting whose value stands in the file that `KEY_file` names. */
  private secretBehind(key: string): string | undefined {
    const secret = key.endsWith('_file') ? key.slice(0, -'_file'.length) : undefined;
    return secret !== undefined && this.definitions.get(secret)?.sensitive ? secret : undefined;
  }

  private value(key: string, value: unknown, source: string): void {
    const definition = this.definitions.get(key);
    const rule = definition && ruleOf(definition);
    const taken = rule?.read ? rule.read(value) : value;
    // Where no map is wanted convict would look for settings in it, and speak of itself.
    if (rule && isObject(taken) && !rule.test(taken)) this.given.faults.push(`${source}: ${key}: must be ${rule.words}`);
    else this.given.values.push({ key, value: taken, source });
  }
}

function variableOf(key: string): string {
  return ENVIRONMENT_PREFIX + key.replaceAll('.', '__').toUpperCase();
}

/** What follows the line of a YAML fault, after a colon, is the text around it: a value there may be a secret. */
function firstLine(error: unknown): string {
  return (error as Error).message.split('\n', 1).join('').replace(/:$/, '');
}

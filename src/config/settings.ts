import { resolve } from 'node:path';
import convict from 'convict';
import { stringify } from 'yaml';
import type { Adapters, BackendEntry } from '../ports/adapter';
import { maskedEntry, readEntries } from './backend-entries';
import { isLoopback } from '../ports/host-name';
import { faultOfNetwork } from '../ports/networks';
import { isObject } from '../task/plain-object';
import { ruleOf } from './setting-formats';
import { type GivenSetting, SettingSources } from './setting-sources';
import { isDefinition, settingDefinitions, settingsPage, type settingsSchema, type SettingsTree } from './settings-schema';

type ValuesIn<Schema> = Schema extends { readonly default: infer Value }
  ? Value
  : { readonly [Key in keyof Schema]: ValuesIn<Schema[Key]> };

/** Every setting, checked, deep-frozen; paths are absolute. `''` means "not set" in texts. What adapters own is typed by their pages. */
export type Settings = ValuesIn<typeof settingsSchema> & {
  readonly store: Readonly<Record<string, unknown>> & { readonly type: string };
  readonly storage: Readonly<Record<string, object>>;
  readonly auth: Readonly<Record<string, unknown>> & { readonly schemes: readonly string[] };
  readonly backends: readonly BackendEntry[];
};

export interface SettingLayers {
  /** YAML files, the later one wins. */
  readonly files: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags, without the program's name. */
  readonly argv: readonly string[];
}

/** The settings cannot be used. `faults`: one line each, naming the file (or variable, or flag) and the key. */
export class SettingsError extends Error {
  constructor(readonly faults: readonly string[]) {
    super(faults.join('\n'));
    this.name = 'SettingsError';
  }
}

/**
 * Reads the layers, the later one wins: defaults, files, environment, flags.
 * @throws SettingsError when a key is unknown or a value is of a wrong type, with every fault at once
 */
export function loadSettings(layers: SettingLayers, adapters: Adapters): Settings {
  const page = settingsPage(adapters);
  const { values, given, faults } = readLayers(page, layers);
  const { entries, faults: entryFaults } = readEntries(values['backends'], adapters);
  faults.push(...entryFaults.map((fault) => `${given.get('backends')?.source ?? 'settings'}: ${fault}`));
  if (faults.length > 0) throw new SettingsError(faults);
  const settings = withAbsolutePaths({ ...values, backends: entries } as unknown as Settings, page);
  faults.push(
    ...faultsOfNetworks(settings, page),
    ...faultsBetween(settings),
    ...faultsOfLogin(settings, adapters),
    ...faultsOfAdapters(settings, adapters),
  );
  if (faults.length > 0) throw new SettingsError(faults);
  return deepFreeze(settings);
}

/** Settings as YAML for people, which may serve as a settings file again; secrets are masked, set or not. */
export function describeSettings(settings: Settings, adapters: Adapters): string {
  const shown = structuredClone(settings) as unknown as Record<string, unknown>;
  for (const [key, definition] of settingDefinitions(settingsPage(adapters))) {
    const mask = ruleOf(definition).mask ?? (() => '[masked]');
    if (definition.sensitive) putAt(shown, key, mask);
  }
  shown['backends'] = settings.backends.map((entry) => maskedEntry(entry, adapters));
  return stringify(shown);
}

/** The values of a page of settings, checked one by one. `faults` is empty when they can be used. */
export function readLayers(
  page: SettingsTree,
  layers: SettingLayers,
): { readonly values: Record<string, unknown>; readonly given: ReadonlyMap<string, GivenSetting>; readonly faults: string[] } {
  const definitions = settingDefinitions(page);
  const sources = new SettingSources(definitions);
  for (const file of layers.files) sources.file(file);
  sources.environment(layers.env);
  sources.flags(layers.argv);

  // Convict's own reading of the environment and the arguments is off: it would take wrong types for right ones.
  const config = convict(convictSchema(page), { env: {}, args: [] });
  const given = new Map<string, GivenSetting>(sources.given.values.map((setting) => [setting.key, setting]));
  // Convict would take a dot in a name of a map (`alpine:3.18`) for one of its own.
  const maps = [...given.values()].filter(({ value }) => isObject(value));
  for (const setting of given.values()) if (!maps.includes(setting)) config.set(setting.key, setting.value);
  const faults = [...sources.given.faults];
  try {
    config.validate({ allowed: 'strict' });
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) {
      const key = /^([a-z0-9_.-]+): /.exec(line)?.[1];
      faults.push(`${(key && given.get(key)?.source) ?? 'settings'}: ${line}`);
    }
  }
  const values = config.getProperties();
  for (const { key, value } of maps) putAt(values, key, () => value);
  return { values, given, faults };
}

/** The page in convict's terms. */
function convictSchema(page: SettingsTree, prefix = ''): convict.Schema<Record<string, unknown>> {
  const nodes = Object.entries(page).map(([name, node]) => {
    const key = prefix + name;
    if (!isDefinition(node)) return [name, convictSchema(node, `${key}.`)];
    const rule = ruleOf(node);
    // A name of its own: what has a format by name is never changed to fit it.
    const validate = (value: unknown): void => {
      if (!rule.test(value)) throw new Error(`must be ${rule.words}`);
    };
    convict.addFormat({ name: key, validate });
    return [name, { ...node, format: key }];
  });
  return Object.fromEntries(nodes) as convict.Schema<Record<string, unknown>>;
}

/** Those of one user are one document of a store. */
const MOST_CREDENTIALS = 200;

function faultsOfNetworks(settings: Settings, page: SettingsTree): string[] {
  return [...settingDefinitions(page)].flatMap(([key, { format }]) => {
    if (format !== 'list of networks') return [];
    const networks = key
      .split('.')
      .reduce<unknown>((group, name) => (group as Record<string, unknown>)[name], settings) as readonly string[];
    return networks.flatMap((network, index) => {
      const fault = faultOfNetwork(network);
      return fault === undefined ? [] : [`settings: ${key}[${index}]: ${network} ${fault}`];
    });
  });
}

/** What is wrong although each value is right for itself. */
function faultsBetween({ data_dir, work_dir, credentials, limits, retry, server }: Settings): string[] {
  const faults: string[] = [];
  if ((server.tls.certificate_file === '') !== (server.tls.key_file === ''))
    faults.push('settings: server.tls: certificate_file and key_file belong together, but one of them is not set');
  if (`${work_dir}/`.startsWith(`${data_dir}/`) || `${data_dir}/`.startsWith(`${work_dir}/`))
    faults.push(`settings: work_dir: must be apart from data_dir, but they are ${work_dir} and ${data_dir}`);
  if (credentials.max_per_user > MOST_CREDENTIALS) faults.push(`settings: credentials.max_per_user: must be at most ${MOST_CREDENTIALS}`);
  if (limits.default_runtime_seconds > limits.max_runtime_seconds)
    faults.push('settings: limits.default_runtime_seconds: must not be above limits.max_runtime_seconds');
  if (retry.first_delay_seconds > retry.longest_delay_seconds)
    faults.push('settings: retry.first_delay_seconds: must not be above retry.longest_delay_seconds');
  return faults;
}

/** Who reaches the server, against who is let in. */
function faultsOfLogin({ server, auth }: Settings, { authenticators }: Adapters): string[] {
  const anonymous = authenticators.find(({ type, isAnonymous }) => isAnonymous && auth.schemes.includes(type))?.type;
  const faults: string[] = [];
  if (anonymous !== undefined && auth.schemes.length > 1)
    faults.push(`settings: auth.schemes: ${anonymous} lets everybody in, so it stands alone`);
  if (anonymous !== undefined && !isLoopback(server.host) && !auth.allow_anonymous)
    faults.push(
      `settings: auth.schemes: there is no login, and everybody who reaches ${server.host} could run tasks: choose a login, listen on 127.0.0.1 (server.host), or say that this is meant (auth.allow_anonymous: true)`,
    );
  const chosen = authenticators.filter(({ type }) => auth.schemes.includes(type));
  if (chosen.every(({ needsAnother }) => needsAnother))
    faults.push(`settings: auth.schemes: nobody could log in by ${auth.schemes.join(', ')} alone: name another one beside it`);
  // Any page could then have a browser send the password that it remembers.
  if (anonymous === undefined && server.cors_origins.includes('*'))
    faults.push("settings: server.cors_origins: with a login it must name the origins, not '*'");
  return faults;
}

/** The same, as the adapters in use see it. */
function faultsOfAdapters({ store, storage, auth }: Settings, adapters: Adapters): string[] {
  const chosen = adapters.stores.find(({ type }) => type === store.type);
  const groups = [
    ...adapters.storages.map((adapter) => ({ adapter, values: storage[adapter.type], group: `storage.${adapter.type}` })),
    ...adapters.authenticators
      .filter(({ type }) => auth.schemes.includes(type))
      .map((adapter) => ({ adapter, values: auth[adapter.type] as object | undefined, group: `auth.${adapter.type}` })),
    ...(chosen ? [{ adapter: chosen, values: store, group: 'store' }] : []),
  ];
  return groups.flatMap(({ adapter, values = {}, group }) =>
    (adapter.faults?.(values) ?? []).map((fault) => `settings: ${group}.${fault}`),
  );
}

function withAbsolutePaths(settings: Settings, page: SettingsTree): Settings {
  const dataDir = resolve(settings.data_dir);
  const absolute = (path: string): string => resolve(path.replace('<data_dir>', dataDir));
  const changed = structuredClone(settings) as unknown as Record<string, unknown>;
  for (const [key, definition] of settingDefinitions(page)) {
    const { paths } = ruleOf(definition);
    if (paths) putAt(changed, key, (value) => paths(value, absolute));
  }
  return changed as unknown as Settings;
}

/** Every path that the settings name, with its setting. */
export function pathsIn(settings: Settings, adapters: Adapters): readonly { readonly key: string; readonly path: string }[] {
  const found: { key: string; path: string }[] = [];
  const tree = structuredClone(settings) as unknown as Record<string, unknown>;
  for (const [key, definition] of settingDefinitions(settingsPage(adapters))) {
    const { paths } = ruleOf(definition);
    const note = (path: string): string => {
      found.push({ key, path });
      return path;
    };
    if (paths) putAt(tree, key, (value) => paths(value, note));
  }
  return found;
}

/** Changes one value, by its dotted name. */
function putAt(tree: Record<string, unknown>, key: string, change: (value: unknown) => unknown): void {
  const names = key.split('.');
  const last = names.pop() ?? '';
  const group = names.reduce((node, name) => node[name] as Record<string, unknown>, tree);
  group[last] = change(group[last]);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}

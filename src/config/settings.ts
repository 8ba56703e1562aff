import { resolve } from 'node:path';
import convict from 'convict';
import { stringify } from 'yaml';
import { SECRET_BACKEND_KEYS } from './backend-settings';
import { isMap } from './setting-checks';
import { settingFormats } from './setting-formats';
import type { GivenSetting } from './setting-sources';
import { SettingSources, settingDefinitions } from './setting-sources';
import { settingsSchema } from './settings-schema';

type ValuesOf<Schema> = Schema extends { readonly default: infer Value }
  ? Value
  : { readonly [Key in keyof Schema]: ValuesOf<Schema[Key]> };

/** Every setting, checked, deep-frozen; paths are absolute. `''` means "not set" in texts. */
export type Settings = ValuesOf<typeof settingsSchema>;

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

for (const [name, { validate }] of Object.entries(settingFormats)) convict.addFormat({ name, validate });

/**
 * Reads the layers, the later one wins: defaults, files, environment, flags.
 * @throws SettingsError when a key is unknown or a value is of a wrong type, with every fault at once
 */
export function loadSettings(layers: SettingLayers): Settings {
  const settings = withAbsolutePaths(readLayers(settingsSchema, layers) as Settings);
  const faults = faultsBetween(settings);
  if (faults.length > 0) throw new SettingsError(faults);
  return deepFreeze(settings);
}

/** Settings as YAML for people, which may serve as a settings file again; secrets are masked, set or not. */
export function describeSettings(settings: object, schema: object = settingsSchema): string {
  const secrets = [...settingDefinitions(schema)].filter(([, { sensitive }]) => sensitive).map(([key]) => key);
  return stringify(masked(settings, secrets, ''));
}

function masked(group: object, secrets: readonly string[], prefix: string): object {
  return Object.fromEntries(
    Object.entries(group).map(([name, value]: [string, unknown]) => {
      const key = prefix + name;
      if (secrets.includes(key)) return [name, '[masked]'];
      if (key === 'backends' && Array.isArray(value)) return [name, value.map(maskedBackend)];
      const isGroup = secrets.some((secret) => secret.startsWith(`${key}.`)) && typeof value === 'object' && value !== null;
      return [name, isGroup ? masked(value, secrets, `${key}.`) : value];
    }),
  );
}

function maskedBackend(entry: unknown): unknown {
  if (typeof entry !== 'object' || entry === null) return entry;
  return Object.fromEntries(
    Object.entries(entry).map(([key, value]) => [key, SECRET_BACKEND_KEYS.has(key) ? '[masked]' : (value as unknown)]),
  );
}

/** The values of a page of settings, checked one by one. */
export function readLayers(schema: object, layers: SettingLayers): object {
  const sources = new SettingSources(settingDefinitions(schema));
  for (const file of layers.files) sources.file(file);
  sources.environment(layers.env);
  sources.flags(layers.argv);

  // Convict's own reading of the environment and the arguments is off: it would take wrong types for right ones.
  const config = convict(schema as convict.Schema<Record<string, unknown>>, { env: {}, args: [] });
  const given = new Map<string, GivenSetting>(sources.given.values.map((setting) => [setting.key, setting]));
  // Convict would take a dot in a name of a map (`alpine:3.18`) for one of its own.
  const values = [...given.values()];
  for (const { key, value } of values) if (!isMap(value)) config.set(key, value);
  const faults = [...sources.given.faults];
  try {
    config.validate({ allowed: 'strict' });
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) {
      const key = /^([a-z_.]+): /.exec(line)?.[1];
      // The value of a list of backends may hold a token.
      const shown = key === 'backends' ? line.replace(/: value was .*$/, '') : line;
      faults.push(`${(key && given.get(key)?.source) ?? 'settings'}: ${shown}`);
    }
  }
  if (faults.length > 0) throw new SettingsError(faults);
  const page = config.getProperties();
  for (const { key, value } of values) if (isMap(value)) place(page, key.split('.'), value);
  return page;
}

function place(group: Record<string, unknown>, [name = '', ...inner]: readonly string[], value: unknown): void {
  if (inner.length === 0) group[name] = value;
  else place(group[name] as Record<string, unknown>, inner, value);
}

/** What is wrong although each value is right for itself. */
function faultsBetween({ data_dir, work_dir, limits, retry, store }: Settings): string[] {
  const faults: string[] = [];
  // The url itself is never shown: it may hold a password.
  if (store.type === 'mongodb' && !/^mongodb(\+srv)?:\/\/./.test(store.url))
    faults.push('settings: store.url: must be a connection string such as mongodb://host/ when store.type is mongodb');
  if (store.type === 'mongodb' && !/^[A-Za-z0-9_-]{1,63}$/.test(store.database))
    faults.push('settings: store.database: must be a name of at most 63 letters, digits, _ and -');
  if (`${work_dir}/`.startsWith(`${data_dir}/`) || `${data_dir}/`.startsWith(`${work_dir}/`))
    faults.push(`settings: work_dir: must be apart from data_dir, but they are ${work_dir} and ${data_dir}`);
  if (limits.default_runtime_seconds > limits.max_runtime_seconds)
    faults.push('settings: limits.default_runtime_seconds: must not be above limits.max_runtime_seconds');
  if (retry.first_delay_seconds > retry.longest_delay_seconds)
    faults.push('settings: retry.first_delay_seconds: must not be above retry.longest_delay_seconds');
  return faults;
}

function withAbsolutePaths(settings: Settings): Settings {
  const { storage, images } = settings;
  const dataDir = resolve(settings.data_dir);
  const path = (text: string): string => resolve(text.replace('<data_dir>', dataDir));
  return {
    ...settings,
    data_dir: dataDir,
    work_dir: path(settings.work_dir),
    storage: { ...storage, file: { allowed: storage.file.allowed.map(path) } },
    images: {
      ...images,
      allowed: images.allowed.map(path),
      map: Object.fromEntries(Object.entries(images.map).map(([name, file]) => [name, path(file)])),
      auth_file: images.auth_file === '' ? '' : path(images.auth_file),
    },
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}

export const RUNTIMES = ['auto', 'docker', 'podman', 'apptainer', 'bubblewrap'] as const;
export const NETWORKS = ['default', 'host', 'none'] as const;

/** One entry of `backends`. */
export interface BackendSettings {
  /** Letters, digits, `-` and `_`; also what clients send as `backend_parameters.backend`. */
  readonly name: string;
  readonly type: 'local';
  readonly runtime: (typeof RUNTIMES)[number];
  readonly network: (typeof NETWORKS)[number];
  /** Absent = every core. */
  readonly cpus?: number;
  /** In 2^30 bytes; absent = the machine's memory. */
  readonly ram_gb?: number;
  /** New tasks are not given to it. */
  readonly drain: boolean;
}

export interface SettingFormat {
  /** Throws with a public sentence. */
  readonly validate: (value: unknown) => void;
  /** From what people write to what the program uses; given only what is not valid as it is. */
  readonly read?: (value: unknown) => unknown;
}

const must = (condition: boolean, words: string): void => {
  if (!condition) throw new Error(`must be ${words}`);
};
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isText = (value: unknown): value is string => typeof value === 'string' && !value.includes('\0');
const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
/** `16 MiB`, `1.5G`, `4096` -> bytes. */
function readSize(value: unknown): unknown {
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(value.trim()) : null;
  return match ? Math.round(Number(match[1]) * (SIZE_UNITS[match[2]?.toUpperCase() ?? ''] ?? 1)) : value;
}

const SPAN_UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** A `span` such as `30d` in milliseconds; `undefined` for `off`. */
export function spanMs(span: string): number | undefined {
  const match = /^(\d+)([smhd])$/.exec(span);
  return match ? Number(match[1]) * (SPAN_UNITS[match[2] ?? ''] ?? 0) : undefined;
}

function readBackends(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((entry: unknown) =>
    isMap(entry) ? { name: entry.type ?? 'local', type: 'local', runtime: 'auto', network: 'default', drain: false, ...entry } : entry,
  );
}

const backendKeys: Readonly<Record<keyof BackendSettings, (value: unknown) => void>> = {
  name: (value) => must(isText(value) && /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(value), 'a name of letters, digits, - and _'),
  type: (value) => must(value === 'local', 'local'),
  runtime: (value) => must(RUNTIMES.includes(value as never), `one of ${RUNTIMES.join(', ')}`),
  network: (value) => must(NETWORKS.includes(value as never), `one of ${NETWORKS.join(', ')}`),
  cpus: (value) => must(isNumber(value) && value > 0, 'a number above 0'),
  ram_gb: (value) => must(isNumber(value) && value > 0, 'a number above 0'),
  drain: (value) => must(typeof value === 'boolean', 'true or false'),
};

function validateBackends(value: unknown): void {
  must(Array.isArray(value) && value.length > 0, 'a list of at least one backend');
  const names = new Set<unknown>();
  for (const [index, entry] of (value as unknown[]).entries()) {
    if (!isMap(entry)) throw new Error(`entry ${index} must be an object such as {name: local, type: local}`);
    for (const [key, field] of Object.entries(entry)) {
      const check = Object.hasOwn(backendKeys, key) ? backendKeys[key as keyof BackendSettings] : undefined;
      if (!check) throw new Error(`entry ${index} has an unknown key ${key}`);
      try {
        check(field);
      } catch (error) {
        throw new Error(`entry ${index}: ${key} ${(error as Error).message}`, { cause: error });
      }
    }
    if (names.has(entry.name)) throw new Error(`two backends are called ${String(entry.name)}`);
    names.add(entry.name);
  }
}

/** Every format that `settings-schema.ts` names; a list there is a choice of texts. Strict: a text is no number. */
export const settingFormats: Readonly<Record<string, SettingFormat>> = {
  text: { validate: (value) => must(isText(value), 'text') },
  'yes or no': { validate: (value) => must(typeof value === 'boolean', 'true or false') },
  count: { validate: (value) => must(isCount(value), 'a whole number of 0 or more') },
  'positive count': { validate: (value) => must(isCount(value) && value > 0, 'a whole number above 0') },
  number: { validate: (value) => must(isNumber(value), 'a number of 0 or more') },
  'positive number': { validate: (value) => must(isNumber(value) && value > 0, 'a number above 0') },
  'tcp port': { validate: (value) => must(isCount(value) && value <= 65_535, 'a port between 0 and 65535') },
  size: { validate: (value) => must(isCount(value), 'a number of bytes, or a size such as 16 MiB'), read: readSize },
  'content size': {
    validate: (value) => must(isCount(value) && value >= 128 * 1024, 'at least 131072 bytes (128 KiB)'),
    read: readSize,
  },
  span: {
    validate: (value) => must(value === 'off' || (isText(value) && spanMs(value) !== undefined), 'off, or a time such as 30d, 12h, 45m'),
  },
  'list of texts': {
    validate: (value) => must(Array.isArray(value) && value.every((entry) => isText(entry) && entry !== ''), 'a list of texts'),
  },
  'map of texts': { validate: (value) => must(isMap(value) && Object.values(value).every(isText), 'a map of texts') },
  backends: { validate: validateBackends, read: readBackends },
};

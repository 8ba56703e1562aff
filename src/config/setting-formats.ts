import type { SettingDefinition, SettingRule } from '../ports/adapter';
import { choiceWords } from '../shape/shape';
import { isObject } from '../task/plain-object';

export interface SettingFormat extends SettingRule {
  /** From what people write to what the program uses; given only what is not valid as it is. */
  readonly read?: (value: unknown) => unknown;
  /** Makes the paths in a valid value absolute. */
  readonly paths?: (value: unknown, absolute: (path: string) => string) => unknown;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isText = (value: unknown): value is string => typeof value === 'string' && !value.includes('\0');
const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((entry) => isText(entry) && entry !== '');

/** A whole scheme, a URL without a query, or an absolute path. */
function isPrefix(text: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:\/\/$/i.test(text) || /^\/[^\0]*$/.test(text)) return true;
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? URL.parse(text) : null;
  return url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
}

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

/** Those of capabilities(7); an engine would refuse every container for a name that is none. */
const CAPABILITIES: ReadonlySet<string> = new Set(
  (
    'AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK ' +
    'IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP ' +
    'SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME ' +
    'SYS_TTY_CONFIG WAKE_ALARM'
  ).split(' '),
);

const SIZE_SCHEMA = { type: ['integer', 'string'], pattern: '^\\s*\\d+(\\.\\d+)?\\s*[KMGTkmgt]?(i?[Bb])?\\s*$', minimum: 0 };
const TEXTS_SCHEMA = { type: 'array', items: { type: 'string', minLength: 1 } };
const MAP_SCHEMA = { type: 'object', additionalProperties: { type: 'string' } };

/** Every format that pages of settings name; a list there is a choice of texts. Strict: a text is no number. */
export const settingFormats: Readonly<Record<string, SettingFormat>> = {
  text: { test: isText, words: 'text', schema: { type: 'string' } },
  path: {
    test: isText,
    words: 'text',
    schema: { type: 'string' },
    paths: (value, absolute) => (value === '' ? value : absolute(value as string)),
  },
  'yes or no': { test: (value) => typeof value === 'boolean', words: 'true or false', schema: { type: 'boolean' } },
  count: { test: isCount, words: 'a whole number of 0 or more', schema: { type: 'integer', minimum: 0 } },
  'positive count': {
    test: (value) => isCount(value) && value > 0,
    words: 'a whole number above 0',
    schema: { type: 'integer', minimum: 1 },
  },
  number: { test: isNumber, words: 'a number of 0 or more', schema: { type: 'number', minimum: 0 } },
  'positive number': {
    test: (value) => isNumber(value) && value > 0,
    words: 'a number above 0',
    schema: { type: 'number', exclusiveMinimum: 0 },
  },
  'tcp port': {
    test: (value) => isCount(value) && value <= 65_535,
    words: 'a port between 0 and 65535',
    schema: { type: 'integer', minimum: 0, maximum: 65_535 },
  },
  size: { test: isCount, words: 'a number of bytes, or a size such as 16 MiB', schema: SIZE_SCHEMA, read: readSize },
  'content size': {
    test: (value) => isCount(value) && value >= 128 * 1024,
    words: 'at least 131072 bytes (128 KiB)',
    schema: { ...SIZE_SCHEMA, minimum: 128 * 1024 },
    read: readSize,
  },
  span: {
    test: (value) => value === 'off' || (isText(value) && spanMs(value) !== undefined),
    words: 'off, or a time such as 30d, 12h, 45m',
    schema: { type: 'string', pattern: '^(off|\\d+[smhd])$' },
  },
  name: {
    test: (value) => isText(value) && /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(value),
    words: 'a name of letters, digits, - and _',
    schema: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$' },
  },
  'list of texts': { test: isTexts, words: 'a list of texts', schema: TEXTS_SCHEMA },
  // Which of them is none, and why, is said by `settings.ts`.
  'list of networks': { test: isTexts, words: 'a list of networks such as [10.0.0.7, 10.1.0.0/16]', schema: TEXTS_SCHEMA },
  'list of paths': {
    test: isTexts,
    words: 'a list of texts',
    schema: TEXTS_SCHEMA,
    paths: (value, absolute) => (value as readonly string[]).map(absolute),
  },
  'list of capabilities': {
    test: (value) => isTexts(value) && value.every((entry) => CAPABILITIES.has(entry)),
    words: 'a list of Linux capabilities such as NET_RAW, without CAP_',
    schema: { type: 'array', items: { enum: [...CAPABILITIES] } },
  },
  'list of URL prefixes': {
    test: (value) => isTexts(value) && value.length > 0 && value.every(isPrefix),
    words: 'a list of URLs, or of their beginnings up to a slash, such as ["https://data.example/", "/projects/"]',
    schema: { ...TEXTS_SCHEMA, minItems: 1 },
  },
  'map of texts': { test: (value) => isObject(value) && Object.values(value).every(isText), words: 'a map of texts', schema: MAP_SCHEMA },
  'map of paths': {
    test: (value) => isObject(value) && Object.values(value).every(isText),
    words: 'a map of texts',
    schema: MAP_SCHEMA,
    paths: (value, absolute) =>
      Object.fromEntries(Object.entries(value as Record<string, string>).map(([name, path]) => [name, absolute(path)])),
  },
  labels: {
    test: (value) =>
      isObject(value) &&
      Object.entries(value).every(([name, word]) => /^[a-z0-9][a-z0-9_.-]{0,62}$/.test(name) && isText(word) && word !== ''),
    words: 'a map of words with names in lower case, such as {site: north}',
    schema: { ...MAP_SCHEMA, propertyNames: { pattern: '^[a-z0-9][a-z0-9_.-]{0,62}$' } },
  },
  // Looked into by `backend-entries.ts`, which says what is wrong in which entry.
  backends: { test: () => true, words: 'a list of backends', schema: {} },
};

/** The rule behind `SettingDefinition.format`. */
export function ruleOf({ format }: SettingDefinition): SettingFormat {
  if (typeof format === 'string') {
    const known = settingFormats[format];
    if (!known) throw new Error(`no page of settings may name the format ${format}`);
    return known;
  }
  if (!isChoice(format)) return format;
  return { test: (value) => isText(value) && format.includes(value), words: choiceWords(format), schema: { enum: format } };
}

/** Whether a value is written as it is on the command line and in the environment; everything else is YAML there. */
export function isWrittenPlainly({ format }: SettingDefinition): boolean {
  return format === 'text' || format === 'path' || isChoice(format);
}

function isChoice(format: SettingDefinition['format']): format is readonly string[] {
  return Array.isArray(format);
}

import { readBackends, validateBackends } from './backend-settings';
import { isCount, isMap, isNumber, isText, must } from './setting-checks';

export interface SettingFormat {
  /** Throws with a public sentence. */
  readonly validate: (value: unknown) => void;
  /** From what people write to what the program uses; given only what is not valid as it is. */
  readonly read?: (value: unknown) => unknown;
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
  'list of capabilities': {
    validate: (value) =>
      must(
        Array.isArray(value) && value.every((entry) => CAPABILITIES.has(entry as string)),
        'a list of Linux capabilities such as NET_RAW, without CAP_',
      ),
  },
  'map of texts': { validate: (value) => must(isMap(value) && Object.values(value).every(isText), 'a map of texts') },
  backends: { validate: validateBackends, read: readBackends },
};

import type { StorageStat } from '../../ports/storage-client';

/** What a server says of one thing (RFC 3659, 7), or what could be found out otherwise. */
export interface FtpFacts {
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly sizeBytes?: number;
  readonly modifiedMs?: number;
  /** Told apart by size, time and, where the server gives it, its own mark of the file. */
  readonly version?: string;
}

const KINDS: ReadonlyMap<string, FtpFacts['kind']> = new Map([
  ['file', 'file'],
  ['dir', 'directory'],
  ['cdir', 'directory'],
  ['pdir', 'directory'],
]);

/** The line of facts in an answer to MLST; `undefined` where there is none. */
export function factsOf(answer: string): FtpFacts | undefined {
  const line = answer.split('\n').find((one) => /^ ?[^ =;]+=[^;]*;/.test(one));
  if (line === undefined) return undefined;
  const facts = new Map<string, string>();
  for (const fact of line.trimStart().split(' ', 1)[0]?.split(';') ?? []) {
    const at = fact.indexOf('=');
    if (at > 0) facts.set(fact.slice(0, at).toLowerCase(), fact.slice(at + 1));
  }
  const type = facts.get('type')?.toLowerCase() ?? '';
  const kind = KINDS.get(type) ?? (/^os\.unix=s?(?:ym)?link/.test(type) ? 'link' : 'other');
  return toldApart({ kind, size: facts.get('size'), modify: facts.get('modify'), unique: facts.get('unique') });
}

interface Said {
  readonly kind: FtpFacts['kind'];
  /** As the server writes them; `undefined` where it does not. */
  readonly size: string | undefined;
  readonly modify: string | undefined;
  readonly unique?: string | undefined;
}

export function toldApart({ kind, size, modify, unique = '' }: Said): FtpFacts {
  const sizeBytes = size !== undefined && /^\d+$/.test(size) ? Number(size) : undefined;
  const modifiedMs = modify === undefined ? undefined : timeOf(modify);
  return {
    kind,
    ...(kind === 'file' && sizeBytes !== undefined && { sizeBytes }),
    ...(modifiedMs !== undefined && { modifiedMs }),
    ...(kind === 'file' && sizeBytes !== undefined && modify !== undefined && { version: `${sizeBytes} ${modify} ${unique}` }),
  };
}

/** RFC 3659, 2.3: `YYYYMMDDHHMMSS[.sss]`, in UTC. */
function timeOf(text: string): number | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:\.(\d{1,3}))?/.exec(text);
  if (!match) return undefined;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second, Number((match[7] ?? '').padEnd(3, '0')));
}

export function writtenTime(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14);
}

export function statOf({ kind, ...facts }: FtpFacts): StorageStat | undefined {
  if (kind === 'directory') return { kind };
  return kind === 'file' ? { kind, ...facts } : undefined;
}

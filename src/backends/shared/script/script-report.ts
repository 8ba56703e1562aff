import type { LogTail } from '../../../task/task-record';
import { type JobProgress, parseProgress } from '../job-progress';
import { decodeTail } from '../log-tail';

/** What is in a job's `report` before its script has written one. */
export const PLANNED = 'planned\n';

/** The job script's own account of itself (see job-host.sh), which comes whole or not at all. */
export interface JobReport {
  /** Seconds since the worker's start when it was written: it moves while the script lives. */
  readonly up: string;
  readonly bootId: string;
  readonly progress: JobProgress;
  /** By stream, such as `0.stdout`, and what the stager on the worker said, such as `stager.in`. */
  readonly tails: ReadonlyMap<string, { readonly bytes: Buffer; readonly totalBytes: number }>;
}

export type ParsedReport =
  { readonly kind: 'planned' } | { readonly kind: 'report'; readonly report: JobReport } | { readonly kind: 'broken' };

export function parseReport(bytes: Buffer): ParsedReport {
  if (bytes.toString('latin1', 0, PLANNED.length + 1) === PLANNED) return { kind: 'planned' };
  const first = sectionEnd(bytes, 0);
  const second = first === undefined ? undefined : sectionEnd(bytes, first);
  if (first === undefined || second === undefined) return { kind: 'broken' };
  const lines = bytes.toString('utf8', 0, first - SEPARATOR.length + 1);
  const head = /^tes-report 1 ([0-9.]+) ([0-9a-f-]+)\n/.exec(lines);
  if (!head) return { kind: 'broken' };
  const tails = new Map<string, { bytes: Buffer; totalBytes: number }>();
  let at = second;
  for (const line of bytes.toString('utf8', first, second - SEPARATOR.length + 1).split('\n')) {
    const match = /^(\d+\.(?:stdout|stderr|engine)|stager\.(?:in|out|failed|log)) (\d+) (\d+)$/.exec(line);
    if (!match) continue;
    const length = Number(match[3]);
    tails.set(match[1] ?? '', { bytes: bytes.subarray(at, at + length), totalBytes: Number(match[2]) });
    at += length;
  }
  if (at !== bytes.length) return { kind: 'broken' };
  const progress = parseProgress(lines.slice(head[0].length));
  return { kind: 'report', report: { up: head[1] ?? '', bootId: head[2] ?? '', progress, tails } };
}

const SEPARATOR = '\n--\n';

/** Where the section that begins at `from` is over and the next one begins; an empty section is only its separator. */
function sectionEnd(bytes: Buffer, from: number): number | undefined {
  const at = bytes.indexOf(SEPARATOR, Math.max(0, from - 1), 'latin1');
  return at < 0 ? undefined : at + SEPARATOR.length;
}

/** The last `tailBytes` of a stream as far as the report holds them. */
export function tailOf(report: JobReport, stream: string, tailBytes: number): LogTail | undefined {
  const found = report.tails.get(stream);
  if (!found || found.totalBytes === 0) return undefined;
  const bytes = found.bytes.subarray(Math.max(0, found.bytes.length - tailBytes));
  return { text: decodeTail(bytes, bytes.length < found.totalBytes), totalBytes: found.totalBytes };
}

/**
 * Milliseconds since the epoch, by this machine's clock, when the worker's uptime was 0. The script wrote its uptime and clock down
 * together; `skewMs` is how far the worker's clock is ahead of ours.
 */
export function bootedAt(report: JobReport, skewMs: number): number {
  const note = report.progress.notes.find((candidate) => candidate.word === 'clock');
  const [up, epoch] = (note?.text ?? '').split(' ').map(Number.parseFloat);
  if (up === undefined || epoch === undefined || Number.isNaN(epoch)) return Date.now() - Number(report.up) * 1000;
  return (epoch - up) * 1000 - skewMs;
}

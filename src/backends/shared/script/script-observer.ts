import { BackendError } from '../../../ports/errors';
import type { LogChunk } from '../../../ports/execution-backend';
import type { Observation } from '../../../task/observation';
import type { Handle } from '../../../task/task-record';
import { FACTS_FILE, type JobFacts } from '../job-facts';
import { isOver as isEnded } from '../job-progress';
import { finishedObservation, type JobAccount, lostObservation, underwayObservation } from '../job-report';
import { bootedAt, type JobReport, parseReport, tailOf } from './script-report';
import { type HostStatus, isOver, isWaiting, type ReadFile, type ScriptHost } from './script-host';
import { streamName } from '../layout';
import { REPORT } from './script-manifest';
import { withStaging } from './worker-staging';

/** The script tells every second at first, then every fifth. */
const FIRST_SILENT_MS = 3000;
const SILENT_MS = 10_000;
const TOLD_OFTEN_SECONDS = 20;
/** A script that says nothing for so long, whatever the host says of it, is looked at on the worker. */
const SUSPECT_MS = 60_000;
const REPORT_BYTES = 32 << 20;
const FACTS_BYTES = 32 << 20;
/** Less than this may be the resolution of a clock in an HTTP header. */
const SMALLEST_SKEW_MS = 3000;
const MOST_REMEMBERED = 10_000;

interface Told {
  readonly kind: 'report';
  readonly report: JobReport;
  readonly skewMs: number;
}

export type JobView =
  | { readonly kind: 'planned' }
  | Told
  /** There is no whole report to be had. */
  | { readonly kind: 'none' };

/** Turns what the script reports into observations. The report decides; the host is asked only about a script that is silent. */
export class ScriptObserver {
  /** When each job last told something new, by the monotonic clock. */
  private readonly heard = new Map<string, { readonly said: string; readonly at: number }>();

  constructor(private readonly host: ScriptHost) {}

  forget(jobName: string): void {
    this.heard.delete(jobName);
  }

  async observe(jobName: string, handle: Handle, tailBytes: number, signal: AbortSignal): Promise<Observation> {
    const view = await this.view(jobName, signal);
    if (view.kind === 'report' && view.report.progress.ending)
      return this.finished(this.account(jobName, handle, view), view.report, tailBytes, signal);
    const silentMs = this.silence(jobName, view.kind === 'report' ? view.report.up : view.kind);
    if (view.kind === 'report' && silentMs < longestSilence(view.report))
      return underwayObservation(this.account(jobName, handle, view), tailBytes);
    const status = await this.host.status(jobName, signal);
    const isDoubtful = isOver(status) || silentMs >= SUSPECT_MS;
    if (isDoubtful && (await this.isGone(jobName, status, signal))) return this.departed(jobName, handle, tailBytes, signal);
    if (isDoubtful) this.heard.delete(jobName);
    if (view.kind === 'report') return underwayObservation(this.account(jobName, handle, view), tailBytes);
    return { jobName, phase: 'pending', executors: [], systemLogs: [] };
  }

  /** What is known of a job that has been ended. */
  async remains(jobName: string, handle: Handle | undefined, tailBytes: number, signal: AbortSignal): Promise<Observation | undefined> {
    const view = await this.view(jobName, signal);
    if (view.kind !== 'report') return undefined;
    const account = this.account(jobName, handle, view);
    if (account.progress.ending) return this.finished(account, view.report, tailBytes, signal);
    return lostObservation(account, tailBytes, 'worker');
  }

  /** Part of a stream: from its end in the report, where that reaches back far enough; else from the file, which some hosts give only from its beginning. */
  async readLog(
    jobName: string,
    executor: number,
    stream: 'stdout' | 'stderr',
    offset: number,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<LogChunk | undefined> {
    const view = await this.view(jobName, signal);
    if (view.kind !== 'report') return undefined;
    const { progress, tails } = view.report;
    if (progress.executors[executor] === undefined) return undefined;
    // As told before the bytes are read: what is written after it ended cannot be missed.
    const over = isEnded(progress, executor);
    const tail = tails.get(`${executor}.${stream}`);
    const totalBytes = tail?.totalBytes ?? 0;
    const tailFrom = totalBytes - (tail?.bytes.length ?? 0);
    if (tail && offset >= tailFrom) {
      const bytes = tail.bytes.subarray(offset - tailFrom, offset - tailFrom + maxBytes);
      return { bytes, ended: over && offset + bytes.length >= totalBytes };
    }
    if (offset >= totalBytes) return { bytes: Buffer.alloc(0), ended: over };
    const bytes = await this.host.part(jobName, streamName(executor, stream), offset, maxBytes, signal);
    return { bytes, ended: over && offset + bytes.length >= totalBytes };
  }

  async view(jobName: string, signal: AbortSignal): Promise<JobView> {
    const file = await this.host.get(jobName, REPORT, REPORT_BYTES, signal);
    if (!file) return { kind: 'none' };
    const parsed = parseReport(file.bytes);
    switch (parsed.kind) {
      case 'planned':
        return parsed;
      case 'report':
        return { kind: 'report', report: parsed.report, skewMs: skewOf(file) };
      case 'broken':
        return { kind: 'none' };
      default: {
        const never: never = parsed;
        return never;
      }
    }
  }

  /**
   * Neither the host's word nor silence is proof: after a restart of the host, and after a second start, it is wrong about both. What it
   * knew nothing of may only just have been read from its queue, where the errand came after it: then it is not gone. But what is still
   * `queued`, or `made`, although a later errand was carried out, was forgotten by a host that was killed as it took it up.
   * Where the queue is long, the errand is not answered either.
   */
  private async isGone(jobName: string, status: HostStatus, signal: AbortSignal): Promise<boolean> {
    try {
      if (await this.isAlive(jobName, signal)) return false;
    } catch (error) {
      if (isWaiting(status) && error instanceof BackendError) return false;
      throw error;
    }
    if (status === 'underway') return true;
    const later = await this.host.status(jobName, signal);
    return isWaiting(later) === isWaiting(status) && isOver(later) === isOver(status);
  }

  private async isAlive(jobName: string, signal: AbortSignal): Promise<boolean> {
    return (await this.host.run('look', [jobName], signal)).toString().trim() === 'alive';
  }

  /** The script is gone: what it left running is ended, and its own last word is looked for once more. */
  private async departed(jobName: string, handle: Handle, tailBytes: number, signal: AbortSignal): Promise<Observation> {
    await endForCertain(this.host, jobName, signal);
    return (
      (await this.remains(jobName, handle, tailBytes, signal)) ?? {
        jobName,
        phase: 'lost',
        executors: [],
        systemLogs: ['the job was gone before it began: its directory on the worker holds no account of it'],
      }
    );
  }

  private async finished(account: JobAccount, report: JobReport, tailBytes: number, signal: AbortSignal): Promise<Observation> {
    const { jobName, progress, directory } = account;
    if (progress.notes.some((note) => note.word === 'left')) await endForCertain(this.host, jobName, signal);
    return withStaging(await finishedObservation(account, await this.facts(jobName, signal), tailBytes), report, directory);
  }

  private async facts(jobName: string, signal: AbortSignal): Promise<JobFacts> {
    const file = await this.host.get(jobName, `plan/${FACTS_FILE}`, FACTS_BYTES, signal);
    if (file) return JSON.parse(file.bytes.toString('utf8')) as JobFacts;
    return { version: 1, runtime: 'the runtime', maxRuntimeSeconds: 0, memoryBytes: 0, pids: 0, systemLogs: [], executors: [] };
  }

  private account(jobName: string, handle: Handle | undefined, { report, skewMs }: Told): JobAccount {
    return {
      jobName,
      progress: report.progress,
      bootedAt: bootedAt(report, skewMs),
      directory: this.host.placesOf(handle?.data['directory'] ?? '').workspace,
      tailOf: async (stream, bytes) => tailOf(report, stream.replace(/^streams\//, ''), bytes),
    };
  }

  /** For how long the job has said the same. */
  private silence(jobName: string, said: string): number {
    const before = this.heard.get(jobName);
    if (before?.said === said) return performance.now() - before.at;
    if (this.heard.size >= MOST_REMEMBERED) this.heard.clear();
    this.heard.set(jobName, { said, at: performance.now() });
    return 0;
  }
}

/** Ends everything of a job on the worker; throws when that is not confirmed. */
export async function endForCertain(host: Pick<ScriptHost, 'run'>, jobName: string, signal: AbortSignal): Promise<void> {
  const answer = (await host.run('end', [jobName], signal)).toString().trim();
  if (answer === 'ended') return;
  throw endingFault('worker');
}

export function endingFault(where: 'machine' | 'worker', internal = ''): BackendError {
  const what = `processes or containers of the job are still there on the ${where}`;
  return new BackendError(what, { retryable: true, unavailable: true, internal });
}

/** How long a script that lives may say the same. */
function longestSilence(report: JobReport): number {
  const begun = Number.parseFloat(report.progress.notes.find((note) => note.word === 'clock')?.text ?? '0');
  return Number(report.up) - begun < TOLD_OFTEN_SECONDS ? FIRST_SILENT_MS : SILENT_MS;
}

function skewOf(file: ReadFile): number {
  const skew = file.hostTime === undefined ? 0 : file.hostTime - Date.now();
  return Math.abs(skew) < SMALLEST_SKEW_MS ? 0 : skew;
}

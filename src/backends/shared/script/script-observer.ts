import { BackendError } from '../../../ports/errors';
import type { Observation } from '../../../task/observation';
import type { Handle } from '../../../task/task-record';
import { FACTS_FILE } from '../job-facts';
import type { JobFacts } from '../job-facts';
import { breachesOf, brokenDetail, systemErrorOf } from '../job-faults';
import { ENDING_PHASES, executorRecords, runningPart, hintsOf } from '../job-report';
import type { ReportContext } from '../job-report';
import { bootedAt, parseReport, tailOf } from './script-report';
import type { JobReport } from './script-report';
import { isOver, isWaiting } from './script-host';
import type { HostStatus, ReadFile, ScriptHost } from './script-host';
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

export type JobView =
  | { readonly kind: 'planned' }
  | { readonly kind: 'report'; readonly report: JobReport; readonly skewMs: number }
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
      return this.finished(jobName, handle, view.report, view.skewMs, tailBytes, signal);
    const silentMs = this.silence(jobName, view.kind === 'report' ? view.report.up : view.kind);
    if (view.kind === 'report' && silentMs < longestSilence(view.report))
      return this.underway(jobName, view.report, view.skewMs, tailBytes);
    const status = await this.host.status(jobName, signal);
    const isDoubtful = isOver(status) || silentMs >= SUSPECT_MS;
    if (isDoubtful && (await this.isGone(jobName, status, signal))) return this.departed(jobName, handle, tailBytes, signal);
    if (isDoubtful) this.heard.delete(jobName);
    if (view.kind === 'report') return this.underway(jobName, view.report, view.skewMs, tailBytes);
    return { jobName, phase: 'pending', executors: [], systemLogs: [] };
  }

  /** What is known of a job that has been ended. */
  async remains(jobName: string, handle: Handle | undefined, tailBytes: number, signal: AbortSignal): Promise<Observation | undefined> {
    const view = await this.view(jobName, signal);
    if (view.kind !== 'report') return undefined;
    const { report, skewMs } = view;
    if (report.progress.ending) return this.finished(jobName, handle, report, skewMs, tailBytes, signal);
    const executors = await executorRecords(report.progress, contextOf(jobName, report, skewMs, tailBytes));
    return {
      jobName,
      phase: 'lost',
      executors,
      systemLogs: ['the job was gone without a result: its process had been killed, or the worker was restarted'],
    };
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
   * Neither the host's word nor silence is proof: after a restart of Pulsar, and after a second start, it is wrong about both. What it
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

  private async finished(
    jobName: string,
    handle: Handle | undefined,
    report: JobReport,
    skewMs: number,
    tailBytes: number,
    signal: AbortSignal,
  ): Promise<Observation> {
    const { progress, timedOut } = report;
    if (progress.notes.some((note) => note.word === 'left')) await endForCertain(this.host, jobName, signal);
    const context = contextOf(jobName, report, skewMs, tailBytes);
    const facts = await this.facts(jobName, signal);
    const directory = this.host.placesOf(handle?.data['directory'] ?? '').workspace;
    const detail = await brokenDetail(progress, directory, async (stream) => (await context.tailOf(stream))?.text);
    const systemError = systemErrorOf(progress, facts, detail, 0);
    const processRefusals = progress.notes.filter((note) => note.word === 'pids').length;
    const observation: Observation = {
      jobName,
      phase: progress.ending ? ENDING_PHASES[progress.ending] : 'lost',
      executors: await executorRecords(progress, context),
      systemLogs: [
        ...facts.systemLogs,
        ...hintsOf(progress, facts),
        ...breachesOf(progress, facts, { memoryKills: 0, processRefusals, timedOut }),
      ],
      ...(systemError && { systemError }),
    };
    return withStaging(observation, report, directory);
  }

  private async facts(jobName: string, signal: AbortSignal): Promise<JobFacts> {
    const file = await this.host.get(jobName, `plan/${FACTS_FILE}`, FACTS_BYTES, signal);
    if (file) return JSON.parse(file.bytes.toString('utf8')) as JobFacts;
    return { version: 1, runtime: 'the runtime', maxRuntimeSeconds: 0, memoryBytes: 0, pids: 0, systemLogs: [], executors: [] };
  }

  private async underway(jobName: string, report: JobReport, skewMs: number, tailBytes: number): Promise<Observation> {
    const { progress } = report;
    const context = contextOf(jobName, report, skewMs, tailBytes);
    const running = await runningPart(progress, context);
    return {
      jobName,
      phase: progress.executors.length === 0 ? 'pending' : 'running',
      executors: await executorRecords(progress, context),
      ...(running && { running }),
      systemLogs: [],
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
  throw new BackendError('processes or containers of the job are still there on the worker', { retryable: true, unavailable: true });
}

function contextOf(jobName: string, report: JobReport, skewMs: number, tailBytes: number): ReportContext {
  return {
    jobName,
    bootedAt: bootedAt(report, skewMs),
    tailOf: async (stream) => tailOf(report, stream.replace(/^streams\//, ''), tailBytes),
  };
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

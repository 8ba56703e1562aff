import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import type { Observation } from '../../task/observation';
import type { Handle } from '../../task/task-record';
import { isMissing } from '../shared/workspace-errors';
import { readFacts } from '../shared/job-facts';
import type { JobFacts } from '../shared/job-facts';
import { breachesOf, brokenDetail, MOST_DETAIL_BYTES, systemErrorOf } from '../shared/job-faults';
import { parseProgress, parseStarted } from '../shared/job-progress';
import type { JobProgress } from '../shared/job-progress';
import { ENDING_PHASES, executorRecords, runningPart, hintsOf } from '../shared/job-report';
import type { ReportContext } from '../shared/job-report';
import type { Layout } from '../shared/layout';
import { readTail } from '../shared/log-tail';
import { existsNow, readTextOrNothing } from '../shared/small-files';
import type { JobCgroups } from './cgroups';
import type { JobDirectories } from './job-directories';
import type { LocalClient } from './local.client';
import type { ProcessTable } from './process-table';
import { runtimeOf } from '../shared/runtimes/runtimes';

/** A script that was started has this long to say so before it counts as never started. */
const START_GRACE_MS = 10_000;
/** Exit code of what the kernel or an engine has killed. */
const KILLED = 137;

export interface ObserverParts {
  readonly client: LocalClient;
  readonly directories: JobDirectories;
  readonly processes: ProcessTable;
  readonly cgroups: JobCgroups;
  /** A result says which id each image name had. */
  readonly learnImages: (progress: JobProgress, facts: JobFacts) => void;
  /** Confirms that nothing of the job is left; called for a script that died without a result. */
  readonly fence: (jobName: string, handle: Handle, signal: AbortSignal) => Promise<void>;
}

interface LocalContext extends ReportContext {
  readonly layout: Layout;
}

/** Reads what the script left behind. A few small files for each job; nothing is asked of an engine unless a script has died. */
export class JobObserver {
  constructor(private readonly parts: ObserverParts) {}

  async observe(jobName: string, handle: Handle, tailBytes: number, signal: AbortSignal): Promise<Observation> {
    const layout = this.parts.directories.workspace(jobName);
    const context = await this.context(jobName, layout, tailBytes);
    const done = await this.finished(context, readTextOrNothing(layout.result));
    if (done) return done;
    if (this.parts.client.isChild(jobName) || (await this.isScriptAlive(layout))) return this.underway(context);
    // The result may have come between the first look and the end of the script.
    const late = await this.finished(context, readTextOrNothing(layout.result));
    if (late) return late;
    await this.parts.fence(jobName, handle, signal);
    return this.lost(context);
  }

  /** What is known of a job that has been ended by force. */
  async remains(jobName: string, tailBytes: number): Promise<Observation | undefined> {
    const layout = this.parts.directories.workspace(jobName);
    if (!existsNow(layout.progress) && !existsNow(layout.result)) return undefined;
    const context = await this.context(jobName, layout, tailBytes);
    return (await this.finished(context, readTextOrNothing(layout.result))) ?? this.lost(context);
  }

  private async isScriptAlive(layout: Layout): Promise<boolean> {
    const text = readTextOrNothing(layout.started);
    const identity = text === undefined ? undefined : parseStarted(text);
    if (identity) return this.parts.processes.isAlive(identity);
    try {
      return Date.now() - (await fs.stat(layout.plan)).mtimeMs < START_GRACE_MS;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  private async finished(context: LocalContext, text: string | undefined): Promise<Observation | undefined> {
    if (text === undefined) return undefined;
    const progress = parseProgress(text);
    if (!progress.ending || !(await this.isTrustworthy(progress, context.layout))) return undefined;
    const facts = readFacts(context.layout);
    if (!facts) return undefined;
    this.parts.learnImages(progress, facts);
    const executors = await executorRecords(progress, context);
    const timedOut = existsNow(join(context.layout.directory, 'timeout'));
    const { directory } = context.layout;
    const detail = await brokenDetail(
      progress,
      directory,
      async (stream) => (await readTail(join(directory, stream), MOST_DETAIL_BYTES))?.text,
    );
    const events = this.parts.cgroups.events(context.jobName);
    const systemError = systemErrorOf(progress, facts, detail, events.memoryKills);
    return {
      jobName: context.jobName,
      phase: ENDING_PHASES[progress.ending],
      executors,
      systemLogs: [...facts.systemLogs, ...hintsOf(progress, facts), ...this.breaches(progress, facts, context, timedOut)],
      ...(systemError && { systemError }),
    };
  }

  /** A result from before a restart of the machine counts only if everything beside it was on disk too. */
  private async isTrustworthy(progress: JobProgress, layout: Layout): Promise<boolean> {
    if (progress.synced) return true;
    const text = readTextOrNothing(layout.started);
    return text !== undefined && parseStarted(text)?.bootId === (await this.parts.processes.bootId());
  }

  private breaches(progress: JobProgress, facts: JobFacts, context: LocalContext, timedOut: boolean): readonly string[] {
    const events = this.parts.cgroups.events(context.jobName);
    const killed = progress.executors.some((executor) => executor?.exitCode === KILLED);
    const refused = killed && runtimeOf(facts.runtime)?.engine?.memoryGroup ? this.parts.cgroups.parentRefusals(context.jobName) : 0;
    return breachesOf(progress, facts, { ...events, memoryKills: events.memoryKills + refused, timedOut });
  }

  private async underway(context: LocalContext): Promise<Observation> {
    const progress = parseProgress(readTextOrNothing(context.layout.progress) ?? '');
    const running = await runningPart(progress, context);
    return {
      jobName: context.jobName,
      phase: progress.executors.length === 0 ? 'pending' : 'running',
      executors: await executorRecords(progress, context),
      ...(running && { running }),
      systemLogs: [],
    };
  }

  private async lost(context: LocalContext): Promise<Observation> {
    const { progress, result } = context.layout;
    const parsed = parseProgress(readTextOrNothing(result) ?? readTextOrNothing(progress) ?? '');
    return {
      jobName: context.jobName,
      phase: 'lost',
      executors: await executorRecords(parsed, context),
      systemLogs: ['the job was gone without a result: its process had been killed, or the machine was restarted'],
    };
  }

  private async context(jobName: string, layout: Layout, tailBytes: number): Promise<LocalContext> {
    const bootedAt = Date.now() - (await this.parts.processes.uptimeSeconds()) * 1000;
    return { jobName, layout, bootedAt, tailOf: (stream) => readTail(join(layout.directory, stream), tailBytes) };
  }
}

import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import type { Observation } from '../../task/observation';
import type { Handle } from '../../task/task-record';
import { isMissing } from '../shared/workspace-errors';
import { type JobFacts, readFacts } from '../shared/job-facts';
import { type JobProgress, parseProgress, parseStarted } from '../shared/job-progress';
import { finishedObservation, type JobAccount, lostObservation, underwayObservation } from '../shared/job-report';
import type { Layout } from '../shared/layout';
import { readTail } from '../shared/log-tail';
import { existsNow, readTextOrNothing } from '../shared/small-files';
import type { JobDirectories } from './job-directories';
import type { LocalClient } from './local.client';
import type { ProcessTable } from './process-table';

/** A script that was started has this long to say so before it counts as never started. */
const START_GRACE_MS = 10_000;

export interface ObserverParts {
  readonly client: LocalClient;
  readonly directories: JobDirectories;
  readonly processes: ProcessTable;
  /** A result says which id each image name had. */
  readonly learnImages: (progress: JobProgress, facts: JobFacts) => void;
  /** Confirms that nothing of the job is left; called for a script that died without a result. */
  readonly fence: (jobName: string, handle: Handle, signal: AbortSignal) => Promise<void>;
}

/** Reads what the script left behind. A few small files for each job; nothing is asked of an engine unless a script has died. */
export class JobObserver {
  constructor(private readonly parts: ObserverParts) {}

  async observe(jobName: string, handle: Handle, tailBytes: number, signal: AbortSignal): Promise<Observation> {
    const layout = this.parts.directories.workspace(jobName);
    const done = await this.finished(jobName, layout, tailBytes);
    if (done) return done;
    if (this.parts.client.isChild(jobName) || (await this.isScriptAlive(layout)))
      return underwayObservation(await this.account(jobName, layout, readTextOrNothing(layout.progress)), tailBytes);
    // The result may have come between the first look and the end of the script.
    const late = await this.finished(jobName, layout, tailBytes);
    if (late) return late;
    await this.parts.fence(jobName, handle, signal);
    return this.lost(jobName, layout, tailBytes);
  }

  /** What is known of a job that has been ended by force. */
  async remains(jobName: string, tailBytes: number): Promise<Observation | undefined> {
    const layout = this.parts.directories.workspace(jobName);
    if (!existsNow(layout.progress) && !existsNow(layout.result)) return undefined;
    return (await this.finished(jobName, layout, tailBytes)) ?? this.lost(jobName, layout, tailBytes);
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

  private async finished(jobName: string, layout: Layout, tailBytes: number): Promise<Observation | undefined> {
    const text = readTextOrNothing(layout.result);
    if (text === undefined) return undefined;
    const account = await this.account(jobName, layout, text);
    const { progress } = account;
    if (!progress.ending || !(await this.isTrustworthy(progress, layout))) return undefined;
    const facts = readFacts(layout);
    if (!facts) return undefined;
    this.parts.learnImages(progress, facts);
    return finishedObservation(account, facts, tailBytes);
  }

  /** A result from before a restart of the machine counts only if everything beside it was on disk too. */
  private async isTrustworthy(progress: JobProgress, layout: Layout): Promise<boolean> {
    if (progress.synced) return true;
    const text = readTextOrNothing(layout.started);
    return text !== undefined && parseStarted(text)?.bootId === (await this.parts.processes.bootId());
  }

  private async lost(jobName: string, layout: Layout, tailBytes: number): Promise<Observation> {
    const text = readTextOrNothing(layout.result) ?? readTextOrNothing(layout.progress);
    return lostObservation(await this.account(jobName, layout, text), tailBytes, 'machine');
  }

  private async account(jobName: string, { directory }: Layout, text = ''): Promise<JobAccount> {
    return {
      jobName,
      progress: parseProgress(text),
      bootedAt: Date.now() - (await this.parts.processes.uptimeSeconds()) * 1000,
      directory,
      tailOf: (stream, bytes) => readTail(join(directory, stream), bytes),
    };
  }
}

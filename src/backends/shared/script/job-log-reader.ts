import type { LogChunk } from '../../../ports/execution-backend';
import { isOver } from '../job-progress';
import { streamName } from '../layout';
import type { ScriptObserver } from './script-observer';
import type { ScriptHost } from './script-host';

/** Parts of an executor's stream: from the end that the report holds, where it reaches back far enough; else from the file, which some hosts give only from its beginning. */
export class JobLogReader {
  constructor(
    private readonly host: ScriptHost,
    private readonly observer: ScriptObserver,
  ) {}

  async read(
    jobName: string,
    executor: number,
    stream: 'stdout' | 'stderr',
    offset: number,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<LogChunk | undefined> {
    const view = await this.observer.view(jobName, signal);
    if (view.kind !== 'report') return undefined;
    const { progress, tails } = view.report;
    if (progress.executors[executor] === undefined) return undefined;
    // As told before the bytes are read: what is written after it ended cannot be missed.
    const over = isOver(progress, executor);
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
}

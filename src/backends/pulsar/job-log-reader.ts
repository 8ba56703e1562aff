import type { LogChunk } from '../../ports/execution-backend';
import { isOver } from '../shared/job-progress';
import { streamName } from '../shared/layout';
import type { PulsarObserver } from './pulsar-observer';
import type { PulsarClient } from './pulsar-client';
import { WORKSPACE } from './pulsar.manifest';

/** Parts of an executor's stream: from the end that the report holds, where it reaches back far enough; else from the file, which the server gives only from its beginning. */
export class JobLogReader {
  constructor(
    private readonly client: PulsarClient,
    private readonly observer: PulsarObserver,
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
    const bytes = await this.client.part(jobName, `${WORKSPACE}/${streamName(executor, stream)}`, offset, maxBytes, signal);
    return { bytes, ended: over && offset + bytes.length >= totalBytes };
  }
}

import type { QueueQuery } from '../../ports/task-store';
import type { TaskRecord } from '../../task/task-record';
import { QUEUED_CODE } from './codes';
import { decodeRecord, type RecordRow } from './record-codec';
import { row, rows, type Statements } from './statements';

/** Entries of the queue's index read at a time. */
const CHUNK = 256;

/** What waits for a backend, oldest first, read from one covering index: tasks that are passed over cost no more than its entries. */
export class TaskQueue {
  constructor(private readonly statements: Statements) {}

  head(query: QueueQuery, now: number): TaskRecord[] {
    const open = new Set(query.backendsOpen);
    const cpu = query.fits?.cpuCores ?? Infinity;
    const ram = query.fits?.ramGb ?? Infinity;
    const found: TaskRecord[] = [];
    if (query.fits?.slots !== undefined && query.fits.slots <= 0) return found;
    for (let after = 0; found.length < query.limit;) {
      const chunk = rows<[number, string | null]>(this.statements.queueHead, after, now, cpu, ram, CHUNK);
      for (const [seq, backend] of chunk) {
        after = seq;
        const task = backend === null || open.has(backend) ? this.at(seq) : undefined;
        if (task !== undefined && found.push(task) >= query.limit) break;
      }
      if (chunk.length < CHUNK) break;
    }
    return found;
  }

  outlook(now: number): { readonly oldest?: TaskRecord; readonly nextNotBefore?: number; readonly length: number } {
    const seq = row<[number]>(this.statements.oldestQueued)?.[0];
    const oldest = seq === undefined ? undefined : this.at(seq);
    const nextNotBefore = row<[number | null]>(this.statements.nextNotBefore, now)?.[0] ?? undefined;
    return {
      ...(oldest !== undefined && { oldest }),
      ...(nextNotBefore !== undefined && { nextNotBefore }),
      length: row<[number]>(this.statements.stateCount, QUEUED_CODE)?.[0] ?? 0,
    };
  }

  private at(seq: number): TaskRecord | undefined {
    const record = row<RecordRow>(this.statements.recordAt, seq);
    return record === undefined ? undefined : decodeRecord(record);
  }
}

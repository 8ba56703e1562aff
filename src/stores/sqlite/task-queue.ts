import { setImmediate } from 'node:timers/promises';
import type { QueueClass, QueuedTask, QueueQuery, SizeRange } from '../../ports/store/task-queue';
import { SIZE_NAMES } from '../../task/amounts';
import type { TaskRecord } from '../../task/task-record';
import { QUEUED_CODE } from './codes';
import { decodeRecord, type RecordRow } from './record-codec';
import { row, rows, type Statements } from './statements';

/** Entries of the queue's index read at a time; then the event loop is given back. */
const CHUNK = 4096;
/** Pauses ended in one transaction. */
const PAUSES = 500;
/** Digits of the largest safe integer: places are compared as text. */
const DIGITS = 16;

/** Sizes in the order of `SIZE_NAMES`. */
type Entry = [seq: number, ...sizes: number[]];

/** What waits for a backend, by class, read from one covering index: tasks that are passed over cost no more than its entries. */
export class TaskQueue {
  constructor(private readonly statements: Statements) {}

  classes(): QueueClass[] {
    const found = rows<[string, number, number, number]>(this.statements.queueClasses);
    return found.map(([key, waiting, seq, since]) => ({ key, waiting, place: placeOf(seq), since }));
  }

  /** True while pauses are over that nobody has ended. */
  hasEndedPauses(now: number): boolean {
    return row(this.statements.pausesOver, now, 1) !== undefined;
  }

  /** Inside a transaction: some of them. */
  endPauses(now: number): void {
    for (const [seq] of rows<[number]>(this.statements.pausesOver, now, PAUSES)) this.statements.endPause.run(seq);
  }

  async head({ queueClass, limit, after, fits }: QueueQuery): Promise<QueuedTask[]> {
    const found: QueuedTask[] = [];
    if (fits?.length === 0) return found;
    // The largest of each first, by SQLite; then whether they go together.
    const largest = SIZE_NAMES.map((name) => Math.max(...(fits ?? [{}]).map((range: SizeRange) => range[name] ?? Number.MAX_VALUE)));
    for (let from: number | undefined = Number(after ?? 0); from !== undefined;) {
      for (const entry of this.statements.queueHead.iterate(queueClass, from, CHUNK, ...largest)) {
        const [seq, ...sizes] = entry as unknown as Entry;
        if (fits?.some((range) => isIn(range, sizes)) === false) continue;
        const task = this.at(seq);
        if (task !== undefined && found.push({ task, place: placeOf(seq) }) >= limit) return found;
      }
      from = row<[number]>(this.statements.queueSkip, queueClass, from, CHUNK - 1)?.[0];
      if (from !== undefined) await setImmediate();
    }
    return found;
  }

  outlook(): { readonly since?: number; readonly nextNotBefore?: number; readonly length: number } {
    const since = row<[number | null]>(this.statements.longestQueued)?.[0] ?? undefined;
    const nextNotBefore = row<[number | null]>(this.statements.nextNotBefore)?.[0] ?? undefined;
    return {
      ...(since !== undefined && { since }),
      ...(nextNotBefore !== undefined && { nextNotBefore }),
      length: row<[number]>(this.statements.stateCount, QUEUED_CODE)?.[0] ?? 0,
    };
  }

  queuedBefore(time: number, limit: number): TaskRecord[] {
    return rows<[number]>(this.statements.queuedBefore, time, limit).flatMap(([seq]) => this.at(seq) ?? []);
  }

  private at(seq: number): TaskRecord | undefined {
    const record = row<RecordRow>(this.statements.recordAt, seq);
    return record === undefined ? undefined : decodeRecord(record);
  }
}

function isIn({ above = {}, ...most }: SizeRange, sizes: readonly number[]): boolean {
  return SIZE_NAMES.every((name, index) => {
    const size = sizes[index] ?? 0;
    return size <= (most[name] ?? Infinity) && size > (above[name] ?? -1);
  });
}

function placeOf(seq: number): string {
  return String(seq).padStart(DIGITS, '0');
}

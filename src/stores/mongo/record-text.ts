import { gunzipSync, gzipSync } from 'node:zlib';
import { mongo } from 'mongoose';
import { StoreError } from '../../ports/errors';
import type { AttemptRecord, ExecutorRecord, LogTail, TaskRecord } from '../../task/task-record';

/** A record's text is packed beyond this, bytes. */
const PLAIN_BYTES = 2 ** 20;
/** And so long it may be at most, packed: below the 16 MiB of a document, with room for what else is in it. */
const MOST_BYTES = 12 * 2 ** 20;

export interface RecordText {
  readonly record: string | mongo.Binary;
  /** Unpacked. */
  readonly recordBytes: number;
}

/** `undefined` when no document can hold it. */
export function packRecord(text: string, mostBytes = MOST_BYTES): RecordText | undefined {
  const recordBytes = Buffer.byteLength(text);
  if (recordBytes <= Math.min(PLAIN_BYTES, mostBytes)) return { record: text, recordBytes };
  const packed = gzipSync(text, { level: 1 });
  return packed.byteLength > mostBytes ? undefined : { record: new mongo.Binary(packed), recordBytes };
}

export function unpackRecord(record: string | mongo.Binary): string {
  return typeof record === 'string' ? record : gunzipSync(record.buffer).toString();
}

const CUT = 'the end of its output was left out: the task had become too large for the task store';

/**
 * A record that fits: its oldest executors' outputs go first, each with a line in its attempt's system logs. Everything else stays. Throws a
 * `StoreError` that ends the task where that is not enough: no other attempt would make less of it.
 */
export function fitRecord(task: TaskRecord, encode: (task: TaskRecord) => string, mostBytes = MOST_BYTES): RecordText {
  const outputs = task.attempts.reduce((sum, { executors }) => sum + executors.length, 0);
  for (let cut = 0; ; cut = Math.min(outputs, Math.max(1, cut * 2))) {
    const packed = packRecord(encode(cut === 0 ? task : withoutOldest(task, cut)), mostBytes);
    if (packed !== undefined) return packed;
    if (cut === outputs) {
      throw new StoreError(`the task's list of outputs and system logs is too large for the task store (${mostBytes >> 20} MiB packed)`, {
        retryable: false,
        internal: `the record of task ${task.id} is too large for a document`,
      });
    }
  }
}

function withoutOldest(task: TaskRecord, count: number): TaskRecord {
  let left = count;
  const attempts = task.attempts.map((attempt): AttemptRecord => {
    const from = left;
    const executors = attempt.executors.map((executor) => (left > 0 && left-- > 0 ? withoutTails(executor) : executor));
    const lines = Array.from({ length: Math.min(from, attempt.executors.length) }, (_, index) => `executor ${index}: ${CUT}`);
    return lines.length === 0 ? attempt : { ...attempt, executors, systemLogs: [...attempt.systemLogs, ...lines] };
  });
  return { ...task, attempts };
}

function withoutTails({ stdout, stderr, ...rest }: ExecutorRecord): ExecutorRecord {
  const emptied = (tail: LogTail): LogTail => ({ ...tail, text: '' });
  return { ...rest, ...(stdout !== undefined && { stdout: emptied(stdout) }), ...(stderr !== undefined && { stderr: emptied(stderr) }) };
}

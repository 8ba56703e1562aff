import type { Observation } from './observation';
import { addLines } from './system-logs';
import type { AttemptRecord, TaskOverlay, TaskRecord } from './task-record';
import type { FoundTypes } from './tes';

/** What is written into the record of an attempt: what was seen of it, lines for its log, its end. */

/** Something that a reader of the task could see differs, or its trouble is over. What an ended executor left never changes again. */
export function isNews(before: TaskRecord, after: TaskRecord): boolean {
  return before.trouble !== undefined || JSON.stringify(visible(before)) !== JSON.stringify(visible(after));
}

function visible({ attempts, overlay, jobEnded }: TaskRecord): unknown {
  const { executors, ...last } = attempts.at(-1) ?? { executors: [] };
  return [{ ...last, executors: executors.map(({ exitCode, startedAt, endedAt }) => [exitCode, startedAt, endedAt]) }, overlay, jobEnded];
}

const ENDED_PHASES: ReadonlySet<string> = new Set(['succeeded', 'failed', 'preempted', 'lost']);

/** Adds what was observed to the current attempt. Executors that ended never disappear again, whatever a late observation says. */
export function merge(task: TaskRecord, observation: Observation | undefined): TaskRecord {
  if (!observation) return task;
  const next = withAttempt(task, (attempt) => ({
    ...attempt,
    executors: observation.executors.length >= attempt.executors.length ? observation.executors : attempt.executors,
    outputs: observation.outputs ?? attempt.outputs,
    systemLogs: addLines(attempt.systemLogs, newLines(attempt.systemLogs, observation.systemLogs)),
    metadata: observation.metadata ? { ...attempt.metadata, ...observation.metadata } : attempt.metadata,
  }));
  const overlay = overlayTypes(next.overlay, observation.inputTypes, observation.outputTypes);
  return { ...next, overlay, ...(ENDED_PHASES.has(observation.phase) && { jobEnded: true }) };
}

/** A backend says all it knows each time. */
function newLines(known: readonly string[], lines: readonly string[]): readonly string[] {
  const before = new Set(known);
  return lines.filter((line) => !before.has(line));
}

export function withAttempt(task: TaskRecord, change: (attempt: AttemptRecord) => AttemptRecord): TaskRecord {
  const last = task.attempts.at(-1);
  return last ? { ...task, attempts: [...task.attempts.slice(0, -1), change(last)] } : task;
}

export function withAttemptLine(task: TaskRecord, line: string): TaskRecord {
  return withAttempt(task, (attempt) => ({ ...attempt, systemLogs: addLines(attempt.systemLogs, [line]) }));
}

/** The line that ends a waiting task: after those of its last attempt, if it had one. */
export function withLastLine(task: TaskRecord, line: string): TaskRecord {
  return task.attempts.length > 0 ? withAttemptLine(task, line) : { ...task, systemLogs: addLines(task.systemLogs, [line]) };
}

export function endAttempt(task: TaskRecord, now: number, reason: string | undefined): TaskRecord {
  return withAttempt(task, (attempt) => ({
    ...attempt,
    endedAt: attempt.endedAt ?? now,
    systemLogs: addLines(attempt.systemLogs, reason === undefined ? [] : [reason]),
  }));
}

export function overlayTypes(overlay: TaskOverlay, inputTypes: FoundTypes | undefined, outputTypes: FoundTypes | undefined): TaskOverlay {
  return {
    ...overlay,
    ...(inputTypes && Object.keys(inputTypes).length > 0 && { inputTypes }),
    ...(outputTypes && Object.keys(outputTypes).length > 0 && { outputTypes }),
  };
}

import { InvalidRequest, InvalidTask } from '../ports/errors';
import type { StoredTask } from '../ports/store/task-records';
import { COUNT, FLAG, list, map, must, NUMBER, object, oneOf, optional, Shape, TEXT } from '../shape/shape';
import { isObject } from '../task/plain-object';
import type { Problem } from '../task/problem';
import type { Size } from '../task/amounts';
import {
  type AttemptRecord,
  type ExecutorRecord,
  type Handle,
  type LeftJob,
  type LogTail,
  type OutputFile,
  type StorageWait,
  TASK_STEPS,
  type TaskNeeds,
  type TaskOverlay,
  type TaskRecord,
} from '../task/task-record';
import { STEPS_OF_STATE } from '../task/task-state';
import { TES_FILE_TYPES, TES_STATES } from '../task/tes';

/**
 * Tasks as text, one a line, oldest first: a line that says what this is, a line for each task, a line that says how many there were. The
 * same tasks give the same bytes whatever store they are in: what belongs to a store or a process (lease, `dueAt`) is not written.
 */
const FORMAT = 'tes-gateway tasks';
const VERSION = 1;

/** `all`: nothing else had the store open. `finished`: only tasks that have ended and of which nothing is left to clean up. */
export type ExportScope = 'all' | 'finished';

export function headerLine(scope: ExportScope): string {
  return JSON.stringify({ format: FORMAT, version: VERSION, scope });
}
export function taskLine({ task, requestJson }: StoredTask): string {
  const { lease: _lease, dueAt: _dueAt, ...kept } = task;
  const inOrder = Object.entries(kept).sort(([first], [second]) => (first < second ? -1 : 1));
  return JSON.stringify({ task: Object.fromEntries(inOrder), request: requestJson });
}
export function endLine(tasks: number): string {
  return JSON.stringify({ end: tasks });
}

/** Throws `InvalidRequest` for what is no export, or of a newer program. */
export function parseHeader(text: string): ExportScope {
  const header = parsed(text);
  if (!isObject(header) || header['format'] !== FORMAT) throw new InvalidRequest('this is no export of tasks');
  const { version, scope } = header;
  if (typeof version !== 'number' || version > VERSION) {
    throw new InvalidRequest(`the export is of a newer version of this program (format ${String(version)}, this one knows ${VERSION})`);
  }
  if (scope !== 'all' && scope !== 'finished') throw new InvalidRequest('the export does not say which tasks it holds');
  return scope;
}

/** A task, or how many there were. Throws `InvalidTask` with what is wrong with the line. */
export function parseLine(text: string): StoredTask | number {
  const line = parsed(text);
  if (isObject(line) && typeof line['end'] === 'number') return line['end'];
  if (!isObject(line)) throw new InvalidTask('it is no task');
  const { task, request } = line;
  const problems: Problem[] = [];
  LINE.collect(line, '$', problems);
  const [first] = problems;
  if (first) throw new InvalidTask(`${first.path} ${first.message}`);
  const record = task as TaskRecord;
  if (!STEPS_OF_STATE[record.state].includes(record.step)) throw new InvalidTask(`a task cannot be ${record.state} in step ${record.step}`);
  const document = parsed(request as string);
  if (!isObject(document) || !Array.isArray(document['executors'])) throw new InvalidTask('request is no task document');
  return { task: record, requestJson: request as string };
}

/** What belongs to a store or a process is not written. */
type Kept = Omit<TaskRecord, 'lease' | 'dueAt'>;

/** What earlier versions wrote, and nobody reads. */
type Former = { readonly schemes?: readonly string[]; readonly preemptible?: boolean };

const TAIL = object<LogTail>({ text: TEXT, totalBytes: COUNT, unplaced: optional(FLAG) });
const EXECUTOR = object<ExecutorRecord>({
  exitCode: NUMBER,
  startedAt: optional(NUMBER),
  endedAt: optional(NUMBER),
  stdout: optional(TAIL),
  stderr: optional(TAIL),
});
const ATTEMPT = object<AttemptRecord>({
  attempt: COUNT,
  backend: TEXT,
  startedAt: NUMBER,
  endedAt: optional(NUMBER),
  executors: list(EXECUTOR),
  outputs: list(object<OutputFile>({ url: TEXT, path: TEXT, sizeBytes: COUNT })),
  systemLogs: list(TEXT),
  metadata: map(TEXT),
});
const HANDLE = object<Handle>({ backend: TEXT, version: COUNT, step: TEXT, data: map(TEXT) });
const SCOPE = must('a scope', (value) => typeof value === 'string' && /^(owner|group) /.test(value));
const NEEDS = object<TaskNeeds & Former>({
  cpuCores: NUMBER,
  ramGb: NUMBER,
  diskGb: optional(NUMBER),
  gpus: optional(NUMBER),
  backend: optional(TEXT),
  folders: optional(list(TEXT)),
  reaches: optional(map(FLAG)),
  labels: optional(map(TEXT)),
  refusedBy: optional(list(TEXT)),
  admittedBy: optional(TEXT),
  limitedBy: optional(list(SCOPE)),
  parameterKeys: list(TEXT),
  strict: FLAG,
  maxRuntimeSeconds: NUMBER,
  maxTransferSeconds: optional(NUMBER),
  hasInputs: FLAG,
  hasOutputs: FLAG,
  executorCount: COUNT,
  schemes: optional(list(TEXT)),
  preemptible: optional(FLAG),
});
const TYPES = optional(map(oneOf(TES_FILE_TYPES)));

const TASK = object<Kept>({
  id: must('an id of letters, digits, - and _', (value) => typeof value === 'string' && /^[\w-]{1,64}$/.test(value)),
  owner: TEXT,
  ownerName: optional(TEXT),
  groups: optional(list(TEXT)),
  name: optional(TEXT),
  tags: map(TEXT),
  createdAt: NUMBER,
  state: oneOf(TES_STATES),
  step: oneOf(TASK_STEPS),
  revision: COUNT,
  attempt: COUNT,
  backend: optional(TEXT),
  boundTo: optional(TEXT),
  handle: optional(HANDLE),
  jobAttempt: optional(COUNT),
  leftBehind: optional(list(object<LeftJob>({ backend: TEXT, attempt: COUNT, handle: optional(HANDLE) }))),
  jobEnded: FLAG,
  outcome: optional(oneOf(['succeeded', 'failed'])),
  queuedAt: optional(NUMBER),
  notBefore: optional(NUMBER),
  given: optional(object<Size>({ cpuCores: NUMBER, ramGb: NUMBER, diskGb: optional(NUMBER), gpus: optional(NUMBER) })),
  trouble: optional(object<NonNullable<Kept['trouble']>>({ count: COUNT, since: NUMBER, reason: TEXT })),
  storageWait: optional(
    object<StorageWait>({ of: oneOf(['inputs', 'outputs', 'workspace']), since: NUMBER, count: COUNT, reason: TEXT, pauseMs: NUMBER }),
  ),
  waitedAttempts: optional(COUNT),
  keptUntil: optional(NUMBER),
  keptBytes: optional(COUNT),
  needs: NEEDS,
  attempts: list(ATTEMPT),
  systemLogs: list(TEXT),
  overlay: object<TaskOverlay>({ inputTypes: TYPES, outputTypes: TYPES, droppedParameters: optional(list(TEXT)) }),
  endedAt: optional(NUMBER),
});
const LINE = new Shape({ task: TASK, request: TEXT }, false);

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    throw new InvalidTask('it is not JSON, or cut off');
  }
}

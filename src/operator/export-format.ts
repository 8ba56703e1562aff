import { InvalidRequest, InvalidTask } from '../ports/errors';
import type { StoredTask } from '../ports/store/task-records';
import { TASK_STEPS, type TaskNeeds, type TaskRecord } from '../task/task-record';
import { STEPS_OF_STATE } from '../task/task-state';
import { TES_STATES } from '../task/tes';
import { isObject } from '../task/plain-object';

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
  const fault = RECORD(task, 'task') ?? (typeof request === 'string' ? undefined : 'request is not text');
  if (fault !== undefined) throw new InvalidTask(fault);
  const record = task as TaskRecord;
  if (!STEPS_OF_STATE[record.state].includes(record.step)) throw new InvalidTask(`a task cannot be ${record.state} in step ${record.step}`);
  const document = parsed(request as string);
  if (!isObject(document) || !Array.isArray(document['executors'])) throw new InvalidTask('request is no task document');
  return { task: record, requestJson: request as string };
}

/** What is wrong with a value, with its path; `undefined` = nothing. */
type Check = (value: unknown, path: string) => string | undefined;
/** A check for each member that is always there, or may be: one that is added to the record has to be added here. */
type Always<T> = { readonly [K in keyof T as undefined extends T[K] ? never : K]: Check };
type Sometimes<T> = { readonly [K in keyof T as undefined extends T[K] ? K : never]-?: Check };
/** What belongs to a store or a process is not written. */
type Kept = Omit<TaskRecord, 'lease' | 'dueAt'>;

const when = (holds: (value: unknown) => boolean, what: string): Check => {
  return (value, path) => (holds(value) ? undefined : `${path} is not ${what}`);
};
const text = when((value) => typeof value === 'string', 'text');
const flag = when((value) => typeof value === 'boolean', 'true or false');
const number = when((value) => Number.isFinite(value), 'a number');
const count = when((value) => Number.isSafeInteger(value) && Number(value) >= 0, 'a whole number');
const oneOf = (values: readonly string[]): Check => when((value) => values.includes(value as string), `one of ${values.join(', ')}`);
const list = (item: Check): Check => {
  return (value, path) =>
    Array.isArray(value) ? firstOf(value.map((each, index) => item(each, `${path}[${index}]`))) : `${path} is no list`;
};
const map = (item: Check): Check => {
  return (value, path) =>
    isObject(value) ? firstOf(Object.entries(value).map(([key, each]) => item(each, `${path}.${key}`))) : `${path} is no object`;
};
const members = (required: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>> = {}): Check => {
  const known: ReadonlyMap<string, Check> = new Map([...Object.entries(required), ...Object.entries(optional)]);
  return (value, path) => {
    if (!isObject(value)) return `${path} is no object`;
    const missing = Object.keys(required).find((key) => !Object.hasOwn(value, key));
    if (missing !== undefined) return `${path}.${missing} is missing`;
    return firstOf(Object.entries(value).map(([key, each]) => known.get(key)?.(each, `${path}.${key}`) ?? unknown(known, key, path)));
  };
};
const unknown = (known: ReadonlyMap<string, Check>, key: string, path: string): string | undefined =>
  known.has(key) ? undefined : `${path}.${key} is not known`;

const tail = members({ text, totalBytes: count }, { unplaced: flag });
const attempt = members(
  {
    attempt: count,
    backend: text,
    startedAt: number,
    executors: list(members({ exitCode: number }, { startedAt: number, endedAt: number, stdout: tail, stderr: tail })),
    outputs: list(members({ url: text, path: text, sizeBytes: count })),
    systemLogs: list(text),
    metadata: map(text),
  },
  { endedAt: number },
);
const handle = members({ backend: text, version: count, step: text, data: map(text) });
const needs = members(
  {
    cpuCores: number,
    ramGb: number,
    parameterKeys: list(text),
    strict: flag,
    maxRuntimeSeconds: number,
    hasInputs: flag,
    hasOutputs: flag,
    executorCount: count,
  } satisfies Always<TaskNeeds>,
  {
    ...({
      maxTransferSeconds: number,
      backend: text,
      folders: list(text),
      labels: map(text),
      refusedBy: list(text),
      admittedBy: text,
      reaches: map(flag),
    } satisfies Sometimes<TaskNeeds>),
    // Written by earlier versions and read by nobody.
    ...{ schemes: list(text), preemptible: flag, diskGb: number },
  },
);
const types = map(oneOf(['FILE', 'DIRECTORY']));

const RECORD = members(
  {
    id: when((value) => typeof value === 'string' && /^[\w-]{1,64}$/.test(value), 'an id'),
    owner: text,
    tags: map(text),
    createdAt: number,
    state: oneOf(TES_STATES),
    step: oneOf(TASK_STEPS),
    revision: count,
    attempt: count,
    jobEnded: flag,
    needs,
    attempts: list(attempt),
    systemLogs: list(text),
    overlay: members({}, { inputTypes: types, outputTypes: types, droppedParameters: list(text) }),
  } satisfies Always<Kept>,
  {
    name: text,
    backend: text,
    boundTo: text,
    handle,
    jobAttempt: count,
    leftBehind: list(members({ backend: text, attempt: count }, { handle })),
    outcome: oneOf(['succeeded', 'failed']),
    queuedAt: number,
    notBefore: number,
    given: members({ cpuCores: number, ramGb: number }),
    trouble: members({ count, since: number, reason: text }),
    storageWait: members({ of: oneOf(['inputs', 'outputs']), since: number, count, reason: text, pauseMs: number }),
    waitedAttempts: count,
    keptUntil: number,
    keptBytes: count,
    endedAt: number,
  } satisfies Sometimes<Kept>,
);

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    throw new InvalidTask('it is not JSON, or cut off');
  }
}

function firstOf(faults: readonly (string | undefined)[]): string | undefined {
  return faults.find((fault) => fault !== undefined);
}

import type { AttemptRecord, ExecutorRecord, LogTail, TaskOverlay, TaskRecord } from './task-record';
import { withoutParameters } from './backend-parameters';
import { TES_STATES, type TesExecutorLog, type TesState, type TesTaskLog, type TesTaskRequest, type TesView } from './tes';
import { hasSecrets, maskSecrets } from './url';

/** States that old readers do not know may be shown as another one (settings `api.show_canceling_as`, `api.show_queued_as`). */
export interface ViewOptions {
  readonly showCancelingAs?: TesState;
  readonly showQueuedAs?: TesState;
  /** To who sees everybody's tasks: `owner` and `owner_name` in the metadata of each log. */
  readonly showOwner?: boolean;
}

export interface ViewSource {
  readonly task: TaskRecord;
  /** The normalised request exactly as `JSON.stringify` wrote it: no white space, at least one member. */
  readonly requestJson: string;
  /** Why a QUEUED task waits, one line each; shown in FULL only. */
  readonly waiting?: readonly string[];
}

/** TES tesTask in one of its views, as JSON text. No key outside TES 1.1; what is absent is left out, never `null` or `""`. */
export function renderTask(source: ViewSource, view: TesView, options: ViewOptions): string {
  const { task } = source;
  switch (view) {
    case 'MINIMAL':
      return renderMinimal(task.id, task.state, options);
    case 'BASIC':
    case 'FULL': {
      const full = view === 'FULL';
      const logs = withOwner(taskLogs(task, full ? (source.waiting ?? []) : [], full), task, options);
      return (
        `{"id":"${task.id}","state":"${shownState(task.state, options)}","creation_time":"${timestamp(task.createdAt)}",` +
        `${renderRequest(source.requestJson, task.overlay, full)}${logs.length > 0 ? `,"logs":${JSON.stringify(logs)}` : ''}}`
      );
    }
    default:
      return view satisfies never;
  }
}

/** Exactly `id` and `state` (TES `view`). Ids are the gateway's own, of letters and digits, and need no quoting. */
export function renderMinimal(id: string, state: TesState, options: ViewOptions): string {
  return `{"id":"${id}","state":"${shownState(state, options)}"}`;
}

/** tesListTasksResponse from rendered tasks. The token is `""` on the last page, because some clients test for that. */
export function renderList(items: readonly string[], nextPageToken: string): string {
  return `{"tasks":[${items.join(',')}],"next_page_token":${JSON.stringify(nextPageToken)}}`;
}

/** The state a client is shown. */
export function shownState(state: TesState, options: ViewOptions): TesState {
  if (state === 'CANCELING') return options.showCancelingAs ?? state;
  if (state === 'QUEUED') return options.showQueuedAs ?? state;
  return state;
}

/** The states whose tasks are shown in `state`: what a filter of it has to look for. None where that one is shown as another. */
export function statesShownAs(state: TesState, options: ViewOptions): readonly TesState[] {
  return TES_STATES.filter((one) => shownState(one, options) === state);
}

/**
 * The members of the request, without the braces around them. Usually this is the stored text as it is; it is parsed only
 * when something in it has to change.
 */
function renderRequest(requestJson: string, overlay: TaskOverlay, full: boolean): string {
  const spliced =
    overlay.inputTypes === undefined &&
    overlay.outputTypes === undefined &&
    overlay.droppedParameters === undefined &&
    (full || !requestJson.includes('"content":')) &&
    !mayHoldSecrets(requestJson);
  const text = spliced ? requestJson : JSON.stringify(overlaidRequest(JSON.parse(requestJson) as TesTaskRequest, overlay, full));
  return text.slice(1, -1);
}

/**
 * Whether any `url` member has to be masked. Quotes inside a JSON string are escaped, so `"url":"` only ever starts a member,
 * and the search costs next to nothing also beside megabytes of `content`.
 */
function mayHoldSecrets(requestJson: string): boolean {
  const key = '"url":"';
  for (let start = requestJson.indexOf(key); start !== -1; start = requestJson.indexOf(key, start)) {
    start += key.length;
    const text = requestJson.slice(start, requestJson.indexOf('"', start));
    // With a backslash the text is not yet the URL (an escaped quote may even have ended it early).
    if (text.includes('\\') || hasSecrets(text)) return true;
  }
  return false;
}

function overlaidRequest(request: TesTaskRequest, overlay: TaskOverlay, full: boolean): TesTaskRequest {
  const { inputs, outputs, resources } = request;
  inputs?.forEach((input, index) => {
    input.type = overlay.inputTypes?.[index] ?? input.type;
    if (input.url !== undefined) input.url = maskSecrets(input.url);
    if (!full) delete input.content;
  });
  outputs?.forEach((output, index) => {
    output.type = overlay.outputTypes?.[index] ?? output.type;
    output.url = maskSecrets(output.url);
  });
  if (resources?.backend_parameters && overlay.droppedParameters) {
    const kept = withoutParameters(resources.backend_parameters, overlay.droppedParameters);
    if (kept) resources.backend_parameters = kept;
    else delete resources.backend_parameters;
  }
  return request;
}

/** A task without a log gets one that says nothing else. */
function withOwner(logs: TesTaskLog[], { owner, ownerName = owner }: TaskRecord, { showOwner = false }: ViewOptions): TesTaskLog[] {
  if (!showOwner) return logs;
  const entries: TesTaskLog[] = logs.length > 0 ? logs : [{ logs: [], outputs: [] }];
  return entries.map((log) => ({ ...log, metadata: { ...log.metadata, owner, owner_name: ownerName } }));
}

/**
 * The attempts as TES knows them. An attempt becomes an entry when one of its executors ended or when it is the last;
 * otherwise its lines stand in the next entry's `system_logs` (Nextflow reads the first entry, others the last).
 */
function taskLogs(task: TaskRecord, waiting: readonly string[], full: boolean): TesTaskLog[] {
  const { attempts } = task;
  if (attempts.length === 0) {
    const lines = [...task.systemLogs, ...waiting];
    return lines.length === 0 ? [] : [{ logs: [], outputs: [], ...(full && { system_logs: lines.map(shownText) }) }];
  }
  const entries: TesTaskLog[] = [];
  let carried: string[] = [];
  attempts.forEach((attempt, index) => {
    const last = index === attempts.length - 1;
    if (!last && attempt.executors.length === 0) {
      carried.push(...attempt.systemLogs);
      return;
    }
    const around = last ? { before: task.systemLogs, after: waiting } : { before: [], after: [] };
    // The attempt's own lines come late: the reason of a failure has to be the last line.
    const lines = [...around.before, ...carried, ...leftOut(attempt.executors), ...attempt.systemLogs, ...around.after];
    entries.push(attemptLog(attempt, full ? lines : [], full));
    carried = [];
  });
  return entries;
}

function attemptLog(attempt: AttemptRecord, lines: readonly string[], full: boolean): TesTaskLog {
  const log: TesTaskLog = {
    logs: attempt.executors.map((executor) => executorLog(executor, full)),
    start_time: timestamp(attempt.startedAt),
    outputs: attempt.outputs.map(({ url, path, sizeBytes }) => ({
      url: maskSecrets(url),
      path: shownText(path),
      size_bytes: String(sizeBytes),
    })),
  };
  if (attempt.endedAt !== undefined) log.end_time = timestamp(attempt.endedAt);
  if (Object.keys(attempt.metadata).length > 0) log.metadata = attempt.metadata;
  if (lines.length > 0) log.system_logs = lines.map(shownText);
  return log;
}

function executorLog({ startedAt, endedAt, stdout, stderr, exitCode }: ExecutorRecord, full: boolean): TesExecutorLog {
  const log: TesExecutorLog = { exit_code: exitCode };
  if (startedAt !== undefined) log.start_time = timestamp(startedAt);
  if (endedAt !== undefined) log.end_time = timestamp(endedAt);
  if (full && stdout) log.stdout = shownText(stdout.text);
  if (full && stderr) log.stderr = shownText(stderr.text);
  return log;
}

/** One line for each stream of which only the end is kept. */
function leftOut(executors: readonly ExecutorRecord[]): string[] {
  return executors.flatMap((executor, index) =>
    (['stdout', 'stderr'] as const).flatMap((stream) => {
      const tail = executor[stream];
      return tail && isCut(tail) ? [`executor ${index}: only the end of ${stream} is kept here; it had ${tail.totalBytes} bytes`] : [];
    }),
  );
}

/** The decoded tail is never shorter than the bytes it came from, so this never claims a cut that was not made. */
function isCut(tail: LogTail): boolean {
  return tail.totalBytes > Buffer.byteLength(tail.text);
}

/** RFC 3339 in UTC, with milliseconds. */
function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Strict readers refuse JSON with lone surrogates; a text cut in the middle of a character may hold one. */
function shownText(text: string): string {
  return text.toWellFormed();
}

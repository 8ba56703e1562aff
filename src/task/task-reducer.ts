import type { Observation } from './observation';
import { addLines } from './system-logs';
import type { TaskEvent } from './task-events';
import type { AttemptRecord, TaskOverlay, TaskRecord } from './task-record';
import { isTerminal } from './task-state';
import type { TesFileType, TesState } from './tes';

/** What the reducer may not find out by itself. */
export interface ReduceContext {
  /** Wall time, ms since the epoch: for times that clients see. */
  readonly now: number;
  /** The store's time: for `dueAt` and `notBefore`. */
  readonly storeNow: number;
  /** First and longest pause between two looks at a running job, ms. */
  readonly pollMs: { readonly first: number; readonly longest: number };
  /** The task has outputs: unless the job itself has stored them, the gateway's Stager does so, and the task is not at its end before. */
  readonly stagesOut: boolean;
  /** The sender goes on working on the task under its lease. */
  readonly keepLease: boolean;
}

export type Reduction =
  | { readonly kind: 'changed'; readonly task: TaskRecord }
  /** `terminal`: the task has ended · `stale`: the event speaks of another attempt · `state`: it has no meaning where the task is now. */
  | { readonly kind: 'ignored'; readonly why: 'terminal' | 'stale' | 'state' };

const IGNORED_TERMINAL: Reduction = { kind: 'ignored', why: 'terminal' };
const IGNORED_STALE: Reduction = { kind: 'ignored', why: 'stale' };
const IGNORED_STATE: Reduction = { kind: 'ignored', why: 'state' };

/** Members that a transition takes away; with exact optional types they are left out, never set to undefined. */
type Clearable = 'dueAt' | 'lease' | 'trouble' | 'handle' | 'backend' | 'boundTo' | 'notBefore' | 'outcome';

function without(task: TaskRecord, ...keys: readonly Clearable[]): TaskRecord {
  const copy: { -readonly [K in keyof TaskRecord]?: TaskRecord[K] } = { ...task };
  for (const key of keys) delete copy[key];
  return copy as TaskRecord;
}

/**
 * The only place that knows what an event does to a task (architecture, "Life of a task"). Pure: the same task, event and context
 * give the same answer. The revision grows by one with every change.
 */
export function reduce(task: TaskRecord, event: TaskEvent, context: ReduceContext): Reduction {
  if (event.type === 'cancelRequested') return cancelRequested(task, context);
  if (event.type === 'assigned') return assigned(task, event, context);
  if (event.type === 'abandoned') return abandoned(task, event.instance, { ...context, keepLease: false });
  if (event.attempt !== task.attempt) return IGNORED_STALE;
  switch (event.type) {
    case 'cleaned':
      return task.step === 'cleanup'
        ? changed(without({ ...task, step: 'done' }, 'dueAt', 'lease', 'trouble', 'handle'), { ...context, keepLease: true })
        : IGNORED_STATE;
    case 'deferred':
      return deferred(task, event, context);
    case 'yielded':
      return task.lease ? changed({ ...task, dueAt: context.storeNow }, { ...context, keepLease: false }) : IGNORED_STATE;
    default:
  }
  if (isTerminal(task.state)) return IGNORED_TERMINAL;
  switch (event.type) {
    case 'submitted':
      return submitted(task, event, context);
    case 'stagedIn':
      if (task.step !== 'stage-in') return IGNORED_STATE;
      return progressed(
        withAttempt({ ...task, step: 'submit', overlay: overlayTypes(task.overlay, event.inputTypes, undefined) }, (attempt) => ({
          ...attempt,
          systemLogs: addLines(attempt.systemLogs, event.systemLogs),
        })),
        context,
      );
    case 'observed':
      return observed(task, event.observation, context);
    case 'stagedOut':
      if (task.step !== 'stage-out') return IGNORED_STATE;
      return ended(
        withAttempt({ ...task, overlay: overlayTypes(task.overlay, undefined, event.outputTypes) }, (attempt) => ({
          ...attempt,
          outputs: event.outputs,
          systemLogs: addLines(attempt.systemLogs, event.systemLogs),
        })),
        task.outcome === 'failed' ? 'EXECUTOR_ERROR' : 'COMPLETE',
        context,
      );
    case 'retreated':
      if (task.state !== 'INITIALIZING' && task.state !== 'RUNNING') return IGNORED_STATE;
      return progressed(endAttempt({ ...merge(task, event.observation), step: 'retreat' }, context.now, event.reason), context);
    case 'moved':
      if (task.state !== 'INITIALIZING' && task.state !== 'RUNNING') return IGNORED_STATE;
      return loose(backInQueue(endAttempt(task, context.now, event.reason)), { ...context, keepLease: false });
    case 'retried':
      if (task.step !== 'retreat') return IGNORED_STATE;
      return changed(
        without(
          { ...task, state: 'QUEUED', step: 'queued', jobEnded: false, notBefore: context.storeNow + event.delayMs },
          'dueAt',
          'trouble',
          'handle',
          'backend',
          'boundTo',
          'outcome',
        ),
        { ...context, keepLease: false },
      );
    case 'released':
      if (task.state !== 'CANCELING') return IGNORED_STATE;
      return ended({ ...merge(task, event.observation), jobEnded: true }, 'CANCELED', context);
    case 'failed':
      if (task.state === 'CANCELING') return IGNORED_STATE;
      return failed(task, event.reason, event.observation, context);
    default: {
      const never: never = event;
      return never;
    }
  }
}

function cancelRequested(task: TaskRecord, context: ReduceContext): Reduction {
  if (isTerminal(task.state)) return IGNORED_TERMINAL;
  if (task.state === 'CANCELING') return IGNORED_STATE;
  const line = 'cancelled at the request of the client';
  if (task.state === 'QUEUED') {
    // Whatever an earlier attempt left was fenced and cleaned before the task came back to the queue: nothing runs.
    return changed(
      without({ ...withLastLine(task, line), state: 'CANCELED', step: 'done', endedAt: context.now }, 'dueAt', 'notBefore', 'trouble'),
      context,
    );
  }
  // A lease stays: its holder is told to stop and lets go, so that the fence never overlaps with work on the same job.
  return changed(without({ ...withAttemptLine(task, line), state: 'CANCELING', step: 'cancel', dueAt: context.storeNow }, 'trouble'), {
    ...context,
    keepLease: true,
  });
}

function assigned(task: TaskRecord, event: Extract<TaskEvent, { type: 'assigned' }>, context: ReduceContext): Reduction {
  if (isTerminal(task.state)) return IGNORED_TERMINAL;
  if (task.state !== 'QUEUED') return IGNORED_STATE;
  const attempt: AttemptRecord = {
    attempt: task.attempt + 1,
    backend: event.backend,
    startedAt: context.now,
    executors: [],
    outputs: [],
    systemLogs: event.warnings,
    metadata: { backend: event.backend },
  };
  const dropped = event.droppedParameters.length > 0 ? { droppedParameters: event.droppedParameters } : {};
  const { droppedParameters: _before, ...overlay } = task.overlay;
  return changed(
    {
      ...without(task, 'notBefore', 'trouble', 'handle', 'outcome', 'boundTo'),
      state: 'INITIALIZING',
      step: 'stage-in',
      attempt: attempt.attempt,
      backend: event.backend,
      ...(event.boundTo === undefined ? {} : { boundTo: event.boundTo }),
      jobEnded: false,
      attempts: [...task.attempts, attempt],
      overlay: { ...overlay, ...dropped },
      dueAt: context.storeNow,
    },
    context,
  );
}

/** Nobody can fence or clean what the instance left, and nobody has to wait for it: whatever it still had to do is given up. */
function abandoned(task: TaskRecord, instance: string, context: ReduceContext): Reduction {
  if (task.boundTo !== instance) return IGNORED_STALE;
  const reason = `gateway ${instance}, which had the job, was declared gone by an operator`;
  if (isTerminal(task.state)) return task.step === 'cleanup' ? loose({ ...task, step: 'done' }, context) : IGNORED_STATE;
  const over = endAttempt(task, context.now, reason);
  if (task.state === 'CANCELING') return loose({ ...over, state: 'CANCELED', step: 'done', endedAt: context.now }, context);
  return loose(backInQueue(over), context);
}

/** Nothing of the attempt is due any more. */
function loose(task: TaskRecord, context: ReduceContext): Reduction {
  return changed(without(task, 'dueAt', 'lease', 'trouble', 'handle'), context);
}

function backInQueue(task: TaskRecord): TaskRecord {
  return without({ ...task, state: 'QUEUED', step: 'queued', jobEnded: false }, 'backend', 'boundTo', 'outcome');
}

function submitted(task: TaskRecord, event: Extract<TaskEvent, { type: 'submitted' }>, context: ReduceContext): Reduction {
  // A cancel may have come between: the handle is kept, because the fence is surer with it. Whoever let go may have let go of another's lease.
  if (task.state === 'CANCELING') return changed({ ...task, handle: event.handle, dueAt: context.storeNow }, context);
  if (task.step !== 'stage-in' && task.step !== 'submit') return IGNORED_STATE;
  if (event.handle.step !== 'submitted') return progressed({ ...task, handle: event.handle }, context);
  return progressed({ ...task, handle: event.handle, step: 'run' }, context, context.pollMs.first);
}

function observed(task: TaskRecord, observation: Observation, context: ReduceContext): Reduction {
  if (task.state === 'CANCELING') return changed({ ...merge(task, observation), dueAt: context.storeNow }, context);
  if (task.step !== 'run') return IGNORED_STATE;
  const next = merge(task, observation);
  switch (observation.phase) {
    case 'pending':
      return progressed(next, context, pollPause(task, context));
    case 'running':
      return progressed({ ...next, state: 'RUNNING' }, context, pollPause(task, context));
    case 'succeeded':
    case 'failed': {
      // The system's own failures come as `retreated` or `failed`, by the engine's decision.
      if (observation.systemError) return IGNORED_STATE;
      const outcome = observation.phase;
      if (context.stagesOut && !observation.outputs) return progressed({ ...next, state: 'RUNNING', step: 'stage-out', outcome }, context);
      return ended({ ...next, outcome }, outcome === 'failed' ? 'EXECUTOR_ERROR' : 'COMPLETE', context);
    }
    case 'preempted':
    case 'lost':
      return IGNORED_STATE;
    default: {
      const never: never = observation.phase;
      return never;
    }
  }
}

function failed(task: TaskRecord, reason: string, observation: Observation | undefined, context: ReduceContext): Reduction {
  if (task.state === 'QUEUED') {
    return changed(
      without({ ...withLastLine(task, reason), state: 'SYSTEM_ERROR', step: 'done', endedAt: context.now }, 'dueAt', 'notBefore'),
      context,
    );
  }
  return ended(withAttemptLine(merge(task, observation), reason), 'SYSTEM_ERROR', context);
}

function deferred(task: TaskRecord, event: Extract<TaskEvent, { type: 'deferred' }>, context: ReduceContext): Reduction {
  if (task.step === 'done' || task.step === 'queued') return IGNORED_STATE;
  const trouble = { count: (task.trouble?.count ?? 0) + 1, since: task.trouble?.since ?? context.now, reason: event.reason };
  return changed({ ...task, trouble, dueAt: context.storeNow + event.delayMs }, context);
}

/** Terminal: state, end, exit codes and logs in one write, which also asks for the clean-up. */
function ended(task: TaskRecord, state: TesState, context: ReduceContext): Reduction {
  return changed(
    {
      ...without(endAttempt(task, context.now, undefined), 'trouble'),
      state,
      step: 'cleanup',
      endedAt: context.now,
      dueAt: context.storeNow,
    },
    { ...context, keepLease: false },
  );
}

function progressed(task: TaskRecord, context: ReduceContext, pauseMs = 0): Reduction {
  return changed({ ...without(task, 'trouble'), dueAt: context.storeNow + pauseMs }, context);
}

function changed(task: TaskRecord, context: ReduceContext): Reduction {
  const next = context.keepLease ? task : without(task, 'lease');
  // Under a lease the holder works on: nobody else should find it due before the lease is over.
  const dueAt = context.keepLease && next.lease && next.step !== 'cancel' ? { dueAt: next.lease.until } : {};
  return { kind: 'changed', task: { ...next, ...dueAt, revision: task.revision + 1 } };
}

/** A job that has lasted long is looked at less often: a tenth of its age, inside the backend's bounds. */
function pollPause(task: TaskRecord, context: ReduceContext): number {
  const age = context.now - (task.attempts.at(-1)?.startedAt ?? context.now);
  return Math.min(context.pollMs.longest, Math.max(context.pollMs.first, Math.round(age / 10)));
}

const ENDED_PHASES: ReadonlySet<string> = new Set(['succeeded', 'failed', 'preempted', 'lost']);

/** Adds what was observed to the current attempt. Executors that ended never disappear again, whatever a late observation says. */
function merge(task: TaskRecord, observation: Observation | undefined): TaskRecord {
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

function withAttempt(task: TaskRecord, change: (attempt: AttemptRecord) => AttemptRecord): TaskRecord {
  const last = task.attempts.at(-1);
  return last ? { ...task, attempts: [...task.attempts.slice(0, -1), change(last)] } : task;
}

function withAttemptLine(task: TaskRecord, line: string): TaskRecord {
  return withAttempt(task, (attempt) => ({ ...attempt, systemLogs: addLines(attempt.systemLogs, [line]) }));
}

/** The line that ends a waiting task: after those of its last attempt, if it had one. */
function withLastLine(task: TaskRecord, line: string): TaskRecord {
  return task.attempts.length > 0 ? withAttemptLine(task, line) : { ...task, systemLogs: addLines(task.systemLogs, [line]) };
}

function endAttempt(task: TaskRecord, now: number, reason: string | undefined): TaskRecord {
  return withAttempt(task, (attempt) => ({
    ...attempt,
    endedAt: attempt.endedAt ?? now,
    systemLogs: addLines(attempt.systemLogs, reason === undefined ? [] : [reason]),
  }));
}

function overlayTypes(
  overlay: TaskOverlay,
  inputTypes: Readonly<Record<number, TesFileType>> | undefined,
  outputTypes: Readonly<Record<number, TesFileType>> | undefined,
): TaskOverlay {
  return {
    ...overlay,
    ...(inputTypes && Object.keys(inputTypes).length > 0 ? { inputTypes } : {}),
    ...(outputTypes && Object.keys(outputTypes).length > 0 ? { outputTypes } : {}),
  };
}

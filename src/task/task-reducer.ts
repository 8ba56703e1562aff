import { leftJob } from './left-behind';
import { expired, keptAgain, measured, RESTORED, restoreRequested } from './kept-workspace';
import type { Observation } from './observation';
import {
  changed,
  IGNORED_STALE,
  IGNORED_STATE,
  IGNORED_TERMINAL,
  letGo,
  loose,
  NO_NEWS,
  progressed,
  type ReduceContext,
  type Reduction,
  without,
} from './reduction';
import { awaitingStorage, stillAwaiting, waitOver, withoutWaited } from './storage-wait';
import { addLines } from './system-logs';
import type { TaskEvent } from './task-events';
import type { AttemptRecord, LeftJob, TaskRecord } from './task-record';
import { endAttempt, isNews, merge, overlayTypes, withAttempt, withAttemptLine, withLastLine } from './attempt-changes';
import { pollPauseMs } from './poll-pause';
import { isStoring, isTerminal } from './task-state';
import type { TesState } from './tes';

/**
 * The only place that knows what an event does to a task (`README.md`, "The life of a task"). Pure: the same task, event and context
 * give the same answer. The revision grows by one with every change.
 */
export function reduce(task: TaskRecord, event: TaskEvent, context: ReduceContext): Reduction {
  if (event.type === 'cancelRequested') return cancelRequested(task, context);
  if (event.type === 'assigned') return assigned(task, event, context);
  if (event.type === 'restoreRequested') return restoreRequested(task, { ...context, keepLease: false });
  if (event.type === 'refused') return refused(task, event, context);
  if (event.type === 'abandoned') return abandoned(task, event, { ...context, keepLease: false });
  if (event.type === 'rebound') {
    if (task.boundTo !== event.from) return IGNORED_STALE;
    if (task.step === 'done') return IGNORED_STATE;
    return changed({ ...task, boundTo: event.to, dueAt: context.storeNow }, { ...context, keepLease: false });
  }
  if (event.type === 'given') return given(task, event);
  if (event.type === 'leftBehindEnded') return leftBehindEnded(task, event, { ...context, keepLease: true });
  if (event.attempt !== task.attempt) return IGNORED_STALE;
  switch (event.type) {
    case 'cleaned':
      return task.step === 'cleanup'
        ? changed(without({ ...task, step: 'done' }, 'dueAt', 'lease', 'trouble', 'handle', 'jobAttempt'), {
            ...context,
            keepLease: true,
          })
        : IGNORED_STATE;
    case 'measured':
      return measured(task, event.bytes, context);
    case 'expired':
      return expired(task, event.reason, context);
    case 'deferred':
      return deferred(task, event, context);
    case 'awaitsStorage':
      return awaitsStorage(task, event, context);
    case 'postponed':
      if (task.step === 'done' || task.step === 'queued') return IGNORED_STATE;
      if (event.step !== undefined && event.step !== task.step) return letGo(task, context);
      return changed({ ...task, dueAt: context.storeNow + event.delayMs }, { ...context, keepLease: false });
    case 'yielded':
      return letGo(task, context);
    default:
  }
  if (task.step === 'restore' && event.type === 'failed') return keptAgain(task, event.reason, context);
  if (isTerminal(task.state) && (task.step !== 'restore' || event.type !== 'stagedOut')) return IGNORED_TERMINAL;
  switch (event.type) {
    case 'submitted':
      return submitted(task, event, context);
    case 'stagedIn':
      if (task.step !== 'stage-in') return IGNORED_STATE;
      return progressed(
        waitOver(
          withAttempt({ ...task, step: 'submit', overlay: overlayTypes(task.overlay, event.inputTypes, undefined) }, (attempt) => ({
            ...attempt,
            systemLogs: addLines(attempt.systemLogs, event.systemLogs),
          })),
          context.storeNow,
        ),
        context,
      );
    case 'observed':
      return observed(task, event.observation, context);
    case 'stagedOut':
      if (!isStoring(task.step)) return IGNORED_STATE;
      return ended(
        waitOver(
          withAttempt({ ...task, overlay: overlayTypes(task.overlay, undefined, event.outputTypes) }, (attempt) => ({
            ...attempt,
            outputs: event.outputs,
            systemLogs: addLines(attempt.systemLogs, task.step === 'restore' ? [...event.systemLogs, RESTORED] : event.systemLogs),
          })),
          context.storeNow,
        ),
        task.outcome === 'failed' ? 'EXECUTOR_ERROR' : 'COMPLETE',
        context,
      );
    case 'retreated':
      if (task.state !== 'INITIALIZING' && task.state !== 'RUNNING') return IGNORED_STATE;
      return progressed(
        without(endAttempt({ ...merge(task, event.observation), step: 'retreat' }, context.now, event.reason), 'storageWait'),
        context,
      );
    case 'moved':
      if (task.state !== 'INITIALIZING' && task.state !== 'RUNNING') return IGNORED_STATE;
      return loose(
        backInQueue(
          {
            ...endAttempt(task, context.now, event.reason),
            ...(event.neverStarted !== true && { leftBehind: [...(task.leftBehind ?? []), ...leftJob(task)] }),
          },
          context,
        ),
        { ...context, keepLease: false },
      );
    case 'retried':
      if (task.step !== 'retreat') return IGNORED_STATE;
      return loose({ ...backInQueue(task, context), notBefore: context.storeNow + event.delayMs }, { ...context, keepLease: false });
    case 'judged':
      if (task.step !== 'queued') return IGNORED_STATE;
      return changed({ ...task, needs: { ...task.needs, reaches: event.reaches } }, context);
    case 'limited':
      if (task.step !== 'queued') return IGNORED_STATE;
      return changed({ ...task, needs: { ...task.needs, limitedBy: event.by } }, context);
    case 'released':
      if (task.state !== 'CANCELING') return IGNORED_STATE;
      return released(task.jobAttempt === undefined ? merge(task, event.observation) : task, context);
    case 'failed':
      if (task.state === 'CANCELING') return IGNORED_STATE;
      return failed(task, event, context);
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
    if (task.leftBehind) return endNextLeft(withLastLine(task, line), task.leftBehind, context);
    // Whatever other attempts left was fenced and cleaned before the task came back to the queue: nothing runs.
    return changed(
      without(
        { ...withLastLine(task, line), state: 'CANCELED', step: 'done', endedAt: context.now },
        'dueAt',
        'notBefore',
        'queuedAt',
        'trouble',
        'storageWait',
      ),
      context,
    );
  }
  // A lease stays: its holder is told to stop and lets go, so that the fence never overlaps with work on the same job.
  return changed(
    without({ ...withAttemptLine(task, line), state: 'CANCELING', step: 'cancel', dueAt: context.storeNow }, 'trouble', 'storageWait'),
    {
      ...context,
      keepLease: true,
    },
  );
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
      ...without(task, 'notBefore', 'queuedAt', 'given', 'trouble', 'handle', 'outcome', 'boundTo'),
      state: 'INITIALIZING',
      step: context.stagesIn ? 'stage-in' : 'submit',
      attempt: attempt.attempt,
      backend: event.backend,
      ...(event.boundTo !== undefined && { boundTo: event.boundTo }),
      ...(event.given !== undefined && { given: event.given }),
      jobEnded: false,
      attempts: [...withoutWaited(task), attempt],
      overlay: { ...overlay, ...dropped },
      dueAt: context.storeNow,
    },
    context,
  );
}

function refused(task: TaskRecord, event: Extract<TaskEvent, { type: 'refused' }>, context: ReduceContext): Reduction {
  const { refusedBy = [] } = task.needs;
  if (task.state !== 'QUEUED' || refusedBy.includes(event.by)) return IGNORED_STATE;
  const lines = event.reasons.map((reason) => `backend ${event.by} cannot carry the task out: ${reason}`);
  const needs = { ...task.needs, refusedBy: [...refusedBy, event.by] };
  return changed({ ...task, needs, systemLogs: [...task.systemLogs, ...lines] }, context);
}

/** CANCELED once nothing that the task ever had may run any more. */
function released(task: TaskRecord, context: ReduceContext): Reduction {
  if (task.leftBehind) return endNextLeft(endAttempt(task, context.now, undefined), task.leftBehind, context);
  return ended({ ...task, jobEnded: true }, 'CANCELED', context);
}

/** Nothing of the task runs any more but what stayed behind: that is fenced one after the other, as the job of a cancelled task is. */
function endNextLeft(task: TaskRecord, [next, ...rest]: readonly LeftJob[], context: ReduceContext): Reduction {
  const bare = without(task, 'trouble', 'handle', 'boundTo', 'notBefore', 'queuedAt', 'outcome', 'leftBehind', 'jobAttempt');
  if (!next) return loose({ ...without(bare, 'backend'), state: 'CANCELED', step: 'done', endedAt: context.now }, context);
  const left = { backend: next.backend, jobAttempt: next.attempt, ...(next.handle && { handle: next.handle }) };
  return changed(
    {
      ...bare,
      ...left,
      ...(rest.length > 0 && { leftBehind: rest }),
      state: 'CANCELING',
      step: 'cancel',
      jobEnded: false,
      dueAt: context.storeNow,
    },
    { ...context, keepLease: false },
  );
}

/** Whoever is at work on it goes on. */
function given(task: TaskRecord, { from, owner, ownerName }: Extract<TaskEvent, { type: 'given' }>): Reduction {
  if (task.owner !== from || from === owner) return IGNORED_STATE;
  const { ownerName: _before, ...kept } = task;
  // It meets its new owner's limit anew.
  const { limitedBy: _limits, ...needs } = task.needs;
  return { kind: 'changed', task: { ...kept, needs, owner, ...(ownerName !== undefined && { ownerName }), revision: task.revision + 1 } };
}

function leftBehindEnded(task: TaskRecord, event: Extract<TaskEvent, { type: 'leftBehindEnded' }>, context: ReduceContext): Reduction {
  const rest = task.leftBehind?.filter(({ backend, attempt }) => backend !== event.backend || attempt !== event.leftAttempt);
  if (isTerminal(task.state)) return IGNORED_TERMINAL;
  return rest?.length === task.leftBehind?.length ? IGNORED_STATE : changed(withLeft(task, rest), context);
}

function withLeft(task: TaskRecord, left: readonly LeftJob[] = []): TaskRecord {
  return left.length > 0 ? { ...task, leftBehind: left } : without(task, 'leftBehind');
}

/** Nobody can fence or clean what is there, and nobody has to wait for it: whatever was still to be done there is given up. */
function abandoned(task: TaskRecord, event: Extract<TaskEvent, { type: 'abandoned' }>, context: ReduceContext): Reduction {
  const isBackend = 'backend' in event;
  const isThere = isBackend ? task.backend === event.backend : task.boundTo === event.instance;
  const rest = task.leftBehind?.filter(({ backend }) => !isBackend || backend !== event.backend);
  const known = withLeft(task, rest);
  if (isTerminal(task.state)) {
    if (!isThere) return IGNORED_STALE;
    if (task.step !== 'cleanup' && task.step !== 'kept' && task.step !== 'restore') return IGNORED_STATE;
    return loose({ ...without(known, 'jobAttempt', 'keptUntil', 'keptBytes'), step: 'done' }, context);
  }
  if (!isThere) return rest?.length === task.leftBehind?.length ? IGNORED_STALE : changed(known, { ...context, keepLease: true });
  const what = isBackend ? `backend ${event.backend}` : `gateway ${event.instance}`;
  const reason = (isBackend ? undefined : event.reason) ?? `${what}, which had the job, was declared gone by an operator`;
  const over = endAttempt(known, context.now, reason);
  if (task.state !== 'CANCELING') return loose(backInQueue(over, context), context);
  if (rest && rest.length > 0) return endNextLeft(over, rest, context);
  return loose({ ...without(over, 'jobAttempt'), state: 'CANCELED', step: 'done', endedAt: context.now }, context);
}

function backInQueue(task: TaskRecord, { storeNow }: ReduceContext): TaskRecord {
  const queued: TaskRecord = { ...task, state: 'QUEUED', step: 'queued', jobEnded: false, queuedAt: storeNow };
  return without(queued, 'backend', 'boundTo', 'given', 'outcome');
}

function submitted(task: TaskRecord, event: Extract<TaskEvent, { type: 'submitted' }>, context: ReduceContext): Reduction {
  // A cancel may have come between: the handle is kept, because the fence is surer with it.
  if (task.jobAttempt !== undefined) return IGNORED_STALE;
  if (task.state === 'CANCELING') return changed({ ...task, handle: event.handle, dueAt: context.storeNow }, context);
  if (task.step !== 'stage-in' && task.step !== 'submit') return IGNORED_STATE;
  if (event.handle.step !== 'submitted') {
    return progressed({ ...task, handle: event.handle }, context, event.againMs);
  }
  const running: TaskRecord = { ...task, handle: event.handle, step: 'run' };
  // Inputs that the job brings itself are still to come: only the wait for room is over.
  return progressed(task.storageWait?.of === 'workspace' ? waitOver(running, context.storeNow) : running, context, context.pollMs.first);
}

function observed(task: TaskRecord, observation: Observation, context: ReduceContext): Reduction {
  if (task.state === 'CANCELING') return changed({ ...merge(task, observation), dueAt: context.storeNow }, context);
  if (task.step !== 'run') return IGNORED_STATE;
  const next = merge(task, observation);
  const pauseMs = pollPauseMs(task, context.now, context.pollMs);
  switch (observation.phase) {
    case 'pending':
      return isNews(task, next) ? progressed(next, context, pauseMs) : NO_NEWS;
    case 'running':
      return task.state !== 'RUNNING' || isNews(task, next) ? progressed({ ...next, state: 'RUNNING' }, context, pauseMs) : NO_NEWS;
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

function failed(
  task: TaskRecord,
  { reason, observation, keepMs }: Extract<TaskEvent, { type: 'failed' }>,
  context: ReduceContext,
): Reduction {
  if (task.state === 'QUEUED') {
    return changed(
      without(
        { ...withLastLine(task, reason), state: 'SYSTEM_ERROR', step: 'done', endedAt: context.now },
        'dueAt',
        'notBefore',
        'queuedAt',
      ),
      context,
    );
  }
  const over = ended(withAttemptLine(merge(task, observation), reason), 'SYSTEM_ERROR', context);
  if (keepMs === undefined || over.kind !== 'changed') return over;
  return { kind: 'changed', task: { ...over.task, step: 'kept', keptUntil: context.storeNow + keepMs } };
}

function deferred(task: TaskRecord, event: Extract<TaskEvent, { type: 'deferred' }>, context: ReduceContext): Reduction {
  if (task.step === 'done' || task.step === 'queued') return IGNORED_STATE;
  if (event.step !== undefined && event.step !== task.step) return letGo(task, context);
  const trouble = { count: (task.trouble?.count ?? 0) + 1, since: task.trouble?.since ?? context.storeNow, reason: event.reason };
  return changed({ ...task, trouble, dueAt: context.storeNow + event.delayMs }, context);
}

function awaitsStorage(task: TaskRecord, event: Extract<TaskEvent, { type: 'awaitsStorage' }>, context: ReduceContext): Reduction {
  if (task.step === 'queued') return event.step === 'queued' ? changed(stillAwaiting(task, event, context), context) : IGNORED_STATE;
  if (task.state !== 'INITIALIZING' && task.state !== 'RUNNING') return IGNORED_STATE;
  if (event.step !== task.step) return letGo(task, context);
  return progressed(awaitingStorage(task, event, context), context, isStoring(task.step) ? event.delayMs : 0);
}

/** Terminal: state, end, exit codes and logs in one write, which also asks for the clean-up. */
function ended(task: TaskRecord, state: TesState, context: ReduceContext): Reduction {
  return changed(
    {
      ...without(endAttempt(task, context.now, undefined), 'trouble', 'storageWait', 'keptUntil', 'keptBytes'),
      state,
      step: 'cleanup',
      endedAt: task.endedAt ?? context.now,
      dueAt: context.storeNow,
    },
    { ...context, keepLease: false },
  );
}

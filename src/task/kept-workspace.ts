import { withAttemptLine } from './attempt-changes';
import { changed, IGNORED_STATE, IGNORED_TERMINAL, NO_NEWS, type ReduceContext, type Reduction, without } from './reduction';
import type { TaskRecord } from './task-record';
import { isTerminal } from './task-state';

/**
 * A task whose outputs could not be stored, while its workspace is kept: step `kept`, from there `restore` or, when the workspace is to go,
 * `cleanup`. Each is one write, so that what is being stored again is never removed, and the other way round.
 */

/** The one exception to "a terminal state never changes" begins here, at the word of an operator; the state itself waits for the end. */
export function restoreRequested(task: TaskRecord, context: ReduceContext): Reduction {
  if (task.step !== 'kept') return isTerminal(task.state) ? IGNORED_TERMINAL : IGNORED_STATE;
  return changed(without({ ...task, step: 'restore', dueAt: context.storeNow }, 'trouble'), context);
}

/** The last word on outputs of which the lines before say that they could not be stored. */
export const RESTORED = "the outputs were stored after all, at an operator's request";

/** Storing them again failed. */
export function keptAgain(task: TaskRecord, reason: string, context: ReduceContext): Reduction {
  const line = `the outputs could not be stored again: ${reason}`;
  return changed({ ...withAttemptLine(task, line), step: 'kept', dueAt: context.storeNow }, { ...context, keepLease: false });
}

export function measured(task: TaskRecord, bytes: number, context: ReduceContext): Reduction {
  if (task.step !== 'kept') return IGNORED_STATE;
  return task.keptBytes === bytes ? NO_NEWS : changed({ ...task, keptBytes: bytes }, context);
}

/** From now on nothing can be restored: the workspace is removed next. */
export function expired(task: TaskRecord, reason: string | undefined, context: ReduceContext): Reduction {
  if (task.step !== 'kept') return IGNORED_STATE;
  const over = reason === undefined ? task : withAttemptLine(task, reason);
  const next = without({ ...over, step: 'cleanup', dueAt: context.storeNow }, 'trouble', 'keptUntil', 'keptBytes');
  return changed(next, { ...context, keepLease: false });
}

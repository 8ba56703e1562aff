import type { TaskStep } from './task-record';
import type { TesState } from './tes';

/**
 * The life of a task, as one table: which steps each state may be in. The picture stands in this folder's README.
 * A terminal state never changes, but for outputs that could not be stored and that an operator has stored again; its `cleanup` and `done` are about the job's remains, not about the task.
 */
export const STEPS_OF_STATE: Readonly<Record<TesState, readonly TaskStep[]>> = {
  QUEUED: ['queued'],
  INITIALIZING: ['stage-in', 'submit', 'run', 'retreat'],
  RUNNING: ['run', 'stage-out', 'await-storage', 'retreat'],
  CANCELING: ['cancel'],
  COMPLETE: ['cleanup', 'done'],
  EXECUTOR_ERROR: ['cleanup', 'done'],
  SYSTEM_ERROR: ['cleanup', 'kept', 'restore', 'done'],
  CANCELED: ['cleanup', 'done'],
  // Never given to a task by this gateway: PREEMPTED is retried, PAUSED and UNKNOWN have no meaning here.
  PREEMPTED: [],
  PAUSED: [],
  UNKNOWN: [],
};

/** The steps in which the Stager stores outputs. */
export const STORING_STEPS = ['stage-out', 'await-storage', 'restore'] as const satisfies readonly TaskStep[];
const STORING: ReadonlySet<TaskStep> = new Set(STORING_STEPS);

export function isStoring(step: TaskStep): boolean {
  return STORING.has(step);
}

const TERMINAL: ReadonlySet<TesState> = new Set(['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED']);

/** True for a state that never changes again. */
export function isTerminal(state: TesState): boolean {
  return TERMINAL.has(state);
}

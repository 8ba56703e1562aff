import type { TaskStep } from '../../task/task-record';
import type { TesState } from '../../task/tes';

/** The numbers on disk. Written out, so that a new order of the words elsewhere never changes what a stored file means. */
const STATE_CODES: Readonly<Record<TesState, number>> = {
  UNKNOWN: 0,
  QUEUED: 1,
  INITIALIZING: 2,
  RUNNING: 3,
  PAUSED: 4,
  COMPLETE: 5,
  EXECUTOR_ERROR: 6,
  SYSTEM_ERROR: 7,
  CANCELED: 8,
  PREEMPTED: 9,
  CANCELING: 10,
};

const STEP_CODES: Readonly<Record<TaskStep, number>> = {
  queued: 0,
  'stage-in': 1,
  submit: 2,
  run: 3,
  'stage-out': 4,
  retreat: 5,
  cancel: 6,
  cleanup: 7,
  done: 8,
  'await-storage': 9,
  kept: 10,
  restore: 11,
};

/** Used in the conditions of partial indexes (`schema.ts`), which know only literals. */
export const QUEUED_CODE = STATE_CODES.QUEUED;
export const DONE_CODE = STEP_CODES.done;

/** By code; one array look-up per row of a page. */
export const STATE_NAMES: readonly TesState[] = byCode(STATE_CODES);
const STEP_NAMES: readonly TaskStep[] = byCode(STEP_CODES);

export function stateCode(state: TesState): number {
  return STATE_CODES[state];
}

export function stepCode(step: TaskStep): number {
  return STEP_CODES[step];
}

/** A number we never wrote is damage, or a newer program's file that slipped through: never guess. */
export function stateOf(code: unknown): TesState {
  const state = typeof code === 'number' ? STATE_NAMES[code] : undefined;
  if (state === undefined) throw new RangeError(`The store holds an unknown state ${String(code)}`);
  return state;
}

export function stepOf(code: unknown): TaskStep {
  const step = typeof code === 'number' ? STEP_NAMES[code] : undefined;
  if (step === undefined) throw new RangeError(`The store holds an unknown step ${String(code)}`);
  return step;
}

function byCode<Word extends string>(codes: Readonly<Record<Word, number>>): readonly Word[] {
  const names: Word[] = [];
  for (const word of Object.keys(codes) as Word[]) names[codes[word]] = word;
  return names;
}

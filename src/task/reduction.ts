import type { TaskRecord } from './task-record';

/** What the reducer may not find out by itself. */
export interface ReduceContext {
  /** Wall time, ms since the epoch: for times that clients see. */
  readonly now: number;
  /** The store's time: for `dueAt` and `notBefore`. */
  readonly storeNow: number;
  /** First and longest pause between two looks at a running job, ms. */
  readonly pollMs: { readonly first: number; readonly longest: number };
  /** The task has inputs that the gateway's Stager brings before the job is handed over. */
  readonly stagesIn: boolean;
  /** The task has outputs: unless the job itself has stored them, the gateway's Stager does so, and the task is not at its end before. */
  readonly stagesOut: boolean;
  /** The sender goes on working on the task under its lease. */
  readonly keepLease: boolean;
}

export type Reduction =
  | { readonly kind: 'changed'; readonly task: TaskRecord }
  /**
   * `terminal`: the task has ended · `stale`: the event speaks of another attempt · `state`: it has no meaning where the task is now ·
   * `news`: nothing that was not known.
   */
  | { readonly kind: 'ignored'; readonly why: 'terminal' | 'stale' | 'state' | 'news' };

export const IGNORED_TERMINAL: Reduction = { kind: 'ignored', why: 'terminal' };
export const IGNORED_STALE: Reduction = { kind: 'ignored', why: 'stale' };
export const NO_NEWS: Reduction = { kind: 'ignored', why: 'news' };
export const IGNORED_STATE: Reduction = { kind: 'ignored', why: 'state' };

/** Members that a transition takes away; with exact optional types they are left out, never set to undefined. */
type Clearable =
  | 'dueAt'
  | 'lease'
  | 'trouble'
  | 'handle'
  | 'backend'
  | 'boundTo'
  | 'notBefore'
  | 'queuedAt'
  | 'given'
  | 'outcome'
  | 'jobAttempt'
  | 'storageWait'
  | 'keptUntil'
  | 'keptBytes'
  | 'leftBehind';

export function without(task: TaskRecord, ...keys: readonly Clearable[]): TaskRecord {
  const copy: { -readonly [K in keyof TaskRecord]?: TaskRecord[K] } = { ...task };
  for (const key of keys) delete copy[key];
  return copy as TaskRecord;
}

/** Nothing of the attempt is due any more. */
export function loose(task: TaskRecord, context: ReduceContext): Reduction {
  return changed(without(task, 'dueAt', 'lease', 'trouble', 'handle'), context);
}

/** Whoever holds it lets go of it as it is: what the next step is need not wait. */
export function letGo(task: TaskRecord, context: ReduceContext): Reduction {
  return task.lease ? changed({ ...task, dueAt: context.storeNow }, { ...context, keepLease: false }) : IGNORED_STATE;
}

export function progressed(task: TaskRecord, context: ReduceContext, pauseMs = 0): Reduction {
  return changed({ ...without(task, 'trouble'), dueAt: context.storeNow + pauseMs }, context);
}

export function changed(task: TaskRecord, context: ReduceContext): Reduction {
  const next = context.keepLease ? task : without(task, 'lease');
  // Under a lease the holder works on: nobody else should find it due before the lease is over.
  const dueAt = context.keepLease && next.lease && next.step !== 'cancel' ? { dueAt: next.lease.until } : {};
  return { kind: 'changed', task: { ...next, ...dueAt, revision: task.revision + 1 } };
}

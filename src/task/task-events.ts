import type { Observation } from './observation';
import type { Size } from './amounts';
import type { Scope } from './scopes';
import type { Handle, OutputFile, TaskStep } from './task-record';
import type { FoundTypes } from './tes';

/** Everything that can happen to a task. Who sends which is said at each; which are taken in which step, in `task-reducer.ts`. */
export type TaskEvent =
  /** The API: stop it. */
  | { readonly type: 'cancelRequested' }
  /** The Scheduler: this backend takes it. Saved before anything is done. */
  | {
      readonly type: 'assigned';
      readonly backend: string;
      readonly boundTo?: string;
      /** What it gets there, where that is less than it needs. */
      readonly given?: Size;
      readonly droppedParameters: readonly string[];
      readonly warnings: readonly string[];
    }
  /** The Scheduler: whether a list of prefixes covers its folders, which was not known when it came into the queue. */
  | { readonly type: 'judged'; readonly attempt: number; readonly reaches: Readonly<Record<string, boolean>> }
  /** The Scheduler: it could have gone on, but for the limit of active tasks of one of these scopes (`TaskNeeds.limitedBy`). */
  | { readonly type: 'limited'; readonly attempt: number; readonly by: readonly Scope[] }
  /** The Scheduler: the backend that was to take it says that it cannot carry it out; `by` as in `TaskNeeds.refusedBy`. */
  | { readonly type: 'refused'; readonly by: string; readonly reasons: readonly string[] }
  /** The engine: a step of `submit` is done; the next one is not before `againMs` have passed (absent = at once). */
  | { readonly type: 'submitted'; readonly attempt: number; readonly handle: Handle; readonly againMs?: number }
  /** The Stager: there is no place for its transfers now; look again after `delayMs`. No trouble of the task's. */
  | { readonly type: 'postponed'; readonly attempt: number; readonly step?: TaskStep; readonly delayMs: number }
  /** The Stager: the inputs are in the workspace; go on with `submit`. */
  | {
      readonly type: 'stagedIn';
      readonly attempt: number;
      readonly inputTypes: FoundTypes;
      readonly systemLogs: readonly string[];
    }
  /** The Observer: what the backend saw. */
  | { readonly type: 'observed'; readonly attempt: number; readonly observation: Observation }
  /** The Stager: every output that exists is stored. */
  | {
      readonly type: 'stagedOut';
      readonly attempt: number;
      readonly outputs: readonly OutputFile[];
      readonly outputTypes: FoundTypes;
      readonly systemLogs: readonly string[];
    }
  /** The engine: something did not work in `step`, look again after `delayMs`; the task stays where it is. In another step it is let go. */
  | { readonly type: 'deferred'; readonly attempt: number; readonly step?: TaskStep; readonly reason: string; readonly delayMs: number }
  /**
   * The engine: a storage is away. Inputs go back to the queue, once the attempt is fenced and cleaned; outputs stay where they are. Looked
   * at again after `delayMs`, and no room of the backend is used until then.
   */
  | {
      readonly type: 'awaitsStorage';
      readonly attempt: number;
      readonly step: TaskStep;
      readonly reason: string;
      readonly delayMs: number;
      /** Absent: inputs or outputs, by the step. */
      readonly of?: 'workspace';
    }
  /** The engine: this attempt has failed and another one is allowed; fence and clean it first. */
  | { readonly type: 'retreated'; readonly attempt: number; readonly reason: string; readonly observation?: Observation }
  /** The engine: the failed attempt is fenced and cleaned; back to the queue. */
  | { readonly type: 'retried'; readonly attempt: number; readonly delayMs: number }
  /** The engine: the backend is away and another one can take the task; nobody can fence or clean what the attempt has there now. */
  | {
      readonly type: 'moved';
      readonly attempt: number;
      readonly reason: string;
      /** Its job cannot have been started there: nothing of it is left that could run. */
      readonly neverStarted?: boolean;
    }
  /** The engine: the job of an attempt that moved was found and ended. */
  | { readonly type: 'leftBehindEnded'; readonly backend: string; readonly leftAttempt: number }
  /** The Reconciler: the backend confirms that nothing of a cancelled task runs any more. */
  | { readonly type: 'released'; readonly attempt: number; readonly observation?: Observation }
  /** The engine: the system failed for good. `keepMs`: all that is missing are the outputs, and the workspace is kept for so long. */
  | {
      readonly type: 'failed';
      readonly attempt: number;
      readonly reason: string;
      readonly observation?: Observation;
      readonly keepMs?: number;
    }
  /** An operator: the outputs of a task that could not store them are to be stored again, from the kept workspace. */
  | { readonly type: 'restoreRequested' }
  /** The Reconciler: what a kept workspace takes on its disk. */
  | { readonly type: 'measured'; readonly attempt: number; readonly bytes: number }
  /** The Reconciler: a kept workspace is removed next, because its time is over, or before that for a public `reason`. */
  | { readonly type: 'expired'; readonly attempt: number; readonly reason?: string }
  /** The engine: whoever held the lease lets go of it unchanged (aborted work, shutdown); due at once. */
  | { readonly type: 'yielded'; readonly attempt: number }
  /** An operator: the instance that the job is bound to is gone for good, and nothing of the attempt can be reached any more. */
  | { readonly type: 'abandoned'; readonly instance: string; readonly reason?: string }
  /** An operator: this backend is gone for good, and nothing that the task has there can be reached any more. */
  | { readonly type: 'abandoned'; readonly backend: string }
  /** An operator: a task of nobody's, from before the login, belongs to somebody from now on. Nothing else of it changes. */
  | { readonly type: 'given'; readonly from: string; readonly owner: string; readonly ownerName?: string }
  /** The engine: the instance that the job is bound to goes on under another name. */
  | { readonly type: 'rebound'; readonly from: string; readonly to: string }
  /** The Reconciler: nothing of the last attempt is left. */
  | { readonly type: 'cleaned'; readonly attempt: number };

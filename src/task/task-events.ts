import type { Observation } from './observation';
import type { Handle, OutputFile, TaskNeeds } from './task-record';
import type { TesFileType } from './tes';

/** Everything that can happen to a task. Who may send which is said in `task-state.ts`. */
export type TaskEvent =
  /** The API: stop it. */
  | { readonly type: 'cancelRequested' }
  /** The Scheduler: this backend takes it. Saved before anything is done. */
  | {
      readonly type: 'assigned';
      readonly backend: string;
      readonly boundTo?: string;
      /** What it gets there, where that is less than it needs. */
      readonly given?: Pick<TaskNeeds, 'cpuCores' | 'ramGb'>;
      readonly droppedParameters: readonly string[];
      readonly warnings: readonly string[];
    }
  /** The Scheduler: whether a list of prefixes covers its folders, which was not known when it came into the queue. */
  | { readonly type: 'judged'; readonly attempt: number; readonly reaches: Readonly<Record<string, boolean>> }
  /** The engine: a step of `submit` is done. */
  | { readonly type: 'submitted'; readonly attempt: number; readonly handle: Handle }
  /** The Stager: the inputs are in the workspace; go on with `submit`. */
  | {
      readonly type: 'stagedIn';
      readonly attempt: number;
      readonly inputTypes: Readonly<Record<number, TesFileType>>;
      readonly systemLogs: readonly string[];
    }
  /** The Reconciler: what the backend saw. */
  | { readonly type: 'observed'; readonly attempt: number; readonly observation: Observation }
  /** The Stager: every output that exists is stored. */
  | {
      readonly type: 'stagedOut';
      readonly attempt: number;
      readonly outputs: readonly OutputFile[];
      readonly outputTypes: Readonly<Record<number, TesFileType>>;
      readonly systemLogs: readonly string[];
    }
  /** The engine: something did not work, look again after `delayMs`; the task stays where it is. */
  | { readonly type: 'deferred'; readonly attempt: number; readonly reason: string; readonly delayMs: number }
  /** The engine: this attempt has failed and another one is allowed; fence and clean it first. */
  | { readonly type: 'retreated'; readonly attempt: number; readonly reason: string; readonly observation?: Observation }
  /** The engine: the failed attempt is fenced and cleaned; back to the queue. */
  | { readonly type: 'retried'; readonly attempt: number; readonly delayMs: number }
  /** The engine: the backend is away and another one can take the task; nobody can fence or clean what the attempt has there now. */
  | { readonly type: 'moved'; readonly attempt: number; readonly reason: string }
  /** The Reconciler: the backend confirms that nothing of a cancelled task runs any more. */
  | { readonly type: 'released'; readonly attempt: number; readonly observation?: Observation }
  /** The engine: the system failed for good. */
  | { readonly type: 'failed'; readonly attempt: number; readonly reason: string; readonly observation?: Observation }
  /** The engine: whoever held the lease lets go of it unchanged (aborted work, shutdown); due at once. */
  | { readonly type: 'yielded'; readonly attempt: number }
  /** An operator: the instance that the job is bound to is gone for good, and nothing of the attempt can be reached any more. */
  | { readonly type: 'abandoned'; readonly instance: string }
  /** The Reconciler: nothing of the last attempt is left. */
  | { readonly type: 'cleaned'; readonly attempt: number };

import type { AwayStorage } from './failure-policy';
import type { ExecutorRecord, LogTail, OutputFile } from './task-record';
import type { FoundTypes } from './tes';

/** A backend's normalised progress; each adapter maps its native states to these in `<x>.states.ts`. */
export const JOB_PHASES = ['pending', 'running', 'succeeded', 'failed', 'preempted', 'lost'] as const;
/**
 * `pending` accepted, no executor started · `running` · `succeeded` every executor ended well (or its error was ignored) ·
 * `failed` an executor ended with an error, or, with `systemError`, the system failed under it · `preempted` taken away by the system ·
 * `lost` the backend has confirmed that the job is gone without a result.
 */
export type JobPhase = (typeof JOB_PHASES)[number];

/** What a backend saw of one job. Data, never an action. */
export interface Observation {
  readonly jobName: string;
  readonly phase: JobPhase;
  /** Executors that have ended, in order. */
  readonly executors: readonly ExecutorRecord[];
  /** Tails of the executor that is running now; never kept: whoever wants live output reads it (`readLog`). */
  readonly running?: { readonly index: number; readonly stdout?: LogTail; readonly stderr?: LogTail };
  /** Lines for `system_logs` (limit breaches, what was cut). Public text. */
  readonly systemLogs: readonly string[];
  /** Goes to `logs[].metadata`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * Where the job stores its own outputs (staging `worker`): what it stored, also when that is nothing. Without it, outputs of an ended
   * job are still to be stored by the gateway.
   */
  readonly outputs?: readonly OutputFile[];
  /** Types that the job found, by index of `inputs` and of `outputs`, only where they differ from the request (staging `worker`). */
  readonly inputTypes?: FoundTypes;
  readonly outputTypes?: FoundTypes;
  /** With phase `failed`: the system's fault, not an executor's. `storage`: before any executor, an input's storage was away. */
  readonly systemError?: { readonly message: string; readonly retryable: boolean; readonly storage?: AwayStorage };
}

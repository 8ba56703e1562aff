import type { RetryPolicy } from '../task/failure-policy';
import type { ActiveSettings } from './active-limits';
import type { TransferOptions } from './transfers/transfers';

/** The engine's slice of the settings, in its own units. */
export interface EngineSettings {
  /** Stable name of this gateway process. */
  readonly instance: string;
  readonly retry: RetryPolicy;
  /** A claim holds this long without renewal, ms. */
  readonly leaseMs: number;
  /** Every loop looks at least this often, ms. */
  readonly tickMs: number;
  /** How long the workspace of a task stays whose outputs could not be stored, ms; absent = it is removed at once. */
  readonly keepOutputsMs?: number;
  /** What such workspaces may take on the disk of one backend, bytes; absent = as much as they do. */
  readonly keepOutputsBytes?: number;
  /** On a store that others share: pause between two small questions about what they did, ms. */
  readonly peekMs: number;
  /** Tasks of one backend at once: whose inputs are brought, or whose outputs are stored (so many of each); and in one kind of call. */
  readonly places: { readonly transfers: number; readonly calls: number };
  /** One try at bringing a task's inputs, or at storing its outputs, may last so long, ms. */
  readonly longestTransferMs: number;
  readonly transfers: TransferOptions;
  /** Limit of one backend call that should take milliseconds, ms. */
  readonly callTimeoutMs: number;
  /** After waiting this long a task that fits nowhere at the moment gets a backend kept free for it, ms. */
  readonly bigTaskWaitMs: number;
  /** A task that waits longer than this in the queue ends as SYSTEM_ERROR, ms; absent = it waits as long as it takes. */
  readonly maxQueuedMs?: number;
  /** Absent = there is no limit of active tasks. */
  readonly active?: ActiveSettings;
  readonly tailBytes: number;
  /** Pause between two looks at a backend's health, ms. */
  readonly healthMs: number;
  /** Pause between two orphan sweeps, ms; a job must be at least this old to be an orphan. */
  readonly sweepMs: number;
  /** Finished tasks older than this are deleted, ms; absent = kept for ever. */
  readonly retentionMs?: number;
}

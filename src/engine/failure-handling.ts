import { BackendError, RunError, TransferError } from '../ports/errors';
import type { StoreClock } from '../ports/store/store-clock';
import type { Observation } from '../task/observation';
import {
  type AwayRule,
  type AwayStorage,
  backOff,
  decideFailure,
  type Failure,
  type FailureDecision,
  type RetryPolicy,
} from '../task/failure-policy';
import { jobNameOf } from '../task/left-behind';
import { shortened } from '../task/system-logs';
import type { TaskEvent } from '../task/task-events';
import type { TaskRecord } from '../task/task-record';
import { isStoring } from '../task/task-state';
import type { EngineLog } from './engine-log';

/** Turns what an adapter threw into what the failure table reads. Anything unexpected is a bug of ours: the task is due again. */
export function failureOf(error: unknown): Failure & { readonly bug: boolean } {
  if (error instanceof RunError) {
    const { retryable, unavailable } = error;
    // It may name a URL of megabytes, is written at every try, and goes into the log.
    const reason = shortened(error.publicMessage);
    const isFull = error instanceof BackendError && error.isWorkDiskFull;
    const { lost = false, away = undefined } =
      error instanceof TransferError ? error : isFull ? { away: { isWorkDisk: true as const } } : {};
    return { reason, retryable, unavailable, bug: false, ...(lost && { lost }), ...(away && { storage: away }) };
  }
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return { reason: 'the backend did not answer in time', retryable: true, unavailable: true, bug: false };
  }
  return { reason: 'internal error of the gateway, it is logged there', retryable: true, unavailable: true, bug: true };
}

/** Decides what a failure means for a task and says it as an event. */
export class FailureHandling {
  constructor(
    private readonly settings: { readonly retry: RetryPolicy; readonly keepOutputsMs?: number },
    private readonly log: EngineLog,
    /** Patience goes by the store's time: the machine's clock may be set, and another gateway's differ. */
    private readonly store: Pick<StoreClock, 'now'>,
    private readonly random: () => number,
    private readonly awayRule: (task: TaskRecord, error: unknown) => AwayRule,
  ) {}

  /** What to do after `error` in the task's current step. */
  eventFor(task: TaskRecord, error: unknown): TaskEvent {
    const failure = failureOf(error);
    const fields = { task: task.id, attempt: task.attempt, step: task.step, backend: task.backend, err: error };
    if (failure.bug) this.log.error('unexpected failure while carrying out a task', fields);
    else this.say(task, failure, { ...fields, err: undefined, detail: error instanceof Error ? shortened(error.message) : undefined });
    if (failure.storage && failure.storage.isWorkDisk !== true) return this.decide(task, failure);
    if (failure.unavailable) return this.decide(task, failure, undefined, this.awayRule(task, error));
    // A look that failed says nothing against the job, which goes on: it is looked at again while patience lasts.
    return this.decide(task, { ...failure, unavailable: task.step === 'run' && failure.retryable });
  }

  /** What to do after a job that ended without its executors' fault: lost, preempted, or failed under them. */
  eventForJob(task: TaskRecord, reason: string, retryable: boolean, observation: Observation, storage?: AwayStorage): TaskEvent {
    const failure = { reason: shortened(reason), retryable, unavailable: false, ...(storage && { storage }) };
    this.say(task, failure, { task: task.id, attempt: task.attempt, backend: task.backend });
    return this.decide(task, failure, observation);
  }

  /** A wait may last a day, of ten thousand tasks: its beginning is a warning, and of the tries after it the 2nd, 4th, 8th ... is said. */
  private say(task: TaskRecord, { reason, storage }: Failure, fields: object): void {
    const { storageWait: wait } = task;
    if (!storage || !wait) return this.log.warn(reason, { ...fields });
    const tries = wait.count + 1;
    if (Number.isInteger(Math.log2(tries))) this.log.info(reason, { ...fields, waits_since: new Date(wait.since).toISOString(), tries });
  }

  /** Whether a task that waits for a storage has waited as long as it may: another failure is its last. */
  isLastTry(task: TaskRecord): boolean {
    const away = { reason: '', retryable: true, unavailable: true, storage: {} };
    return decideFailure(task, away, this.store.now(), this.settings.retry, 0).kind === 'give-up';
  }

  /** For how much longer the workspace of a task is kept whose outputs could not be stored, ms. */
  keptMs({ keptUntil }: TaskRecord): number {
    return Math.max(0, (keptUntil ?? 0) - this.store.now());
  }

  /** The pause before the next attempt. */
  retryDelay(task: TaskRecord): number {
    return backOff(task.attempt - 1, this.settings.retry, this.random());
  }

  private decide(task: TaskRecord, failure: Failure, observation?: Observation, away?: AwayRule): TaskEvent {
    const decision = decideFailure(task, failure, this.store.now(), this.settings.retry, this.random(), away);
    const attempt = task.attempt;
    const withObservation = observation ? { observation } : {};
    switch (decision.kind) {
      case 'defer':
        return { type: 'deferred', attempt, step: task.step, reason: failure.reason, delayMs: decision.delayMs };
      case 'await':
        return {
          type: 'awaitsStorage',
          attempt,
          step: task.step,
          reason: failure.reason,
          delayMs: decision.delayMs,
          ...(failure.storage?.isWorkDisk && { of: 'workspace' }),
        };
      case 'retreat':
        return { type: 'retreated', attempt, reason: failure.reason, ...withObservation };
      case 'move':
        return {
          type: 'moved',
          attempt,
          reason: `${failure.reason}: ${movedWords(away)}`,
          ...(away?.kind === 'move' && !away.mayHaveStarted && { neverStarted: true }),
        };
      case 'give-up':
      case 'fail': {
        const reason = decision.kind === 'fail' ? failure.reason : `${failure.reason}: ${givenUpWords(decision)}`;
        // The executors' own failure is the result; that their outputs could not all be stored is said beside it.
        if (isStoring(task.step) && task.outcome === 'failed') {
          return { type: 'stagedOut', attempt, outputs: [], outputTypes: {}, systemLogs: [reason] };
        }
        const { keepOutputsMs: keepMs } = this.settings;
        const isKept = isStoring(task.step) && task.step !== 'restore' && failure.lost !== true && keepMs !== undefined;
        if (!isKept) return { type: 'failed', attempt, reason, ...withObservation };
        const until = new Date(this.store.now() + keepMs).toISOString();
        return {
          type: 'failed',
          attempt,
          reason: `${reason}; the workspace ${jobNameOf(task)} on ${task.backend ?? ''} is kept until ${until}, an operator can have the outputs stored (restore-outputs)`,
          keepMs,
        };
      }
      default: {
        const never: never = decision;
        return never;
      }
    }
  }
}

function givenUpWords({ waitedMs, patience }: Extract<FailureDecision, { kind: 'give-up' }>): string {
  return `waited ${Math.round(waitedMs / 1000)} s for it (setting retry.${patience}_patience_seconds)`;
}

function movedWords(away: AwayRule | undefined): string {
  return away?.kind === 'move' && away.mayHaveStarted
    ? 'the task moves to another backend; the job that it may still have there is ended when that is back'
    : 'the task moves to another backend, its job was not started there';
}

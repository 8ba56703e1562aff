import type { ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry } from '../ports/registries';
import type { TaskStore } from '../ports/task-store';
import type { Observation } from '../task/observation';
import type { TaskEvent } from '../task/task-events';
import { jobName, type TaskRecord } from '../task/task-record';
import type { Claim } from './due-loop';
import type { EngineSettings } from './engine-settings';
import type { FailureHandling } from './task-failure';
import type { TaskWriter } from './task-writer';

/**
 * Compares what the store says with what the backend sees: observes running jobs (batched), fences cancelled and failed ones, and
 * removes what ended ones left. Observation decides; a push only brings one forward (`ingest`).
 */
export class Reconciler {
  constructor(
    private readonly store: TaskStore,
    private readonly backends: BackendRegistry,
    private readonly writer: TaskWriter,
    private readonly failures: FailureHandling,
    private readonly settings: Pick<EngineSettings, 'instance' | 'tailBytes' | 'callTimeoutMs'>,
  ) {}

  /** Units of work: one batch of observations per backend, everything else on its own. `end` frees a claim at once. */
  units(claims: readonly Claim[], end: (claim: Claim) => Promise<void>): readonly Promise<void>[] {
    const batches = new Map<string, Claim[]>();
    const units: Promise<void>[] = [];
    for (const claim of claims) {
      const backend = this.backends.get(claim.task.backend ?? '');
      if (!backend) continue;
      if (claim.task.step === 'run') {
        const batch = batches.get(backend.name);
        if (batch) batch.push(claim);
        else batches.set(backend.name, [claim]);
      } else {
        units.push(this.single(claim, backend).finally(() => end(claim)));
      }
    }
    for (const [name, batch] of batches) units.push(this.observeBatch(batch, name));
    return units;
  }

  /**
   * A nudge from a backend: something may have happened to this job; `early` when it has to be said again once the job is known as
   * handed over. Without a lease: observing is harmless and the write is a compare-and-swap.
   */
  async ingest(backend: ExecutionBackend, name: string): Promise<'followed' | 'early'> {
    const id = taskIdOf(name);
    const task = id === undefined ? undefined : await this.store.getTask(id);
    if (!task || task.backend !== backend.name || jobName(task.id, task.attempt) !== name) return 'followed';
    // A short job may end before it is written down that it was handed over.
    if (task.step === 'stage-in' || task.step === 'submit') return 'early';
    if (task.step !== 'run' || !task.handle) return 'followed';
    const seen = await backend.observe(
      [{ name, handle: task.handle, tailBytes: this.settings.tailBytes }],
      AbortSignal.timeout(this.settings.callTimeoutMs),
    );
    const observation = seen.find((one) => one.jobName === name);
    // A lost job is declared under the lease only, when nobody else is at work on it.
    if (!observation || observation.phase === 'lost') return 'followed';
    await this.writer.apply(task.id, this.eventOf(task, observation), { known: task });
    return 'followed';
  }

  private async observeBatch(batch: readonly Claim[], backendName: string): Promise<void> {
    const backend = this.backends.get(backendName);
    if (!backend) return;
    const limit = AbortSignal.timeout(this.settings.callTimeoutMs);
    let seen: ReadonlyMap<string, Observation>;
    try {
      const jobs = batch.flatMap(({ task }) =>
        task.handle ? [{ name: jobName(task.id, task.attempt), handle: task.handle, tailBytes: this.settings.tailBytes }] : [],
      );
      seen = new Map((await backend.observe(jobs, limit)).map((observation) => [observation.jobName, observation]));
    } catch (error) {
      await Promise.all(batch.map(async (claim) => claim.release(this.failures.eventFor(claim.task, error))));
      return;
    }
    await Promise.all(
      batch.map(async (claim) => {
        const { task } = claim;
        const observation = seen.get(jobName(task.id, task.attempt));
        await claim.release(observation ? this.eventOf(task, observation) : notSeen(task, backend));
      }),
    );
  }

  private eventOf(task: TaskRecord, observation: Observation): TaskEvent {
    switch (observation.phase) {
      case 'lost':
        return this.failures.eventForJob(task, 'the job was lost: the backend knows nothing of it any more', true, observation);
      case 'preempted':
        return this.failures.eventForJob(task, 'the job was preempted by the system', true, observation);
      case 'failed':
        if (observation.systemError) {
          const { message, retryable } = observation.systemError;
          return this.failures.eventForJob(task, message, retryable, observation);
        }
        break;
      case 'pending':
      case 'running':
      case 'succeeded':
        break;
      default: {
        const never: never = observation.phase;
        return never;
      }
    }
    return { type: 'observed', attempt: task.attempt, observation };
  }

  private async single(claim: Claim, backend: ExecutionBackend): Promise<void> {
    const { task } = claim;
    try {
      const event = await this.settle(task, backend, claim.signal);
      await claim.release(event);
    } catch (error) {
      if (claim.signal.aborted) return;
      await claim.release(this.failures.eventFor(task, error));
    }
  }

  /** Fence and clean-up: repeated until confirmed, whatever it takes. */
  private async settle(task: TaskRecord, backend: ExecutionBackend, signal: AbortSignal): Promise<TaskEvent> {
    const name = jobName(task.id, task.attempt);
    const limited = AbortSignal.any([signal, AbortSignal.timeout(this.settings.callTimeoutMs)]);
    const { attempt, handle } = task;
    if (task.step === 'cancel') {
      const observation = await backend.cancel(name, handle, limited);
      return { type: 'released', attempt, ...(observation ? { observation } : {}) };
    }
    if (!task.jobEnded) await backend.cancel(name, handle, limited);
    const failed = task.step === 'retreat' || task.state !== 'COMPLETE';
    await backend.cleanup(name, handle, { failed }, limited);
    return task.step === 'retreat' ? { type: 'retried', attempt, delayMs: this.failures.retryDelay(task) } : { type: 'cleaned', attempt };
  }
}

function notSeen(task: TaskRecord, backend: ExecutionBackend): TaskEvent {
  const { longest } = backend.capabilities().pollMs;
  return {
    type: 'deferred',
    attempt: task.attempt,
    reason: `backend ${backend.name} could not say anything about the job`,
    delayMs: longest,
  };
}

/** The task of a job name, `undefined` for a name that is not ours. */
export function taskIdOf(name: string): string | undefined {
  return /^tes-([a-z0-9]+)-[0-9]+$/.exec(name)?.[1];
}

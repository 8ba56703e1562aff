import type { ExecutionBackend, Job } from '../ports/execution-backend';
import type { BackendRegistry, StorageRegistry } from '../ports/registries';
import type { TaskStore } from '../ports/task-store';
import type { Handle } from '../task/task-record';
import type { Claim } from './due-loop';
import type { EngineSettings } from './engine-settings';
import { loadJob } from './job';
import type { FailureHandling } from './task-failure';
import { stageIn, stageOut } from './transfers/transfers';
import type { Applied } from './task-writer';

/**
 * Carries a task from its assignment to the handed-over job (`stage-in`, `submit`) and from the ended job to its stored outputs
 * (`stage-out`). Every step is saved before the next one begins; after a crash the next holder goes on from the saved handle.
 */
export class Stager {
  constructor(
    private readonly store: TaskStore,
    private readonly backends: BackendRegistry,
    private readonly storage: StorageRegistry,
    private readonly failures: FailureHandling,
    private readonly settings: Pick<EngineSettings, 'tailBytes' | 'callTimeoutMs' | 'transfers'>,
  ) {}

  async work(claim: Claim): Promise<void> {
    try {
      const backend = this.backends.get(claim.task.backend ?? '');
      if (!backend) return;
      const job = await loadJob(this.store, claim.task, this.settings.tailBytes);
      if (claim.task.step === 'stage-out') await this.outputs(claim, backend, job);
      else await this.handOver(claim, backend, job);
    } catch (error) {
      // Stopped work is not a failure: whoever stopped it has changed the task, or the lease is over.
      if (claim.signal.aborted) return;
      await claim.release(this.failures.eventFor(claim.task, error));
    }
  }

  private async handOver(claim: Claim, backend: ExecutionBackend, job: Job): Promise<void> {
    let handle = claim.task.handle;
    if (claim.task.step === 'stage-in') {
      handle ??= await this.submitStep(claim, backend, job, undefined);
      if (!handle) return;
      if (claim.task.needs.hasInputs && backend.capabilities().staging === 'gateway' && handle.step !== 'submitted') {
        const staged = await stageIn(job.request, backend.workspace(job, handle), this.storage, this.settings.transfers, claim.signal);
        claim.signal.throwIfAborted();
        const applied = await claim.keep({
          type: 'stagedIn',
          attempt: job.attempt,
          inputTypes: staged.inputTypes,
          systemLogs: staged.systemLogs,
        });
        if (!goesOn(applied)) return;
      }
    }
    while (handle?.step !== 'submitted') {
      handle = await this.submitStep(claim, backend, job, handle);
      if (!handle) return;
    }
  }

  /** One idempotent step of the backend's submit, saved; `undefined` when the task does not want it any more. */
  private async submitStep(claim: Claim, backend: ExecutionBackend, job: Job, before: Handle | undefined): Promise<Handle | undefined> {
    claim.signal.throwIfAborted();
    const handle = await backend.submit(job, before, this.limited(claim.signal));
    const event = { type: 'submitted', attempt: job.attempt, handle } as const;
    const applied = handle.step === 'submitted' ? await claim.release(event) : await claim.keep(event);
    if (goesOn(applied)) return handle;
    if (applied.kind === 'ignored' && applied.why !== 'state') {
      // The attempt is over while its job was being made: nobody else knows of this job, so it is ended here.
      await backend.cancel(job.name, handle, AbortSignal.timeout(this.settings.callTimeoutMs));
      await backend.cleanup(job.name, handle, { failed: true }, AbortSignal.timeout(this.settings.callTimeoutMs));
    }
    return undefined;
  }

  private async outputs(claim: Claim, backend: ExecutionBackend, job: Job): Promise<void> {
    const handle = claim.task.handle;
    if (!handle) return;
    const staged = await stageOut(job.request, backend.workspace(job, handle), this.storage, this.settings.transfers, claim.signal);
    claim.signal.throwIfAborted();
    await claim.release({ type: 'stagedOut', attempt: job.attempt, ...staged });
  }

  private limited(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, AbortSignal.timeout(this.settings.callTimeoutMs)]);
  }
}

/** True while the task still wants its job started. */
function goesOn(applied: Applied): boolean {
  return applied.kind === 'changed' && applied.task.state === 'INITIALIZING';
}

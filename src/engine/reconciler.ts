import type { ExecutionBackend } from '../ports/execution-backend';
import type { BackendRegistry } from '../ports/registries';
import { within } from '../ports/within';
import { jobNameOf } from '../task/left-behind';
import type { TaskEvent } from '../task/task-events';
import type { TaskRecord } from '../task/task-record';
import type { Claim } from './claim';
import type { EngineSettings } from './engine-settings';
import type { KeptWorkspaces } from './kept-workspaces';
import type { Probes } from './probes';
import type { FailureHandling } from './failure-handling';

/** A kept workspace is looked at so often, ms: a store makes what is due much later due at its start. */
const LOOK_AT_KEPT_MS = 30 * 60_000;
/** To find out what a workspace of millions of files takes, ms. */
const MEASURE_MS = 10 * 60_000;

/** Fences cancelled and failed jobs, and removes what ended ones left, kept workspaces in their time: repeated until the backend confirms it, whatever it takes. */
export class Reconciler {
  constructor(
    private readonly backends: BackendRegistry,
    private readonly probes: Probes,
    private readonly failures: FailureHandling,
    private readonly kept: KeptWorkspaces,
    private readonly settings: Pick<EngineSettings, 'callTimeoutMs'>,
  ) {}

  async work(claim: Claim): Promise<void> {
    const { task } = claim;
    const backend = this.backends.get(task.backend ?? '');
    if (!backend) return;
    try {
      if (task.step === 'kept') return await this.keep(claim, backend);
      const event = await within(claim.signal, this.settings.callTimeoutMs, (limited) =>
        this.probes.run(backend.name, () => this.settle(task, backend, limited)),
      );
      await claim.release(event);
    } catch (error) {
      if (claim.signal.aborted) return;
      await claim.release(this.failures.eventFor(task, error));
    }
  }

  private async keep(claim: Claim, backend: ExecutionBackend): Promise<void> {
    const { attempt, step, keptBytes } = claim.task;
    const keptMs = this.failures.keptMs(claim.task);
    if (keptMs <= 0) {
      await claim.release({ type: 'expired', attempt });
      return;
    }
    if (keptBytes === undefined) {
      const bytes = await within(claim.signal, MEASURE_MS, (limited) =>
        this.probes.run(backend.name, () => this.kept.measure(claim.task, backend, limited)),
      );
      if (bytes !== undefined) await claim.keep({ type: 'measured', attempt, bytes });
    }
    await claim.release({ type: 'postponed', attempt, step, delayMs: Math.min(keptMs, LOOK_AT_KEPT_MS) });
    await this.kept.enforce(backend.name);
  }

  private async settle(task: TaskRecord, backend: ExecutionBackend, limited: AbortSignal): Promise<TaskEvent> {
    const name = jobNameOf(task);
    const { attempt, handle } = task;
    if (task.step === 'cancel') {
      const observation = await backend.cancel(name, handle, limited);
      // What stayed behind elsewhere is ended next, and then nobody remembers this one.
      if (task.leftBehind) await backend.cleanup(name, handle, { failed: true }, limited);
      return { type: 'released', attempt, ...(observation && { observation }) };
    }
    if (!task.jobEnded) await backend.cancel(name, handle, limited);
    const failed = task.step === 'retreat' || task.state !== 'COMPLETE';
    await backend.cleanup(name, handle, { failed }, limited);
    if (task.step !== 'retreat') return { type: 'cleaned', attempt };
    return { type: 'retried', attempt, delayMs: task.storageWait?.pauseMs ?? this.failures.retryDelay(task) };
  }
}

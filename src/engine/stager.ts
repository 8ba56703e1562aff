import { TransferError } from '../ports/errors';
import type { ExecutionBackend, Job } from '../ports/execution-backend';
import type { BackendRegistry, StorageRegistry } from '../ports/registries';
import type { StoreClock } from '../ports/store/store-clock';
import type { TaskRecords } from '../ports/store/task-records';
import { within } from '../ports/within';
import type { Handle, TaskNeeds, TaskRecord } from '../task/task-record';
import type { TaskEvent } from '../task/task-events';
import { ownerOf } from '../task/owner';
import { streamLengths } from '../task/stream-lengths';
import { isStoring, isTerminal } from '../task/task-state';
import { hostOf } from '../task/url';
import { AwayHosts } from './away-hosts';
import type { Claim } from './claim';
import type { EngineSettings } from './engine-settings';
import { type HostPlaces, hostsOf } from './host-places';
import { loadJob } from './job';
import type { Probes } from './probes';
import type { FailureHandling } from './failure-handling';
import { stageIn, stageOut, StoredFilesOfJobs, type TransferOptions } from './transfers/transfers';
import type { Applied } from './task-writer';

/** A task whose storage hosts have no place left asks again after this, ms. */
const NO_PLACE_MS = 2000;

/** What a task's steps need of this process. */
export interface StagerParts {
  readonly store: StoreClock & TaskRecords;
  readonly backends: BackendRegistry;
  readonly storage: StorageRegistry;
  readonly probes: Probes;
  /** Of each direction, so that slow inputs do not keep what is finished from being stored. */
  readonly hosts: { readonly in: HostPlaces; readonly out: HostPlaces };
}

/**
 * Carries a task from its assignment to the handed-over job (`stage-in`, `submit`) and from the ended job to its stored outputs
 * (`stage-out`). Every step is saved before the next one begins; after a crash the next holder goes on from the saved handle.
 */
export class Stager {
  private readonly away = { in: new AwayHosts(), out: new AwayHosts() };
  private readonly stored = new StoredFilesOfJobs();

  constructor(
    private readonly parts: StagerParts,
    private readonly failures: FailureHandling,
    private readonly settings: Pick<EngineSettings, 'tailBytes' | 'callTimeoutMs' | 'transfers' | 'longestTransferMs'>,
  ) {}

  async work(claim: Claim): Promise<void> {
    try {
      const backend = this.parts.backends.get(claim.task.backend ?? '');
      if (!backend) return;
      if (await this.waitsForHost(claim)) return;
      const job = await loadJob(this.parts.store, claim.task, this.settings.tailBytes);
      await this.parts.probes.run(backend.name, async () => {
        if (isStoring(claim.task.step)) await this.outputs(claim, backend, job);
        else await this.handOver(claim, backend, job);
      });
    } catch (error) {
      // Stopped work is not a failure: whoever stopped it has changed the task, or the lease is over.
      if (claim.signal.aborted) return;
      await claim.release(this.failures.eventFor(claim.task, error));
    }
  }

  /**
   * What a task in the queue waits by, or goes on waiting by, in place of being given to the backend: it would find the storage of its
   * inputs as far away as others do. Only for those who ask for the first time, of a host that is away, is the request read.
   */
  async stillAwaits(task: TaskRecord, backend: ExecutionBackend): Promise<TaskEvent | undefined> {
    const { storageWait, needs } = task;
    if (this.failures.isLastTry(task)) return undefined;
    let hosts = hostsOf((needs.folders ?? []).map((url) => ({ url })));
    // Of one that waits hosts of its outputs are among them, and may hold it up while they are away for the inputs of others.
    if (storageWait?.of !== 'inputs') {
      if (!bringsInputs(needs, backend) || !this.away.in.knows(hosts)) return undefined;
      const { request } = await loadJob(this.parts.store, task, this.settings.tailBytes);
      hosts = hostsOf(request.inputs ?? []);
    }
    const refusal = this.away.in.refusal(hosts, storageWait?.reason);
    return refusal && this.failures.eventFor(task, refusal);
  }

  private async handOver(claim: Claim, backend: ExecutionBackend, job: Job): Promise<void> {
    let handle = claim.task.handle;
    if (claim.task.step === 'stage-in') {
      const isToBring = bringsInputs(job.needs, backend);
      if (isToBring && !handle) {
        this.away.in.check(hostsOf(job.request.inputs ?? []), claim.task.storageWait?.reason, this.failures.isLastTry(claim.task));
      }
      handle ??= await this.submitStep(claim, backend, job, undefined);
      if (!handle) return;
      if (isToBring && handle.step !== 'submitted' && !(await this.inputs(claim, backend, job, handle))) return;
    }
    while (handle?.step !== 'submitted') {
      handle = await this.submitStep(claim, backend, job, handle);
      if (!handle) return;
    }
  }

  /** By what the record knows of its URLs: a task that has to wait is let go before its request is read. */
  private async waitsForHost(claim: Claim): Promise<boolean> {
    const { step, backend = '', attempt, needs } = claim.task;
    const { hosts } = this.parts;
    const places = step === 'stage-in' ? hosts.in : isStoring(step) ? hosts.out : undefined;
    // Folders of inputs and outputs are not told apart: only a task all of whose hosts are full is sure to wait.
    const all = hostsOf((needs.folders ?? []).map((url) => ({ url })));
    if (!places || all.length === 0 || !all.every((host) => places.fullness(backend, [host]) !== undefined)) return false;
    await claim.release({ type: 'postponed', attempt, step, delayMs: NO_PLACE_MS });
    return true;
  }

  /** False when the task does not want them any more, or has to wait. */
  private async inputs(claim: Claim, backend: ExecutionBackend, job: Job, handle: Handle): Promise<boolean> {
    const staged = await this.transfer(claim, backend, job.request.inputs ?? [], (storage, options, signal) =>
      stageIn(job.request, backend.workspace(job, handle), storage, options, signal),
    );
    if (!staged) return false;
    const { inputTypes, systemLogs } = staged;
    return goesOn(await claim.keep({ type: 'stagedIn', attempt: job.attempt, inputTypes, systemLogs }));
  }

  private async outputs(claim: Claim, backend: ExecutionBackend, job: Job): Promise<void> {
    const handle = claim.task.handle;
    if (!handle) return;
    // Whoever has outputs restored may have lost what was stored, or some of it.
    const again = claim.task.step === 'restore' ? {} : { stored: this.stored.of(job.name) };
    const streams = streamLengths(job.request, claim.task.attempts.at(-1)?.executors ?? []);
    const staged = await this.transfer(claim, backend, job.request.outputs ?? [], (storage, options, signal) =>
      stageOut(job.request, backend.workspace(job, handle), storage, { ...options, ...again, streams }, signal),
    );
    if (!staged) return;
    this.stored.forget(job.name);
    await claim.release({ type: 'stagedOut', attempt: job.attempt, ...staged });
  }

  /** Moves data with the hosts of these files, for a limited time; `undefined` when one of them has no place left: the task is let go then. */
  private async transfer<Result>(
    claim: Claim,
    backend: ExecutionBackend,
    files: readonly { readonly url?: string; readonly content?: string }[],
    move: (storage: StorageRegistry, options: TransferOptions, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result | undefined> {
    const direction = isStoring(claim.task.step) ? 'out' : 'in';
    const away = this.away[direction];
    const hosts = hostsOf(files);
    const { step, storageWait } = claim.task;
    // Whoever has outputs restored says that the storage is back.
    const leave = step === 'restore' ? () => undefined : away.enter(hosts, storageWait?.reason, this.failures.isLastTry(claim.task));
    const giveBack = this.parts.hosts[direction].take(backend.name, hosts);
    if (!giveBack) {
      leave();
      const { attempt, step } = claim.task;
      await claim.release({ type: 'postponed', attempt, step, delayMs: NO_PLACE_MS });
      return undefined;
    }
    const { maxTransferSeconds } = claim.task.needs;
    const storage = this.parts.storage.of(ownerOf(claim.task));
    const limitMs = Math.min(this.settings.longestTransferMs, (maxTransferSeconds ?? Infinity) * 1000);
    const options: TransferOptions = {
      ...this.settings.transfers,
      onAway: (url, failed) => {
        if (hostOf(url) !== '') away.failed(hostOf(url), failed);
      },
      onReached: (url) => {
        if (hostOf(url) !== '') leave(hostOf(url));
      },
    };
    try {
      return await within(claim.signal, limitMs, async (limited) => {
        try {
          const result = await move(storage, options, limited);
          claim.signal.throwIfAborted();
          return result;
        } catch (error) {
          if (!limited.aborted || claim.signal.aborted) throw error;
          const what = isStoring(step) ? 'storing the outputs' : 'staging the inputs';
          const whose = maxTransferSeconds === undefined ? 'setting transfers.max_seconds' : 'backend parameter max_transfer_seconds';
          throw new TransferError(`${what} timed out after ${limitMs / 1000} s (${whose})`, { retryable: true, cause: error });
        }
      });
    } finally {
      // One that hangs at its end keeps no place.
      void storage.close();
      leave();
      giveBack();
    }
  }

  /** One idempotent step of the backend's submit, saved; `undefined` when the task does not want it any more, or the next one has to wait. */
  private async submitStep(claim: Claim, backend: ExecutionBackend, job: Job, before: Handle | undefined): Promise<Handle | undefined> {
    claim.signal.throwIfAborted();
    const { callTimeoutMs } = this.settings;
    const done = await within(claim.signal, callTimeoutMs, (signal) => backend.submit(job, before, signal));
    const { handle, againMs } = 'handle' in done ? done : { handle: done, againMs: undefined };
    const event = { type: 'submitted', attempt: job.attempt, handle, ...(againMs !== undefined && { againMs }) } as const;
    const lastsHere = handle.step !== 'submitted' && againMs === undefined;
    const applied = lastsHere ? await claim.keep(event) : await claim.release(event);
    if (goesOn(applied)) return againMs === undefined ? handle : undefined;
    if (applied.kind === 'ignored' && isOver(applied, job)) {
      // The attempt is over while its job was being made: nobody else knows of this job, so it is ended here.
      await backend.cancel(job.name, handle, AbortSignal.timeout(callTimeoutMs));
      await backend.cleanup(job.name, handle, { failed: true }, AbortSignal.timeout(callTimeoutMs));
    }
    return undefined;
  }
}

/** The gateway does, before the job is handed over. */
function bringsInputs({ hasInputs }: Pick<TaskNeeds, 'hasInputs'>, backend: ExecutionBackend): boolean {
  return hasInputs && backend.capabilities().staging === 'gateway';
}

/** True while the task still wants its job started. */
function goesOn(applied: Applied): boolean {
  return applied.kind === 'changed' && applied.task.state === 'INITIALIZING';
}

/** Nobody is at work on this attempt, nor will be. While another claim holds it, its job is that one's. */
function isOver({ task }: Extract<Applied, { kind: 'ignored' }>, job: Job): boolean {
  return task.attempt !== job.attempt || (isTerminal(task.state) && task.step !== 'cleanup');
}

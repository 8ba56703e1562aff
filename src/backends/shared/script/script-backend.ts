import { BackendError } from '../../../ports/errors';
import { type BackendCapabilities, ExecutionBackend, type Job } from '../../../ports/execution-backend';
import type { Observation } from '../../../task/observation';
import type { Handle } from '../../../task/task-record';
import type { TesTaskRequest } from '../../../task/tes';
import { abilityNotes } from '../runtimes/capabilities';
import { imageRefusals } from '../runtimes/image-source';
import { refusalsOf } from '../runtimes/refusals';
import type { RuntimeName } from '../runtimes/runtime';
import { RUNTIMES } from '../runtimes/runtimes';
import type { MachineSettings } from './script.settings';
import { Slots } from './slots';
import type { WorkerFacts } from './worker-facts';

const HANDLE_VERSION = 1;

/** How its machine differs from others. */
export interface MachineTraits {
  /** For sentences. */
  readonly name: 'this machine' | 'the worker';
  /** How it is reached. */
  readonly title: string;
  readonly staging: BackendCapabilities['staging'];
  /** Jobs that are looked at beside each other. */
  readonly observedAtOnce: number;
  readonly pollMs: BackendCapabilities['pollMs'];
}

/** What is known of it by now. */
export interface Machine {
  readonly runtime: RuntimeName | undefined;
  /** `undefined` until it has said what it has: nothing is given to it before. */
  readonly facts: WorkerFacts | undefined;
}

export type LookedAt = Parameters<ExecutionBackend['observe']>[0][number];

/** What is the same of every backend whose jobs are the job script, here or on a worker: what it can do, the steps of `submit`, the looks at jobs. */
export abstract class ScriptBackend<Settings extends MachineSettings> extends ExecutionBackend {
  readonly name: string;
  private readonly looks: Slots;
  private described: { readonly of: Machine; readonly capabilities: BackendCapabilities } | undefined;

  protected constructor(
    protected readonly settings: Settings,
    private readonly traits: MachineTraits,
  ) {
    super();
    this.name = settings.name;
    this.looks = new Slots(traits.observedAtOnce);
  }

  protected abstract get machine(): Machine;
  /** Finds out what the machine has, where that is not known; throws while no job can run there. */
  protected abstract require(signal: AbortSignal): Promise<unknown>;
  /** Whether it was cancelled: then it is not started. */
  protected abstract isMarked(jobName: string, signal: AbortSignal): Promise<boolean>;
  /** Makes the job's directory; gives the data of its handle. */
  protected abstract prepare(job: Job, signal: AbortSignal): Promise<Handle['data']>;
  /** Plan, script, start: may be repeated after a crash anywhere inside it. */
  protected abstract hand(job: Job, handle: Handle, signal: AbortSignal): Promise<void>;
  protected abstract look(job: LookedAt, signal: AbortSignal): Promise<Observation>;

  /** The same object until something of it changes: it is asked for with every request that creates or explains a task. */
  override capabilities(): BackendCapabilities {
    const of = this.machine;
    const before = this.described;
    if (before !== undefined && before.of.runtime === of.runtime && before.of.facts === of.facts) return before.capabilities;
    const capabilities = this.describe(of);
    this.described = { of, capabilities };
    return capabilities;
  }

  private describe({ runtime, facts }: Machine): BackendCapabilities {
    const { traits, settings } = this;
    const cpuCores = settings.cpus ?? facts?.cores;
    const ramGb = settings.ramGb ?? facts?.ramGb;
    const { diskGb, gpus, slots } = settings;
    return {
      parameterKeys: runtime === undefined ? [] : RUNTIMES[runtime].parameterKeys,
      staging: traits.staging,
      capacity: {
        ...(cpuCores !== undefined && { cpuCores }),
        ...(ramGb !== undefined && { ramGb }),
        ...(diskGb !== undefined && { diskGb }),
        ...(gpus !== undefined && { gpus }),
        ...(slots !== undefined && { slots }),
      },
      boundToInstance: this.isHere,
      canList: true,
      draining: settings.drain,
      pollMs: traits.pollMs,
      notes: this.notes(),
    };
  }

  private get isHere(): boolean {
    return this.traits.name === 'this machine';
  }

  private notes(): readonly string[] {
    const { runtime, facts } = this.machine;
    if (runtime === undefined || !facts) return [this.isHere ? 'no container runtime answers yet' : 'the worker has not answered yet'];
    return abilityNotes(runtime, { name: this.traits.name, hasGroups: facts.groups !== 'none', engineLimits: facts.engineLimits });
  }

  override check(request: TesTaskRequest): readonly string[] {
    const { runtime } = this.machine;
    if (runtime === undefined) return [];
    const { images } = this.settings;
    return [...refusalsOf(runtime, request), ...imageRefusals(runtime, request, images, this.isHere ? 'here' : 'worker')];
  }

  override async start(signal: AbortSignal): Promise<void> {
    try {
      await this.require(signal);
    } catch (error) {
      signal.throwIfAborted();
      // It may come later: `health` asks again.
      this.settings.log('warn', `${this.traits.title} cannot be used yet`, { backend: this.name, error: String(error) });
      return;
    }
    for (const note of this.notes()) this.settings.log('info', note, { backend: this.name });
  }

  override async submit(job: Job, handle: Handle | undefined, signal: AbortSignal): Promise<Handle> {
    signal.throwIfAborted();
    if (!handle) return { backend: this.name, version: HANDLE_VERSION, step: 'prepared', data: await this.prepare(job, signal) };
    if (handle.step === 'submitted') return handle;
    await this.hand(job, handle, signal);
    return { ...handle, step: 'submitted' };
  }

  protected async refuseMarked(jobName: string, signal: AbortSignal): Promise<void> {
    if (await this.isMarked(jobName, signal)) throw new BackendError('the job was cancelled before it started', { retryable: false });
  }

  override async observe(jobs: readonly LookedAt[], signal: AbortSignal): Promise<readonly Observation[]> {
    const observations: Observation[] = [];
    const faults: BackendError[] = [];
    const observeOne = async (job: LookedAt): Promise<void> => {
      try {
        observations.push(await this.look(job, signal));
      } catch (error) {
        if (error instanceof BackendError) faults.push(error);
        this.settings.log('warn', 'a job could not be looked at', { backend: this.name, job: job.name, error: String(error) });
      }
    };
    const all = await Promise.allSettled(jobs.map((job) => this.looks.with(signal, () => observeOne(job))));
    // What was seen in time counts; the rest is asked about again.
    const late = all.find((each) => each.status === 'rejected');
    if (late && observations.length === 0) throw late.reason;
    // The whole host is away: said once, with its reason, rather than of each job that nothing is known.
    const [fault] = faults;
    const isAway = !this.isHere && observations.length === 0 && faults.length === jobs.length;
    if (isAway && fault?.unavailable === true) throw fault;
    return observations;
  }
}

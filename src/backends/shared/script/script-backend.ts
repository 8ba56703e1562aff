import { BackendError } from '../../../ports/errors';
import {
  type BackendCapabilities,
  type BackendHealth,
  ExecutionBackend,
  type Job,
  type LogChunk,
  type Workspace,
} from '../../../ports/execution-backend';
import type { Observation } from '../../../task/observation';
import type { Handle } from '../../../task/task-record';
import type { TesTaskRequest } from '../../../task/tes';
import { mountPlan } from '../mount-plan';
import { abilityNotes } from '../runtimes/capabilities';
import { imageRefusals } from '../runtimes/image-source';
import { refusalsOf } from '../runtimes/refusals';
import type { HostFile, ScriptHost } from './script-host';
import { ScriptEnding } from './script-ending';
import { ScriptObserver } from './script-observer';
import { PLANNED } from './script-report';
import { ScriptWorker } from './worker';
import { RemoteWorkspace } from './remote-workspace';
import { jobScript, MARK, REPORT, scriptPlan, textFile } from './script-manifest';
import type { ScriptSettings } from './script.settings';
import { Slots } from './slots';
import { tooDeep } from './worker-facts';
import { unreachable } from './worker-staging';
import { RUNTIMES } from '../runtimes/runtimes';

const HANDLE_VERSION = 1;
const MARK_BYTES = 1024;

/** Carries jobs out wherever a shell can run the job script; how script, files and words get there and back is the host's. */
export class ScriptBackend extends ExecutionBackend {
  readonly name: string;
  private readonly observer: ScriptObserver;
  private readonly ending: ScriptEnding;
  private readonly worker: ScriptWorker;
  private readonly script: Buffer;
  private readonly looks: Slots;

  constructor(
    private readonly host: ScriptHost,
    private readonly settings: ScriptSettings,
  ) {
    super();
    this.name = settings.name;
    this.looks = new Slots(host.traits.observedAtOnce);
    this.observer = new ScriptObserver(host);
    this.ending = new ScriptEnding(host, this.observer, settings);
    this.worker = new ScriptWorker(host, settings);
    if (host.watch) this.watch = (nudge, signal) => host.watch?.(nudge, signal);
    this.script = Buffer.from(jobScript(settings.runtime, settings.environment));
  }

  override capabilities(): BackendCapabilities {
    const { settings } = this;
    const { facts } = this.worker;
    // Until a worker has said what it has: no limit, and nothing is given to it before it answers.
    const cpuCores = settings.cpus ?? facts?.cores;
    const ramGb = settings.ramGb ?? facts?.ramGb;
    const { diskGb, gpus, slots } = settings;
    return {
      parameterKeys: RUNTIMES[settings.runtime].parameterKeys,
      staging: settings.stager ? 'worker' : 'gateway',
      capacity: {
        ...(cpuCores !== undefined && { cpuCores }),
        ...(ramGb !== undefined && { ramGb }),
        ...(diskGb !== undefined && { diskGb }),
        ...(gpus !== undefined && { gpus }),
        slots,
      },
      boundToInstance: false,
      canList: true,
      draining: settings.drain,
      pollMs: this.host.traits.pollMs,
      notes: this.notes(),
    };
  }

  private notes(): readonly string[] {
    const { facts } = this.worker;
    if (!facts) return ['the worker has not answered yet'];
    return abilityNotes(this.settings.runtime, {
      name: 'the worker',
      hasGroups: facts.groups !== 'none',
      engineLimits: facts.engineLimits,
    });
  }

  override check(request: TesTaskRequest): readonly string[] {
    const { runtime, stager, images } = this.settings;
    const { entries } = this.worker;
    return [
      ...refusalsOf(runtime, request),
      ...imageRefusals(runtime, request, images, 'worker'),
      ...(stager ? unreachable(request, stager) : []),
      ...(RUNTIMES[runtime].showsHost && entries ? tooDeep(request, entries) : []),
    ];
  }

  override async start(signal: AbortSignal): Promise<void> {
    try {
      await this.worker.require(signal);
    } catch (error) {
      // It may come later: `health` asks again.
      this.settings.log('warn', `${this.host.title} cannot be used yet`, { backend: this.name, error: String(error) });
      return;
    }
    for (const note of this.notes()) this.settings.log('info', note, { backend: this.name });
  }

  override async submit(job: Job, handle: Handle | undefined, signal: AbortSignal): Promise<Handle> {
    signal.throwIfAborted();
    if (!handle) return this.prepare(job, signal);
    if (handle.step === 'submitted') return handle;
    return this.hand(job, handle, signal);
  }

  /** The directory, the mark and an empty report: from now on each of the three can be looked for without an error of the server's. */
  private async prepare(job: Job, signal: AbortSignal): Promise<Handle> {
    await this.worker.require(signal);
    const isThere = (await this.host.status(job.name, signal)) !== 'none';
    if (isThere) await this.refuseMarked(job.name, signal);
    const directory = await this.host.make(job.name, signal);
    // The report comes last: where it is whole, the mark is too. A kill may have cut either.
    if (!isThere || (await this.observer.view(job.name, signal)).kind === 'none') {
      if (!this.host.traits.startsWhole) await this.host.put(job.name, this.firstFiles(), signal);
    }
    return { backend: this.name, version: HANDLE_VERSION, step: 'prepared', data: { runtime: this.settings.runtime, directory } };
  }

  private firstFiles(): readonly HostFile[] {
    return [textFile(MARK, `none ${this.settings.instance}\n`), textFile(REPORT, PLANNED)];
  }

  /** Plan, script, start. Each file may be sent again until the script has begun; a script that has begun never does so again. */
  private async hand(job: Job, handle: Handle, signal: AbortSignal): Promise<Handle> {
    const submitted: Handle = { ...handle, step: 'submitted' };
    const status = await this.host.status(job.name, signal);
    if (!(this.host.traits.startsWhole && status === 'none')) {
      await this.refuseMarked(job.name, signal);
      // Once the host has it, nothing is sent again: a script must not be written while it is read.
      if (status !== 'made') return submitted;
      if ((await this.observer.view(job.name, signal)).kind === 'report') return submitted;
    }
    const { facts, readHost } = await this.worker.require(signal);
    const plan = scriptPlan(job, {
      settings: this.settings,
      worker: facts,
      places: this.host.placesOf(handle.data['directory'] ?? ''),
      readHost,
      readTree: (tree) => inputNames(job.request, tree),
    });
    const files = [...plan].map(([name, content]) => textFile(`plan/${name}`, content));
    await this.host.start(job.name, { files, first: this.firstFiles(), script: this.script }, signal);
    return submitted;
  }

  private async refuseMarked(jobName: string, signal: AbortSignal): Promise<void> {
    const mark = await this.host.get(jobName, MARK, MARK_BYTES, signal);
    if (mark?.bytes.toString('latin1').startsWith('cancelled ') === true) {
      throw new BackendError('the job was cancelled before it started', { retryable: false });
    }
  }

  override async observe(
    jobs: readonly { readonly name: string; readonly handle: Handle; readonly tailBytes: number }[],
    signal: AbortSignal,
  ): Promise<readonly Observation[]> {
    const observations: Observation[] = [];
    const faults: BackendError[] = [];
    const observeOne = async (job: (typeof jobs)[number]): Promise<void> => {
      this.host.looked?.(job.name, false);
      try {
        observations.push(await this.observer.observe(job.name, job.handle, job.tailBytes, signal));
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
    if (observations.length === 0 && faults[0]?.unavailable === true && faults.length === jobs.length) throw faults[0];
    return observations;
  }

  override workspace(job: Job, handle: Handle): Workspace {
    const { files } = this.host;
    if (!files) throw new BackendError(`${this.name} has no interface for files: its worker moves the data`, { retryable: false });
    return new RemoteWorkspace(this.host, files, job.name, mountPlan(job.request), handle.step === 'submitted');
  }

  override cancel(name: string, handle: Handle | undefined, signal: AbortSignal): Promise<Observation | undefined> {
    return this.ending.cancel(name, handle, signal);
  }

  override cleanup(name: string, handle: Handle | undefined, _options: { readonly failed: boolean }, signal: AbortSignal): Promise<void> {
    return this.ending.cleanup(name, handle, signal);
  }

  override async health(signal: AbortSignal): Promise<BackendHealth> {
    try {
      const { version, detail } = await this.host.health(signal);
      const { facts } = await this.worker.require(signal);
      return { ok: true, detail: [version, `${this.settings.runtime} ${facts.version}`, detail].filter(Boolean).join(', ') };
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      this.worker.doubt();
      return { ok: false, detail: error.publicMessage };
    }
  }

  override readLog(
    name: string,
    _handle: Handle,
    executor: number,
    stream: 'stdout' | 'stderr',
    offset: number,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<LogChunk | undefined> {
    return this.observer.readLog(name, executor, stream, offset, maxBytes, signal);
  }

  override async list(signal: AbortSignal): Promise<readonly { readonly name: string; readonly ageMs: number }[]> {
    const answer = (await this.host.run('names', [this.settings.instance], signal)).toString();
    return answer
      .split('\n')
      .map((line) => /^(tes-[a-z0-9]+-[0-9]+) (-?[0-9]+)$/.exec(line))
      .filter((match) => match !== null)
      .map((match) => ({ name: match[1] ?? '', ageMs: Math.max(0, Number(match[2])) * 1000 }));
  }

  override async close(): Promise<void> {
    await this.host.close();
  }
}

/** Names that inputs put directly into a tree; of a whole directory only that it is there is known before it is staged. */
function inputNames(request: TesTaskRequest, tree: string): ReadonlySet<string> {
  const root = mountPlan(request).roots.find((candidate) => candidate.tree === tree);
  const names = new Set<string>();
  for (const input of request.inputs ?? []) {
    const prefix = `${root?.path ?? ''}/`;
    const next = input.path.startsWith(prefix) ? input.path.slice(prefix.length).split('/')[0] : undefined;
    if (next) names.add(next);
  }
  return names;
}

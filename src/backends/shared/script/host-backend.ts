import { BackendError } from '../../../ports/errors';
import type { BackendHealth, Job, LogChunk, Workspace } from '../../../ports/execution-backend';
import type { Observation } from '../../../task/observation';
import type { Handle } from '../../../task/task-record';
import type { TesTaskRequest } from '../../../task/tes';
import { mountPlan } from '../mount-plan';
import { RUNTIMES } from '../runtimes/runtimes';
import { RemoteWorkspace } from './remote-workspace';
import { type LookedAt, type Machine, ScriptBackend } from './script-backend';
import { ScriptEnding } from './script-ending';
import type { HostFile, ScriptHost } from './script-host';
import { jobScript, MARK, REPORT, scriptPlan, textFile } from './script-manifest';
import { ScriptObserver } from './script-observer';
import { PLANNED } from './script-report';
import type { ScriptSettings } from './script.settings';
import { ScriptWorker } from './worker';
import { tooDeep } from './worker-facts';
import { unreachable } from './worker-staging';

const MARK_BYTES = 1024;

/** Carries jobs out wherever a shell can run the job script; how script, files and words get there and back is the host's. */
export class HostBackend extends ScriptBackend<ScriptSettings> {
  private readonly observer: ScriptObserver;
  private readonly ending: ScriptEnding;
  private readonly worker: ScriptWorker;
  private readonly script: Buffer;

  constructor(
    private readonly host: ScriptHost,
    settings: ScriptSettings,
  ) {
    super(settings, {
      name: 'the worker',
      title: host.title,
      staging: settings.stager ? 'worker' : 'gateway',
      observedAtOnce: host.traits.observedAtOnce,
      pollMs: host.traits.pollMs,
    });
    this.observer = new ScriptObserver(host);
    this.ending = new ScriptEnding(host, this.observer, settings);
    this.worker = new ScriptWorker(host, settings);
    if (host.watch) this.watch = (nudge, signal) => host.watch?.(nudge, signal);
    this.script = Buffer.from(jobScript(settings.runtime, settings.environment));
  }

  protected get machine(): Machine {
    return { runtime: this.settings.runtime, facts: this.worker.facts };
  }

  protected require(signal: AbortSignal): Promise<unknown> {
    return this.worker.require(signal);
  }

  override check(request: TesTaskRequest): readonly string[] {
    const { runtime, stager } = this.settings;
    const { entries } = this.worker;
    return [
      ...super.check(request),
      ...(stager ? unreachable(request, stager) : []),
      ...(RUNTIMES[runtime].showsHost && entries ? tooDeep(request, entries) : []),
    ];
  }

  /** The directory, the mark and an empty report: from now on each of the three can be looked for without an error of the server's. */
  protected async prepare(job: Job, signal: AbortSignal): Promise<Handle['data']> {
    await this.worker.require(signal);
    const isThere = (await this.host.status(job.name, signal)) !== 'none';
    if (isThere) await this.refuseMarked(job.name, signal);
    const directory = await this.host.make(job.name, signal);
    // The report comes last: where it is whole, the mark is too. A kill may have cut either.
    if (!isThere || (await this.observer.view(job.name, signal)).kind === 'none') {
      if (!this.host.traits.startsWhole) await this.host.put(job.name, this.firstFiles(), signal);
    }
    return { runtime: this.settings.runtime, directory };
  }

  private firstFiles(): readonly HostFile[] {
    return [textFile(MARK, `none ${this.settings.instance}\n`), textFile(REPORT, PLANNED)];
  }

  /** Plan, script, start. Each file may be sent again until the script has begun; a script that has begun never does so again. */
  protected async hand(job: Job, handle: Handle, signal: AbortSignal): Promise<void> {
    const status = await this.host.status(job.name, signal);
    if (!(this.host.traits.startsWhole && status === 'none')) {
      await this.refuseMarked(job.name, signal);
      // Once the host has it, nothing is sent again: a script must not be written while it is read.
      if (status !== 'made') return;
      if ((await this.observer.view(job.name, signal)).kind === 'report') return;
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
  }

  protected async isMarked(jobName: string, signal: AbortSignal): Promise<boolean> {
    const mark = await this.host.get(jobName, MARK, MARK_BYTES, signal);
    return mark?.bytes.toString('latin1').startsWith('cancelled ') === true;
  }

  protected look({ name, handle, tailBytes }: LookedAt, signal: AbortSignal): Promise<Observation> {
    this.host.looked?.(name, false);
    return this.observer.observe(name, handle, tailBytes, signal);
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

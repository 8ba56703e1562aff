import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import {
  type BackendCapabilities,
  type BackendHealth,
  ExecutionBackend,
  type Job,
  type LogChunk,
  type Workspace,
} from '../../ports/execution-backend';
import type { Observation } from '../../task/observation';
import type { Handle } from '../../task/task-record';
import type { TesTaskRequest } from '../../task/tes';
import { isOver, parseProgress } from '../shared/job-progress';
import { streamName } from '../shared/layout';
import { readPart } from '../shared/log-tail';
import { existsNow, readTextOrNothing } from '../shared/small-files';
import { mountPlan } from '../shared/mount-plan';
import { abilityNotes } from '../shared/runtimes/capabilities';
import { refusalsOf } from '../shared/runtimes/refusals';
import type { RuntimeName } from '../shared/runtimes/runtime';
import { TreeWorkspace } from '../shared/tree-workspace';
import { JobCgroups } from './cgroups';
import { JobDirectories, removeTree } from './job-directories';
import { JobEnding } from './job-ending';
import { JobObserver } from './job-observer';
import { JobStarter } from './job-starter';
import { KeptWorkspaces } from './kept-workspaces';
import { LocalClient } from './local.client';
import { LocalHost } from './local-host';
import type { LocalBackendSettings } from './local.settings';
import { ProcessTable } from './process-table';
import { Runtimes } from './runtimes';
import { RUNTIMES } from '../shared/runtimes/runtimes';

const GIB = 2 ** 30;
const LOOK_AT_ADOPTED_MS = 500;
const OBSERVED_AT_ONCE = 16;
const KEPT_TAIL_BYTES = 16 * 1024;

/** How each container command is told where the registry logins are. */
function loginEnvironment(settings: LocalBackendSettings, directories: JobDirectories): Readonly<Record<string, string>> {
  const { authFile } = settings.images;
  return authFile === undefined ? {} : { REGISTRY_AUTH_FILE: authFile, APPTAINER_AUTHFILE: authFile, DOCKER_CONFIG: directories.logins };
}

/** Carries jobs out on this machine, each by a script in a session of its own, under docker, podman, apptainer or bubblewrap. */
export class LocalBackend extends ExecutionBackend {
  readonly name: string;
  private readonly client: LocalClient;
  private readonly directories: JobDirectories;
  private readonly cgroups: JobCgroups;
  private readonly ending: JobEnding;
  private readonly observer: JobObserver;
  private readonly starter: JobStarter;
  private readonly host: LocalHost;
  private readonly kept: KeptWorkspaces;
  private readonly runtimes: Runtimes;
  private readonly machineCores = availableParallelism();
  private described: { readonly of: string; readonly capabilities: BackendCapabilities } | undefined;
  private nudge: (jobName: string) => void = () => undefined;
  /** Jobs whose script an earlier gateway started: nobody tells when they end. */
  private readonly adopted = new Set<string>();

  constructor(private readonly settings: LocalBackendSettings) {
    super();
    this.name = settings.name;
    this.directories = new JobDirectories(settings.workDir);
    this.client = new LocalClient({ ...settings.environment, ...loginEnvironment(settings, this.directories) });
    this.cgroups = new JobCgroups(settings.instance);
    this.runtimes = new Runtimes(settings, this.client, this.directories, this.cgroups);
    const processes = new ProcessTable();
    this.ending = new JobEnding(this.client, processes);
    const { client, directories, cgroups, machineCores, runtimes } = this;
    this.observer = new JobObserver({
      client,
      directories,
      processes,
      cgroups,
      learnImages: (progress, facts) => runtimes.knownImages.learn(progress, facts),
      fence: (jobName, handle, signal) => this.end(jobName, handle, undefined, signal),
    });
    this.host = new LocalHost(settings, client, directories);
    this.kept = new KeptWorkspaces(directories, settings.kept, (directory) => this.remove(directory));
    this.starter = new JobStarter({ settings, client, directories, cgroups, runtimes, machineCores, hostView: () => this.host.view() });
  }

  /** The same object until something of it changes: it is asked for with every request that creates or explains a task. */
  override capabilities(): BackendCapabilities {
    const runtime = this.runtimes.current;
    const of = [runtime, this.cgroups.enforced, this.runtimes.facts?.engineLimits].join(' ');
    if (this.described?.of !== of) this.described = { of, capabilities: this.describe(runtime) };
    return this.described.capabilities;
  }

  private describe(runtime: RuntimeName | undefined): BackendCapabilities {
    const { settings } = this;
    return {
      parameterKeys: runtime === undefined ? [] : RUNTIMES[runtime].parameterKeys,
      staging: 'gateway',
      capacity: {
        cpuCores: settings.cpus ?? this.machineCores,
        ramGb: settings.ramGb ?? totalmem() / GIB,
        ...(settings.diskGb !== undefined && { diskGb: settings.diskGb }),
        ...(settings.gpus !== undefined && { gpus: settings.gpus }),
      },
      boundToInstance: true,
      canList: true,
      draining: settings.drain,
      pollMs: { first: 250, longest: 2000 },
      notes: this.notes(),
    };
  }

  private notes(): readonly string[] {
    const runtime = this.runtimes.current;
    if (runtime === undefined) return ['no container runtime answers yet'];
    return abilityNotes(runtime, {
      name: 'this machine',
      hasGroups: this.cgroups.enforced,
      engineLimits: this.runtimes.facts?.engineLimits,
    });
  }

  override check(request: TesTaskRequest): readonly string[] {
    const runtime = this.runtimes.current;
    if (runtime === undefined) return [];
    return [...refusalsOf(runtime, request), ...this.runtimes.images.refusals(runtime, request)];
  }

  override async start(signal: AbortSignal): Promise<void> {
    this.client.open();
    await this.directories.prepare();
    await this.runtimes.start(signal);
    const runtime = this.runtimes.current;
    if (runtime !== undefined && RUNTIMES[runtime].showsHost) this.host.look();
    for (const note of this.notes()) this.settings.log('info', note, { backend: this.name });
  }

  override async submit(job: Job, handle: Handle | undefined, signal: AbortSignal): Promise<Handle> {
    signal.throwIfAborted();
    if (!handle) return this.starter.prepare(job, await this.runtimes.require(signal));
    if (handle.step === 'submitted') return handle;
    return this.starter.start(job, handle, () => this.nudge(job.name), signal);
  }

  override async observe(
    jobs: readonly { readonly name: string; readonly handle: Handle; readonly tailBytes: number }[],
    signal: AbortSignal,
  ): Promise<readonly Observation[]> {
    const observations: Observation[] = [];
    for (let from = 0; from < jobs.length; from += OBSERVED_AT_ONCE) {
      // What could be seen in time counts; the rest is asked about again.
      if (signal.aborted && observations.length > 0) break;
      signal.throwIfAborted();
      const some = jobs.slice(from, from + OBSERVED_AT_ONCE);
      for (const observation of await Promise.all(some.map((job) => this.observeOne(job, signal)))) {
        if (observation) observations.push(observation);
      }
    }
    return observations;
  }

  private async observeOne(
    job: { readonly name: string; readonly handle: Handle; readonly tailBytes: number },
    signal: AbortSignal,
  ): Promise<Observation | undefined> {
    try {
      const observation = await this.observer.observe(job.name, job.handle, job.tailBytes, signal);
      const live = observation.phase === 'pending' || observation.phase === 'running';
      if (live && !this.client.isChild(job.name)) this.adopted.add(job.name);
      return observation;
    } catch (error) {
      this.settings.log('warn', 'a job could not be looked at', { backend: this.name, job: job.name, error: String(error) });
      return undefined;
    }
  }

  override workspace(job: Job): Workspace {
    return new TreeWorkspace(this.directories.workspace(job.name), mountPlan(job.request));
  }

  override async cancel(name: string, handle: Handle | undefined, signal: AbortSignal): Promise<Observation | undefined> {
    await this.directories.leaveMark(name);
    await this.end(name, handle, this.settings.killGraceSeconds, signal);
    return this.observer.remains(name, KEPT_TAIL_BYTES);
  }

  private end(name: string, handle: Handle | undefined, graceSeconds: number | undefined, signal: AbortSignal): Promise<void> {
    return this.ending.end(name, this.directories.workspace(name), this.runtimes.nameOf(handle), graceSeconds, signal);
  }

  override async cleanup(
    name: string,
    handle: Handle | undefined,
    options: { readonly failed: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const layout = this.directories.workspace(name);
    const { keepWorkspace } = this.settings;
    this.adopted.delete(name);
    // A script that has written its result is about to end by itself; anything else is ended first.
    if (!existsNow(layout.result) || this.client.isChild(name)) await this.end(name, handle, undefined, signal);
    else await this.runtimes.removeContainers(name, handle, signal);
    await this.cgroups.remove(name, this.runtimes.facts?.needsMemoryGroup === true);
    if (keepWorkspace === 'always' || (keepWorkspace === 'on_error' && options.failed)) await this.kept.keep(name);
    else await this.remove(layout.directory);
    await this.directories.removeMark(name);
  }

  /** Whatever its modes are: without root, a job may have taken away its own right to write. */
  private async remove(directory: string): Promise<void> {
    try {
      await this.client.remove(directory);
    } catch {
      await removeTree(directory);
    }
  }

  override async close(): Promise<void> {
    await this.client.close();
  }

  override async health(signal: AbortSignal): Promise<BackendHealth> {
    return this.runtimes.health(signal);
  }

  override async readLog(
    name: string,
    _handle: Handle,
    executor: number,
    stream: 'stdout' | 'stderr',
    offset: number,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<LogChunk | undefined> {
    signal.throwIfAborted();
    const layout = this.directories.workspace(name);
    // Looked at before the bytes: what is written after it ended cannot be missed.
    const text = readTextOrNothing(layout.result) ?? readTextOrNothing(layout.progress) ?? '';
    const progress = parseProgress(text);
    const over = isOver(progress, executor);
    const part = await readPart(join(layout.directory, streamName(executor, stream)), () => offset, maxBytes);
    if (!part) return undefined;
    return { bytes: part.bytes, ended: over && offset + part.bytes.length >= part.size };
  }

  override watch(nudge: (jobName: string) => void, signal: AbortSignal): void {
    this.nudge = nudge;
    const timer = setInterval(() => this.lookAtAdopted(), LOOK_AT_ADOPTED_MS);
    timer.unref();
    signal.addEventListener('abort', () => {
      clearInterval(timer);
      this.nudge = () => undefined;
    });
  }

  private lookAtAdopted(): void {
    for (const name of this.adopted) {
      if (existsNow(this.directories.workspace(name).result) && this.adopted.delete(name)) this.nudge(name);
    }
  }

  override async tidy(signal: AbortSignal): Promise<void> {
    await this.runtimes.copies.sweep(signal).finally(() => this.kept.sweep(signal));
  }

  override async list(signal: AbortSignal): Promise<readonly { readonly name: string; readonly ageMs: number }[]> {
    const now = Date.now();
    const ages = new Map([...(await this.directories.names())].map(([name, changedAt]) => [name, now - changedAt]));
    for (const [name, ageMs] of await this.runtimes.jobsWithContainers(signal)) if (!ages.has(name)) ages.set(name, ageMs);
    return [...ages].map(([name, ageMs]) => ({ name, ageMs }));
  }
}

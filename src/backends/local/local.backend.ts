import { mkdirSync, rmSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import type { BackendHealth, Job, LogChunk, Workspace } from '../../ports/execution-backend';
import type { Observation } from '../../task/observation';
import type { Handle } from '../../task/task-record';
import { isOver, parseProgress } from '../shared/job-progress';
import { streamName } from '../shared/layout';
import { readPart } from '../shared/log-tail';
import { mountPlan } from '../shared/mount-plan';
import type { RuntimeName } from '../shared/runtimes/runtime';
import { RUNTIMES } from '../shared/runtimes/runtimes';
import { type LookedAt, type Machine, ScriptBackend } from '../shared/script/script-backend';
import { existsNow, readTextOrNothing } from '../shared/small-files';
import { TreeWorkspace } from '../shared/tree-workspace';
import { machineError } from '../shared/workspace-errors';
import { removeGroups } from './cgroups';
import { JobDirectories, removeTree } from './job-directories';
import { JobEnding } from './job-ending';
import { JobObserver } from './job-observer';
import { KeptWorkspaces } from './kept-workspaces';
import { LocalClient } from './local.client';
import { LocalHost } from './local-host';
import { type PlanParts, writePlan } from './local-plan';
import type { LocalBackendSettings } from './local.settings';
import { ProcessTable } from './process-table';
import { LOGINS_FILE } from './registry-logins';
import { Runtimes } from './runtimes';

const GIB = 2 ** 30;
const LOOK_AT_ADOPTED_MS = 500;
const KEPT_TAIL_BYTES = 16 * 1024;

/** How each container command is told where the registry logins are. */
function loginEnvironment(settings: LocalBackendSettings, directories: JobDirectories): Readonly<Record<string, string>> {
  const { authFile } = settings.images;
  return authFile === undefined ? {} : { REGISTRY_AUTH_FILE: authFile, APPTAINER_AUTHFILE: authFile, DOCKER_CONFIG: directories.logins };
}

/** Carries jobs out on this machine, each by a script in a session of its own, under docker, podman, apptainer or bubblewrap. */
export class LocalBackend extends ScriptBackend<LocalBackendSettings> {
  private readonly client: LocalClient;
  private readonly directories: JobDirectories;
  private readonly ending: JobEnding;
  private readonly observer: JobObserver;
  private readonly planParts: PlanParts;
  private readonly kept: KeptWorkspaces;
  private readonly runtimes: Runtimes;
  private nudge: (jobName: string) => void = () => undefined;
  /** Jobs whose script an earlier gateway started: nobody tells when they end. */
  private readonly adopted = new Set<string>();

  constructor({ cpus = availableParallelism(), ramGb = totalmem() / GIB, ...rest }: LocalBackendSettings) {
    const pollMs = { first: 250, longest: 2000 };
    const settings = { ...rest, cpus, ramGb };
    super(settings, { name: 'this machine', title: 'this machine', staging: 'gateway', observedAtOnce: 16, pollMs });
    this.directories = new JobDirectories(settings.workDir);
    this.client = new LocalClient({ ...settings.environment, ...loginEnvironment(settings, this.directories) });
    this.runtimes = new Runtimes(settings, this.client, this.directories);
    const processes = new ProcessTable();
    this.ending = new JobEnding(this.client, processes);
    const { client, directories, runtimes } = this;
    this.observer = new JobObserver({
      client,
      directories,
      processes,
      learnImages: (progress, facts) => runtimes.knownImages.learn(progress, facts),
      fence: (jobName, handle, signal) => this.end(jobName, handle, undefined, signal),
    });
    this.planParts = { settings, directories, runtimes, host: new LocalHost(settings, client, directories) };
    this.kept = new KeptWorkspaces(directories, settings.kept, (directory) => this.remove(directory));
  }

  protected get machine(): Machine {
    return { runtime: this.runtimes.current, facts: this.runtimes.facts };
  }

  protected require(signal: AbortSignal): Promise<unknown> {
    return this.runtimes.require(signal);
  }

  override async start(signal: AbortSignal): Promise<void> {
    this.client.open();
    await this.directories.prepare();
    await this.runtimes.start();
    await super.start(signal);
    const runtime = this.runtimes.current;
    if (runtime !== undefined && RUNTIMES[runtime].showsHost) this.planParts.host.look();
  }

  protected async isMarked(jobName: string): Promise<boolean> {
    return this.directories.isMarked(jobName);
  }

  protected async prepare(job: Job, signal: AbortSignal): Promise<Handle['data']> {
    const runtime = await this.runtimes.require(signal);
    await this.refuseMarked(job.name, signal);
    try {
      mkdirSync(this.directories.workspace(job.name).streams, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw machineError('make a workspace', error);
    }
    return { runtime };
  }

  protected async hand(job: Job, handle: Handle, signal: AbortSignal): Promise<void> {
    await this.refuseMarked(job.name, signal);
    const { client } = this;
    const layout = this.directories.workspace(job.name);
    const runtime = handle.data['runtime'] as RuntimeName;
    try {
      if (client.isChild(job.name) || existsNow(layout.result) || existsNow(layout.started)) return;
      if (!existsNow(layout.plan)) await writePlan(job, layout, runtime, this.planParts, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw machineError('prepare a job', error);
    }
    await client.startScript(job.name, this.runtimes.script(runtime), layout.directory, () => this.nudge(job.name));
  }

  protected async look({ name, handle, tailBytes }: LookedAt, signal: AbortSignal): Promise<Observation> {
    const observation = await this.observer.observe(name, handle, tailBytes, signal);
    const live = observation.phase === 'pending' || observation.phase === 'running';
    if (live && !this.client.isChild(name)) this.adopted.add(name);
    return observation;
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
    const { groups, needsMemoryGroup } = this.runtimes;
    if (groups !== 'none') await removeGroups(groups, this.settings.instance, name, needsMemoryGroup);
    // A script that was ended has left them.
    rmSync(join(layout.plan, LOGINS_FILE), { force: true });
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
    const health = await this.runtimes.health(signal);
    const full = health.ok ? await this.directories.fullness() : undefined;
    return { ...health, ...(full !== undefined && { full }) };
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
    const over = isOver(parseProgress(text), executor);
    const part = await readPart(join(layout.directory, streamName(executor, stream)), () => offset, maxBytes);
    return part && { bytes: part.bytes, ended: over && offset + part.bytes.length >= part.size };
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

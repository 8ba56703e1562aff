import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BackendError } from '../../ports/errors';
import type { Job } from '../../ports/execution-backend';
import type { Handle } from '../../task/task-record';
import { machineError } from '../shared/workspace-errors';
import { limitsOf, manifest } from '../shared/job-manifest';
import type { Layout } from '../shared/layout';
import { mountPlan } from '../shared/mount-plan';
import { type HostView, readHostDirectory } from '../shared/runtimes/host-root';
import type { RuntimeName } from '../shared/runtimes/runtime';
import { existsNow } from '../shared/small-files';
import { TreeWorkspace } from '../shared/tree-workspace';
import type { JobCgroups } from './cgroups';
import { UNNAME_IMAGE } from './image-files';
import type { JobDirectories } from './job-directories';
import type { LocalClient } from './local.client';
import type { LocalBackendSettings } from './local.settings';
import type { Runtimes } from './runtimes';
import { RUNTIMES } from '../shared/runtimes/runtimes';

export const HANDLE_VERSION = 1;

export interface StarterParts {
  readonly settings: LocalBackendSettings;
  readonly client: LocalClient;
  readonly directories: JobDirectories;
  readonly cgroups: JobCgroups;
  readonly runtimes: Runtimes;
  readonly hostView: () => Promise<HostView>;
  readonly machineCores: number;
}

/** The two steps of `submit`: a workspace, then plan and script. Each may be repeated after a crash anywhere inside it. */
export class JobStarter {
  constructor(private readonly parts: StarterParts) {}

  prepare(job: Job, runtime: RuntimeName): Handle {
    const { directories, settings } = this.parts;
    this.refuseMarked(job.name);
    const layout = directories.workspace(job.name);
    try {
      mkdirSync(layout.streams, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw machineError('make a workspace', error);
    }
    return { backend: settings.name, version: HANDLE_VERSION, step: 'prepared', data: { runtime } };
  }

  async start(job: Job, handle: Handle, ended: () => void, signal: AbortSignal): Promise<Handle> {
    const { directories, client, runtimes } = this.parts;
    this.refuseMarked(job.name);
    const layout = directories.workspace(job.name);
    const submitted: Handle = { ...handle, step: 'submitted' };
    const runtime = handle.data['runtime'] as RuntimeName;
    try {
      if (client.isChild(job.name) || existsNow(layout.result) || existsNow(layout.started)) return submitted;
      if (!existsNow(layout.plan)) await this.writePlan(job, layout, runtime, signal);
    } catch (error) {
      throw machineError('prepare a job', error);
    }
    await client.startScript(job.name, runtimes.script(runtime), layout.directory, ended);
    return submitted;
  }

  /** Written aside and renamed: a plan is there as a whole or not at all, and is never changed. */
  private async writePlan(job: Job, layout: Layout, runtime: RuntimeName, signal: AbortSignal): Promise<void> {
    const { settings, directories, cgroups, machineCores, runtimes } = this.parts;
    const limitContext = { pidsLimit: settings.pidsLimit, machineCores };
    const limits = limitsOf(job, limitContext);
    const facts = await runtimes.factsOf(runtime, signal);
    const [images, groups, hostView] = await Promise.all([
      Promise.all(job.request.executors.map(({ image }) => runtimes.images.source(runtime, image))),
      RUNTIMES[runtime].engine ? [] : cgroups.create(job.name, limits),
      RUNTIMES[runtime].showsHost ? this.parts.hostView() : undefined,
    ]);
    // Another start of the same job was faster while this one waited.
    if (existsNow(layout.plan)) return;
    const plan = mountPlan(job.request);
    new TreeWorkspace(layout, plan).ensureTrees();
    const memoryCgroup = facts.needsMemoryGroup ? cgroups.createParent(job.name, limits) : undefined;
    const files = manifest(job, plan, {
      ...limitContext,
      runtime,
      instance: settings.instance,
      network: settings.network,
      layout,
      mark: directories.mark(job.name),
      killGraceSeconds: settings.killGraceSeconds,
      asRoot: facts.asRoot,
      cgroups: groups,
      overlay: facts.overlay,
      capabilities: settings.capabilities,
      selinux: facts.selinux,
      unnameImage: UNNAME_IMAGE,
      ...(memoryCgroup !== undefined && { memoryCgroup }),
      ...(facts.init !== undefined && { init: facts.init }),
      imagesDirectory: directories.images(runtime),
      knownImages: runtimes.knownImages.current(),
      images,
      readHost: readHostDirectory,
      readTree: (tree) => new Set(readdirSync(join(layout.trees, tree))),
      ...(hostView !== undefined && { hostView }),
    });
    rmSync(layout.newPlan, { recursive: true, force: true });
    mkdirSync(layout.newPlan, { mode: 0o700 });
    for (const [name, content] of files) writeFileSync(join(layout.newPlan, name), content, { mode: 0o600 });
    renameSync(layout.newPlan, layout.plan);
  }

  private refuseMarked(jobName: string): void {
    if (this.parts.directories.isMarked(jobName)) {
      throw new BackendError('the job was cancelled before it started', { retryable: false });
    }
  }
}

import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Job } from '../../ports/execution-backend';
import type { Handle } from '../../task/task-record';
import { machineError } from '../shared/workspace-errors';
import { limitGroups, parentGroup } from '../shared/cgroup-rules';
import { limitsOf, manifest } from '../shared/job-manifest';
import type { Layout } from '../shared/layout';
import { mountPlan } from '../shared/mount-plan';
import { type HostView, readHostDirectory } from '../shared/runtimes/host-root';
import type { RuntimeName } from '../shared/runtimes/runtime';
import { countLines, machineContext } from '../shared/script/script-manifest';
import { existsNow } from '../shared/small-files';
import { TreeWorkspace } from '../shared/tree-workspace';
import { makeGroups } from './cgroups';
import { UNNAME_IMAGE } from './image-files';
import type { JobDirectories } from './job-directories';
import type { LocalClient } from './local.client';
import type { LocalBackendSettings } from './local.settings';
import type { Runtimes } from './runtimes';
import { RUNTIMES } from '../shared/runtimes/runtimes';

export interface StarterParts {
  readonly settings: LocalBackendSettings;
  readonly client: LocalClient;
  readonly directories: JobDirectories;
  readonly runtimes: Runtimes;
  readonly hostView: () => Promise<HostView>;
}

/** The two steps of `submit`: a workspace, then plan and script. Each may be repeated after a crash anywhere inside it. */
export class JobStarter {
  constructor(private readonly parts: StarterParts) {}

  prepare(job: Job): void {
    try {
      mkdirSync(this.parts.directories.workspace(job.name).streams, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw machineError('make a workspace', error);
    }
  }

  async start(job: Job, handle: Handle, ended: () => void, signal: AbortSignal): Promise<void> {
    const { directories, client, runtimes } = this.parts;
    const layout = directories.workspace(job.name);
    const runtime = handle.data['runtime'] as RuntimeName;
    try {
      if (client.isChild(job.name) || existsNow(layout.result) || existsNow(layout.started)) return;
      if (!existsNow(layout.plan)) await this.writePlan(job, layout, runtime, signal);
    } catch (error) {
      throw machineError('prepare a job', error);
    }
    await client.startScript(job.name, runtimes.script(runtime), layout.directory, ended);
  }

  /** Written aside and renamed: a plan is there as a whole or not at all, and is never changed. */
  private async writePlan(job: Job, layout: Layout, runtime: RuntimeName, signal: AbortSignal): Promise<void> {
    const { settings, directories, runtimes } = this.parts;
    const facts = await runtimes.factsOf(runtime, signal);
    const ofMachine = machineContext(settings, runtime, facts);
    const groups = limitGroups(RUNTIMES[runtime], facts, parentGroup(settings.instance), job.name, limitsOf(job, ofMachine));
    const [images, hostView] = await Promise.all([
      Promise.all(job.request.executors.map(({ image }) => runtimes.images.source(runtime, image))),
      RUNTIMES[runtime].showsHost ? this.parts.hostView() : undefined,
      makeGroups(groups),
    ]);
    // Another start of the same job was faster while this one waited.
    if (existsNow(layout.plan)) return;
    const plan = mountPlan(job.request);
    new TreeWorkspace(layout, plan).ensureTrees();
    const files = manifest(job, plan, {
      ...ofMachine,
      layout,
      mark: directories.mark(job.name),
      cgroups: groups.joined,
      unnameImage: UNNAME_IMAGE,
      ...(groups.parent !== undefined && { memoryCgroup: groups.parent }),
      imagesDirectory: directories.images(runtime),
      knownImages: runtimes.knownImages.current(),
      images,
      readHost: readHostDirectory,
      readTree: (tree) => new Set(readdirSync(join(layout.trees, tree))),
      ...(hostView !== undefined && { hostView }),
    });
    rmSync(layout.newPlan, { recursive: true, force: true });
    mkdirSync(layout.newPlan, { mode: 0o700 });
    for (const [name, content] of files) {
      const text = name === 'plan.sh' ? `${content}${countLines(groups.counts).join('\n')}\n` : content;
      writeFileSync(join(layout.newPlan, name), text, { mode: 0o600 });
    }
    renameSync(layout.newPlan, layout.plan);
  }
}

import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Job } from '../../ports/execution-backend';
import { limitGroups, parentGroup } from '../shared/cgroup-rules';
import { limitsOf, manifest } from '../shared/job-manifest';
import type { Layout } from '../shared/layout';
import { mountPlan } from '../shared/mount-plan';
import { readHostDirectory } from '../shared/runtimes/host-root';
import type { RuntimeName } from '../shared/runtimes/runtime';
import { RUNTIMES } from '../shared/runtimes/runtimes';
import { countLines, machineContext } from '../shared/script/script-manifest';
import { existsNow } from '../shared/small-files';
import { TreeWorkspace } from '../shared/tree-workspace';
import { makeGroups } from './cgroups';
import { imageHere, UNNAME_IMAGE } from './image-files';
import type { JobDirectories } from './job-directories';
import type { LocalHost } from './local-host';
import type { LocalBackendSettings } from './local.settings';
import { LOGINS_FILE, withLogins } from './registry-logins';
import type { Runtimes } from './runtimes';

export interface PlanParts {
  readonly settings: LocalBackendSettings;
  readonly directories: JobDirectories;
  readonly runtimes: Runtimes;
  readonly host: LocalHost;
}

/** The plan of a job on this machine, and the groups that limit it. Written aside and renamed: it is there as a whole or not at all, and is never changed. */
export async function writePlan(job: Job, layout: Layout, runtime: RuntimeName, parts: PlanParts, signal: AbortSignal): Promise<void> {
  const { settings, directories, runtimes, host } = parts;
  const facts = await runtimes.factsOf(runtime, signal);
  const ofMachine = machineContext(settings, runtime, facts);
  const groups = limitGroups(RUNTIMES[runtime], facts, parentGroup(settings.instance), job.name, limitsOf(job, ofMachine));
  const [{ images, logins }, hostView] = await Promise.all([
    Promise.all(job.request.executors.map(({ image }) => imageHere(runtime, image, settings.images))).then((found) =>
      withLogins(job.owner, found, settings.logins, settings.images),
    ),
    RUNTIMES[runtime].showsHost ? host.view() : undefined,
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
  if (logins !== undefined) writeFileSync(join(layout.newPlan, LOGINS_FILE), logins, { mode: 0o600 });
  renameSync(layout.newPlan, layout.plan);
}

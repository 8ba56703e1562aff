import { promises as fs, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { errorCode, isMissing, machineError } from '../shared/workspace-errors';
import { CGROUP_ROOT, type CgroupLayout, type CgroupRule, jobGroups, type JobGroups, parentGroup } from '../shared/cgroup-rules';
import { existsNow, readTextOrNothing } from '../shared/small-files';
import type { Limits } from '../shared/runtimes/runtime';

/** A hard limit that an executor ran into, as the kernel counted it. */
export interface LimitEvents {
  readonly memoryKills: number;
  readonly processRefusals: number;
}

const BUSY_TRIES = 200;
const BUSY_PAUSE_MS = 50;
/** Where only the names of groups count. */
const NO_LIMITS: Limits = { cpuCores: 1, memoryBytes: 0, pids: 0 };

/**
 * Limits for a runtime that has none of its own (bubblewrap): one cgroup per job, made before it starts, joined by the script,
 * removed at clean-up. Version 2, or 1 with a hierarchy per controller; needs root and writable cgroups.
 */
export class JobCgroups {
  private readonly parent: string;

  constructor(
    instance: string,
    private readonly root = CGROUP_ROOT,
    private layout: 'none' | CgroupLayout = 'none',
  ) {
    this.parent = parentGroup(instance);
  }

  get enforced(): boolean {
    return this.layout !== 'none';
  }

  /** What was found when it was tried out (groups.sh). */
  use(layout: 'none' | CgroupLayout): void {
    this.layout = layout;
  }

  /** Directories to join, one per hierarchy. The kernel takes a millisecond to make or remove one: nothing waits for it meanwhile. */
  async create(jobName: string, limits: Limits): Promise<readonly string[]> {
    const groups = this.groups(jobName, limits);
    if (!groups) return [];
    await Promise.all(groups.all.map((directory) => fs.mkdir(directory, { recursive: true })));
    [...groups.enable, ...groups.rules].forEach(write);
    return groups.all;
  }

  events(jobName: string): LimitEvents {
    const groups = this.groups(jobName);
    return {
      memoryKills: groups ? counter(groups.memoryEvents, 'oom_kill') : 0,
      processRefusals: groups ? counter(groups.pidsEvents, 'max') : 0,
    };
  }

  /**
   * A group that holds the memory of containers: podman with cgroups version 1 ends a container whose memory ran out without
   * saying so, but a limit one level above it counts. The path as `--cgroup-parent` takes it; `undefined` where version 2 is in use.
   */
  createParent(jobName: string, limits: Limits): string | undefined {
    const groups = this.layout === 'v1' ? this.groups(jobName, limits) : undefined;
    if (!groups) return undefined;
    mkdirSync(groups.memory, { recursive: true });
    groups.memoryRules.forEach(write);
    return groups.path;
  }

  /** How often the limit of `createParent` was run into. */
  parentRefusals(jobName: string): number {
    const groups = this.layout === 'v1' ? this.groups(jobName) : undefined;
    return groups ? Number(readTextOrNothing(groups.memoryRefusals) ?? 0) : 0;
  }

  /**
   * A group can only be removed when it is empty; the last process may take a moment to go. Idempotent. `everywhere`: an engine
   * has made groups below ours, in every hierarchy.
   */
  async remove(jobName: string, everywhere: boolean): Promise<void> {
    const groups = this.groups(jobName);
    if (!groups) return;
    const directories = everywhere ? (await fs.readdir(this.root)).map((hierarchy) => join(this.root, hierarchy, groups.path)) : groups.all;
    await Promise.all(directories.map(removeGroup));
  }

  private groups(jobName: string, limits = NO_LIMITS): JobGroups | undefined {
    return this.layout === 'none' ? undefined : jobGroups(this.layout, this.parent, jobName, limits, this.root);
  }
}

/** Never makes a file: what is not there already is no limit. */
function write({ path, value, ifThere }: CgroupRule): void {
  if (ifThere !== true || existsNow(path)) writeFileSync(path, value, { flag: 'r+' });
}

async function removeGroup(directory: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await fs.rmdir(directory);
      return;
    } catch (error) {
      if (isMissing(error)) return;
      const code = errorCode(error);
      // Only an ordinary directory says so: a hierarchy that is not mounted, in which an engine has put files of its own.
      if (code === 'ENOTEMPTY') return fs.rm(directory, { recursive: true, force: true });
      if (code !== 'EBUSY' || tries >= BUSY_TRIES) throw machineError('remove a cgroup', error);
      // Busy: a group below it, or a process that is just ending.
      const below = (await fs.readdir(directory, { withFileTypes: true })).filter((entry) => entry.isDirectory());
      for (const entry of below) await removeGroup(join(directory, entry.name));
      if (below.length === 0) await pause(BUSY_PAUSE_MS);
    }
  }
}

function counter(path: string, key: string): number {
  const text = readTextOrNothing(path);
  const line = text?.split('\n').find((candidate) => candidate.startsWith(`${key} `));
  return Number(line?.slice(key.length + 1) ?? 0);
}

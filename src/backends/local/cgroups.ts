import { promises as fs, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { errorCode, isMissing, machineError } from '../shared/workspace-errors';
import { cgroupRules, memoryRules, parentGroup } from '../shared/cgroup-rules';
import type { CgroupLayout, CgroupRule } from '../shared/cgroup-rules';
import { existsNow, readTextOrNothing } from '../shared/small-files';
import type { Limits } from '../shared/runtimes/runtime';

/** A hard limit that an executor ran into, as the kernel counted it. */
export interface LimitEvents {
  readonly memoryKills: number;
  readonly processRefusals: number;
}

const CONTROLLERS = ['memory', 'cpu', 'pids'] as const;
const BUSY_TRIES = 200;
const BUSY_PAUSE_MS = 50;
/** What statfs calls the file systems of cgroups (linux/magic.h). */
const MAGIC = { v1: 0x27e0eb, v2: 0x63677270 } as const;
/** All of it is a whole number of pages, and so is read back as it was written. */
const PROBE_LIMITS: Limits = { cpuCores: 1, memoryBytes: 1 << 28, pids: 100 };

/**
 * Limits for a runtime that has none of its own (bubblewrap): one cgroup per job, made before it starts, joined by the script,
 * removed at clean-up. Version 2, or 1 with a hierarchy per controller; needs root and writable cgroups, which `probe` finds out.
 */
export class JobCgroups {
  private readonly parent: string;

  constructor(
    instance: string,
    private readonly root = '/sys/fs/cgroup',
    private layout: 'none' | CgroupLayout = 'none',
  ) {
    this.parent = parentGroup(instance);
  }

  get enforced(): boolean {
    return this.layout !== 'none';
  }

  /** Tries it out with a group of its own, and leaves nothing behind: real groups, whose limits say what was written to them. */
  async probe(): Promise<boolean> {
    for (const layout of ['v2', 'v1'] as const) {
      this.layout = layout;
      if (!(await this.isMounted(layout))) continue;
      try {
        await this.create('probe', PROBE_LIMITS);
        if (this.holds('probe', PROBE_LIMITS)) return true;
      } catch {
        // Not this one: a controller that is not there, or no right to it.
      } finally {
        await this.remove('probe', false).catch(() => undefined);
        for (const directory of this.directories('')) await fs.rmdir(directory).catch(() => undefined);
      }
    }
    this.layout = 'none';
    return false;
  }

  private async isMounted(layout: CgroupLayout): Promise<boolean> {
    const places = layout === 'v2' ? [this.root] : CONTROLLERS.map((controller) => join(this.root, controller));
    const types = await Promise.all(places.map((place) => fs.statfs(place).catch(() => undefined)));
    return types.every((found) => found?.type === MAGIC[layout]);
  }

  private holds(jobName: string, limits: Limits): boolean {
    return this.rules(limits).every(({ controller, file, value, ifThere }) => {
      const found = readTextOrNothing(join(this.directory(jobName, controller), file));
      return found === undefined ? ifThere === true : found.trim() === value;
    });
  }

  /** Directories to join, one per hierarchy. The kernel takes a millisecond to make or remove one: nothing waits for it meanwhile. */
  async create(jobName: string, limits: Limits): Promise<readonly string[]> {
    if (this.layout === 'none') return [];
    await Promise.all(this.directories('').map((directory) => fs.mkdir(directory, { recursive: true })));
    if (this.layout === 'v2') this.write(join(this.directory('', 'memory'), 'cgroup.subtree_control'), '+memory +pids +cpu');
    await Promise.all(this.directories(jobName).map((directory) => fs.mkdir(directory, { recursive: true })));
    this.limit(jobName, this.rules(limits));
    return this.directories(jobName);
  }

  private rules(limits: Limits): readonly CgroupRule[] {
    return this.layout === 'none' ? [] : cgroupRules(this.layout, limits);
  }

  private limit(jobName: string, rules: readonly CgroupRule[]): void {
    for (const { controller, file, value, ifThere } of rules) {
      const path = join(this.directory(jobName, controller), file);
      if (ifThere !== true || existsNow(path)) this.write(path, value);
    }
  }

  /** Never makes a file: what is not there already is no limit. */
  private write(path: string, value: string): void {
    writeFileSync(path, value, { flag: 'r+' });
  }

  events(jobName: string): LimitEvents {
    if (this.layout === 'none') return { memoryKills: 0, processRefusals: 0 };
    const memoryFile = this.layout === 'v2' ? 'memory.events' : 'memory.oom_control';
    return {
      memoryKills: counter(join(this.directory(jobName, 'memory'), memoryFile), 'oom_kill'),
      processRefusals: counter(join(this.directory(jobName, 'pids'), 'pids.events'), 'max'),
    };
  }

  /**
   * A group that holds the memory of containers: podman with cgroups version 1 ends a container whose memory ran out without
   * saying so, but a limit one level above it counts. The path as `--cgroup-parent` takes it; `undefined` where version 2 is in use.
   */
  createParent(jobName: string, limits: Limits): string | undefined {
    if (this.layout !== 'v1') return undefined;
    mkdirSync(this.directory(jobName, 'memory'), { recursive: true });
    this.limit(jobName, memoryRules('v1', limits.memoryBytes));
    return `/${this.parent}/${jobName}`;
  }

  /** How often the limit of `createParent` was run into. */
  parentRefusals(jobName: string): number {
    if (this.layout !== 'v1') return 0;
    return Number(readTextOrNothing(join(this.directory(jobName, 'memory'), 'memory.failcnt')) ?? 0);
  }

  /**
   * A group can only be removed when it is empty; the last process may take a moment to go. Idempotent. `everywhere`: an engine
   * has made groups below ours, in every hierarchy.
   */
  async remove(jobName: string, everywhere: boolean): Promise<void> {
    if (this.layout === 'none') return;
    const directories = everywhere
      ? (await fs.readdir(this.root)).map((hierarchy) => join(this.root, hierarchy, this.parent, jobName))
      : this.directories(jobName);
    await Promise.all(directories.map(removeGroup));
  }

  /** Processes in the job's groups; empty when there is no group. */
  async pids(jobName: string): Promise<readonly number[]> {
    if (this.layout === 'none') return [];
    try {
      const text = await fs.readFile(join(this.directory(jobName, 'pids'), 'cgroup.procs'), 'utf8');
      return text.split('\n').filter(Boolean).map(Number);
    } catch (error) {
      if (isMissing(error) || errorCode(error) === 'ENODEV') return [];
      throw error;
    }
  }

  private directories(jobName: string): readonly string[] {
    if (this.layout === 'v2') return [this.directory(jobName, 'memory')];
    return CONTROLLERS.map((controller) => this.directory(jobName, controller));
  }

  private directory(jobName: string, controller: string): string {
    return this.layout === 'v2' ? join(this.root, this.parent, jobName) : join(this.root, controller, this.parent, jobName);
  }
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

import { promises as fs, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CGROUP_ROOT, type CgroupLayout, type CgroupRule, jobGroups, type LimitGroups, parentGroup } from '../shared/cgroup-rules';
import type { Limits } from '../shared/runtimes/runtime';
import { existsNow } from '../shared/small-files';
import { errorCode, isMissing, machineError } from '../shared/workspace-errors';

const BUSY_TRIES = 200;
const BUSY_PAUSE_MS = 50;
/** Where only the names of groups count. */
const NO_LIMITS: Limits = { cpuCores: 1, memoryBytes: 0, pids: 0 };

/** Before the job starts. The kernel takes a millisecond to make or remove one: nothing waits for it meanwhile. */
export async function makeGroups({ directories, rules }: LimitGroups): Promise<void> {
  await Promise.all(directories.map((directory) => fs.mkdir(directory, { recursive: true })));
  rules.forEach(write);
}

/** Never makes a file: what is not there already is no limit. */
function write({ path, value, ifThere }: CgroupRule): void {
  if (ifThere !== true || existsNow(path)) writeFileSync(path, value, { flag: 'r+' });
}

/**
 * A group can only be removed when it is empty; the last process may take a moment to go. Idempotent. `everywhere`: an engine
 * has made groups below ours, in every hierarchy.
 */
export async function removeGroups(
  layout: CgroupLayout,
  instance: string,
  jobName: string,
  everywhere: boolean,
  root = CGROUP_ROOT,
): Promise<void> {
  const { path, all } = jobGroups(layout, parentGroup(instance), jobName, NO_LIMITS, root);
  const directories = everywhere ? (await fs.readdir(root)).map((hierarchy) => join(root, hierarchy, path)) : all;
  await Promise.all(directories.map(removeGroup));
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

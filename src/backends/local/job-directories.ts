import { promises as fs } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { BackendError } from '../../ports/errors';
import { errorCode, isMissing } from '../shared/workspace-errors';
import { existsNow } from '../shared/small-files';
import { type Layout, layoutOf } from '../shared/layout';

/** A job's name becomes a directory name, a container name and a label: nothing but these characters can come from `jobName`. */
const JOB_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** What a workspace needs before anything is in it, with room for a few that begin at once. */
const LEAST_FREE_BYTES = 16 * 1024 * 1024;
const LEAST_FREE_NAMES = 1000;

/**
 * `jobs/NAME` a workspace · `cancelled/NAME` a cancel mark, kept outside so that it needs no workspace and outlives it ·
 * `kept/NAME` workspaces kept for a look · `scripts/` the job script by its content · `images/` what was learnt of images ·
 * `etc/` what jobs see of /etc.
 */
export class JobDirectories {
  constructor(private readonly workDir: string) {}

  get scripts(): string {
    return join(this.workDir, 'scripts');
  }
  /** Where docker finds the registry logins of the settings. */
  get logins(): string {
    return join(this.workDir, 'logins');
  }
  /** Copies of what jobs see of this machine's /etc. */
  get etc(): string {
    return join(this.workDir, 'etc');
  }
  /** What of this machine's directories root must not see. */
  get closed(): string {
    return join(this.workDir, 'etc', 'closed');
  }
  /** Each engine knows an image by its own id. */
  images(runtime = ''): string {
    return join(this.workDir, 'images', runtime);
  }

  async prepare(): Promise<void> {
    for (const name of ['jobs', 'cancelled', 'kept', 'scripts', 'images']) {
      await fs.mkdir(join(this.workDir, name), { recursive: true, mode: 0o700 });
    }
  }

  workspace(jobName: string): Layout {
    return layoutOf(join(this.workDir, 'jobs', checked(jobName)));
  }

  mark(jobName: string): string {
    return join(this.workDir, 'cancelled', checked(jobName));
  }

  kept(jobName: string): string {
    return join(this.workDir, 'kept', checked(jobName));
  }

  async allKept(): Promise<readonly string[]> {
    return (await fs.readdir(join(this.workDir, 'kept'))).filter((name) => JOB_NAME.test(name));
  }

  /** Public, why no workspace can be made; `undefined` where there is room, or it is not known. */
  async fullness(): Promise<string | undefined> {
    try {
      const { bavail, bsize, files, ffree } = await fs.statfs(this.workDir);
      if (bavail * bsize >= LEAST_FREE_BYTES && (files === 0 || ffree >= LEAST_FREE_NAMES)) return undefined;
      return 'the disk of the workspaces (work_dir) is full';
    } catch {
      // Whoever makes a workspace there finds out.
      return undefined;
    }
  }

  /** Durable before it resolves: from now on nothing starts under this name. */
  async leaveMark(jobName: string): Promise<void> {
    const path = this.mark(jobName);
    const file = await fs.open(path, 'w', 0o600).catch((error: unknown) => this.markOfReserve(jobName, error));
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await syncDirectory(join(this.workDir, 'cancelled'));
  }

  /**
   * A disk without room, or names, for a mark is no way for a task not to be cancelled: its script keeps a file for its own last words, and
   * inputs of a job that was never handed over are wanted by nobody.
   */
  private async markOfReserve(jobName: string, error: unknown): Promise<FileHandle> {
    const code = errorCode(error);
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    const path = this.mark(jobName);
    const { reserve, plan, inputs, trees } = this.workspace(jobName);
    try {
      await fs.rename(reserve, path);
    } catch (cause) {
      if (!isMissing(cause) || existsNow(plan)) throw error;
      for (const staged of [inputs, trees]) await removeTree(staged);
    }
    return fs.open(path, 'w', 0o600);
  }

  isMarked(jobName: string): boolean {
    return existsNow(this.mark(jobName));
  }

  async removeMark(jobName: string): Promise<void> {
    await fs.rm(this.mark(jobName), { force: true });
  }

  /** Every name that still has a workspace or a mark, with the time of its last change. */
  async names(): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    for (const folder of ['cancelled', 'jobs']) {
      const directory = join(this.workDir, folder);
      for (const name of await fs.readdir(directory)) {
        if (!JOB_NAME.test(name)) continue;
        try {
          found.set(name, (await fs.stat(join(directory, name))).mtimeMs);
        } catch (error) {
          if (!isMissing(error)) throw error;
        }
      }
    }
    return found;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await fs.open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function checked(jobName: string): string {
  if (JOB_NAME.test(jobName)) return jobName;
  throw new BackendError('this is not the name of a job', { retryable: false });
}

/** Removes a tree whatever its modes are: a job may have taken away its own right to write. */
export async function removeTree(path: string): Promise<void> {
  try {
    await fs.rm(path, { recursive: true, force: true, maxRetries: 2 });
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'ENOTEMPTY') throw error;
    await openUp(path);
    await fs.rm(path, { recursive: true, force: true });
  }
}

async function openUp(path: string): Promise<void> {
  const stats = await fs.lstat(path);
  if (!stats.isDirectory()) return;
  await fs.chmod(path, 0o700);
  for (const name of await fs.readdir(path)) await openUp(join(path, name));
}

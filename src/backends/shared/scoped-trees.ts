import { chmodSync, constants, lstatSync, mkdirSync, promises as fs, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { TransferError } from '../../ports/errors';
import { type Segments, segmentsOf } from '../../task/container-path';
import { errorCode, isMissing } from './workspace-errors';
import { textOf } from './file-names';
import { leadsToRoot, locate, type MountPlan, rootOf } from './mount-plan';

export interface FoundPath {
  readonly hostPath: string;
  readonly stats: Stats;
  readonly segments: Segments;
}

const MOST_LINKS = 40;
const DIRECTORY_MODE = 0o777;

/**
 * Container paths -> files below a directory of trees. The kernel never follows a link here: each component is looked at by
 * itself, and a link is resolved in the words of the container, so an absolute one starts again at the container's root and
 * `..` stops there. No host path is ever made of anything but components that were seen to be real directories.
 * Only used while no executor runs, so nobody can exchange a component in between.
 */
export class ScopedTrees {
  constructor(
    private readonly directory: string,
    private readonly plan: MountPlan,
  ) {}

  /** Where the path leads; `undefined` when nothing is there. Links on the way are followed inside, the last one only with `followLast`. */
  async find(path: string, followLast: boolean, signal: AbortSignal): Promise<FoundPath | undefined> {
    let rest = [...segmentsOf(path)];
    let done: string[] = [];
    for (let links = 0; ;) {
      signal.throwIfAborted();
      if (rest.length > 0 && leadsToRoot(this.plan, done)) {
        done = step(done, rest.shift() ?? '.');
        continue;
      }
      if (this.isElsewhere(done)) return undefined;
      const hostPath = this.hostPathOf(done);
      const stats = await lstatOrNothing(hostPath);
      if (stats?.isSymbolicLink() && (rest.length > 0 || followLast)) {
        if (++links > MOST_LINKS) return undefined;
        const target = textOf(await fs.readlink(hostPath, { encoding: 'buffer' }));
        if (target === undefined)
          throw new TransferError(`${path} leads through a link whose target is not valid UTF-8`, { retryable: false });
        rest = [...splitTarget(target), ...rest];
        done = target.startsWith('/') ? [] : done.slice(0, -1);
        continue;
      }
      if (rest.length === 0) return stats && { hostPath, stats, segments: done };
      if (!stats?.isDirectory()) return undefined;
      done = step(done, rest.shift() ?? '.');
    }
  }

  /** Makes a directory and its parents, open to every user. A link or a file on the way is refused. */
  makeDirectory(segments: Segments): string {
    const place = locate(this.plan, segments);
    let hostPath = join(this.directory, place.tree);
    for (const segment of place.segments) {
      hostPath = join(hostPath, segment);
      try {
        mkdirSync(hostPath);
        chmodSync(hostPath, DIRECTORY_MODE);
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
        const stats = lstatSync(hostPath);
        if (!stats.isDirectory()) {
          throw new TransferError(`/${segments.join('/')} cannot be made: something that is not a directory is on the way`, {
            retryable: false,
          });
        }
      }
    }
    return hostPath;
  }

  /** Makes the directory of every root, writable for whatever user a container has. */
  makeRoots(): void {
    for (const tree of [...this.plan.roots.map((root) => root.tree), 'root']) {
      const hostPath = join(this.directory, tree);
      mkdirSync(hostPath, { recursive: true });
      chmodSync(hostPath, tree === 'root' ? 0o755 : DIRECTORY_MODE);
    }
    this.makeDirectories();
  }

  private makeDirectories(): void {
    for (const folder of this.plan.directories) this.makeDirectory(segmentsOf(folder));
    for (const root of this.plan.roots) if (root.fresh) chmodSync(join(this.directory, root.tree), 0o1777);
  }

  hostPathOf(segments: Segments): string {
    const place = locate(this.plan, segments);
    return join(this.directory, place.tree, ...place.segments);
  }

  /** In the container's own file system, of which the workspace knows nothing. */
  private isElsewhere(segments: Segments): boolean {
    return !this.plan.rootEntries && rootOf(this.plan, segments) === undefined;
  }
}

/** Opens a file that must be a regular one, and not through a link. A device or a pipe is not waited for. */
export async function openRegular(hostPath: string): Promise<FileHandle> {
  const handle = await fs.open(hostPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await handle.stat()).isFile()) throw new TransferError('this is not a regular file', { retryable: false });
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function lstatOrNothing(hostPath: string): Promise<Stats | undefined> {
  try {
    return await fs.lstat(hostPath);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Unlike `segmentsOf`, `..` stays: what it means depends on where the link stands. */
function splitTarget(target: string): string[] {
  return target.split('/').filter((segment) => segment !== '' && segment !== '.');
}

function step(from: readonly string[], segment: string): string[] {
  if (segment === '.') return [...from];
  return segment === '..' ? from.slice(0, -1) : [...from, segment];
}

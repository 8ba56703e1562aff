import { jobDirectories } from './job-paths';
import { isWithin, pathOf } from './container-path';
import type { Segments } from './container-path';
import type { TesTaskRequest } from '../../task/tes';

/** A container directory that is one tree of the workspace. */
export interface MountRoot {
  readonly path: string;
  readonly segments: Segments;
  /** Name of the directory below `trees/`. */
  readonly tree: string;
  /** `/tmp` is always fresh: what the image has there is not wanted. */
  readonly fresh: boolean;
}

/** A place below `trees/`. */
export interface TreePlace {
  readonly tree: string;
  readonly segments: Segments;
}

/**
 * Which directories of the container are mounted from the workspace: the smallest set that holds every input, output,
 * stream, working directory and volume, and `/tmp`. Made from the request alone, so it is the same before and after a restart.
 */
export interface MountPlan {
  readonly roots: readonly MountRoot[];
  /** Directories that exist before the first executor starts. */
  readonly directories: readonly Segments[];
  /** Something is declared directly in `/`, which is no mount: it lies in the tree `root` and is moved in and out. */
  readonly rootEntries: boolean;
  /** The names of those. */
  readonly rootNames: readonly string[];
}

/** The tree for what lies directly in `/` of the container. */
export const ROOT_TREE = 'root';

export function mountPlan(request: TesTaskRequest): MountPlan {
  const { directories, rootEntries, rootNames } = jobDirectories(request);
  const wanted = [...directories, ['tmp']].filter((segments) => segments.length > 0);
  wanted.sort((a, b) => a.length - b.length || (pathOf(a) < pathOf(b) ? -1 : 1));
  const roots: MountRoot[] = [];
  for (const segments of wanted) {
    if (roots.some((root) => isWithin(segments, root.segments))) continue;
    const path = pathOf(segments);
    roots.push({ path, segments, tree: String(roots.length), fresh: path === '/tmp' });
  }
  return { roots, directories, rootEntries, rootNames };
}

/** Where a container path lies in the workspace. What no root holds belongs to the tree of `/`. */
export function locate(plan: MountPlan, path: Segments): TreePlace {
  const root = plan.roots.find((candidate) => isWithin(path, candidate.segments));
  return root ? { tree: root.tree, segments: path.slice(root.segments.length) } : { tree: ROOT_TREE, segments: path };
}

import { hasBelow, holderOf, outermost } from '../../task/folders';
import { folderOf, type Segments, segmentsOf } from '../../task/container-path';
import { jobDirectories, type JobDirectories } from './job-paths';
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
  /** Directories that exist before the first executor starts, each with a slash at its end. */
  readonly directories: readonly string[];
  /** Something is declared directly in `/`, which is no mount: it lies in the tree `root` and is moved in and out. */
  readonly rootEntries: boolean;
  /** The names of those. */
  readonly rootNames: readonly string[];
  /** Others may be outputs too, by a wildcard. */
  readonly rootWildcard: boolean;
  /** For looking a root up: the folders of `roots` in order, and the roots in that order. */
  readonly index: { readonly folders: readonly string[]; readonly roots: readonly MountRoot[] };
}

/** The tree for what lies directly in `/` of the container. */
export const ROOT_TREE = 'root';

export function mountPlan(request: TesTaskRequest): MountPlan {
  return mountPlanOf(jobDirectories(request));
}

export function mountPlanOf({ directories, holders, rootNames, rootWildcard }: JobDirectories): MountPlan {
  const folders = outermost(new Set(['/tmp/', ...holders]));
  // Numbers of trees outlive a gateway: a job of an older one has to be found as it was laid.
  const roots = folders
    .map((folder) => ({ segments: segmentsOf(folder), path: folder.slice(0, -1) }))
    .sort((a, b) => a.segments.length - b.segments.length || (a.path < b.path ? -1 : 1))
    .map(({ segments, path }, number): MountRoot => ({ path, segments, tree: String(number), fresh: path === '/tmp' }));
  const byPath = new Map(roots.map((root) => [`${root.path}/`, root]));
  const index = { folders, roots: folders.flatMap((folder) => byPath.get(folder) ?? []) };
  const rootEntries = rootNames.length > 0 || rootWildcard;
  return { roots, directories: [...directories], rootEntries, rootNames, rootWildcard, index };
}

/** The root that holds a container path, or is it. */
export function rootOf({ index }: MountPlan, path: Segments): MountRoot | undefined {
  const holder = holderOf(index.folders, folderOf(path));
  return holder === undefined ? undefined : index.roots[holder];
}

/** Whether a container directory is only there because something is mounted further down. */
export function leadsToRoot({ index }: MountPlan, path: Segments): boolean {
  return hasBelow(index.folders, folderOf(path));
}

/** Where a container path lies in the workspace. What no root holds belongs to the tree of `/`. */
export function locate(plan: MountPlan, path: Segments): TreePlace {
  const root = rootOf(plan, path);
  return root ? { tree: root.tree, segments: path.slice(root.segments.length) } : { tree: ROOT_TREE, segments: path };
}

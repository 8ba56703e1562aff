import { holderOf, outermost } from '../../task/folders';
import { fixedSegments, folderOf, hasWildcard, normalizeContainerPath } from '../../task/container-path';
import type { TesTaskRequest } from '../../task/tes';

/** Directories of the kernel's own file systems. */
const UNTOUCHABLE = /^\/(?:proc|sys|dev)\//;

export interface JobDirectories {
  /** Each with a slash at its end; never `/`. */
  readonly directories: ReadonlySet<string>;
  /** Some of them, in which all the others lie. */
  readonly holders: readonly string[];
  /** What is named directly in `/`. */
  readonly rootNames: readonly string[];
  /** An output's wildcard may match there. */
  readonly rootWildcard: boolean;
}

/**
 * Every directory that has to be there before the program starts, and what the request names directly in `/`. A directory that only
 * outputs or streams name, and that lies in a shared one, is the program's to make: scripts `mkdir` it and fail when it is there.
 */
export function jobDirectories(request: TesTaskRequest): JobDirectories {
  const known = found.get(request) ?? findDirectories(request);
  found.set(request, known);
  return known;
}

/** Each backend that checks a request, and then its plan, asks for the same. */
const found = new WeakMap<TesTaskRequest, JobDirectories>();

function findDirectories(request: TesTaskRequest): JobDirectories {
  const directories = new Set<string>();
  const written = new Set<string>();
  const rootNames = new Set<string>();
  let rootWildcard = false;
  // As texts: there may be tens of thousands, and the list of a path's names costs more than all that is asked of it here.
  const addDirectory = (path: string, to = directories): void => {
    const normalised = normalizeContainerPath(path);
    if (normalised !== '/') to.add(`${normalised}/`);
  };
  const addFile = (path: string, to = directories): void => {
    const normalised = normalizeContainerPath(path);
    const end = normalised.lastIndexOf('/') + 1;
    if (end > 1) to.add(normalised.slice(0, end));
    else rootNames.add(normalised.slice(end));
  };
  for (const input of request.inputs ?? []) {
    if (input.type === 'DIRECTORY') addDirectory(input.path);
    else addFile(input.path);
  }
  for (const output of request.outputs ?? []) {
    if (output.path_prefix !== undefined && hasWildcard(output.path)) {
      const fixed = folderOf(fixedSegments(output.path));
      if (fixed === '/') rootWildcard = true;
      else written.add(fixed);
    } else if (output.type === 'DIRECTORY') addDirectory(output.path, written);
    else addFile(output.path, written);
  }
  for (const executor of request.executors) {
    for (const stream of [executor.stdout, executor.stderr]) if (stream !== undefined) addFile(stream, written);
    if (executor.workdir !== undefined) addDirectory(executor.workdir);
  }
  for (const volume of request.volumes ?? []) addDirectory(volume);
  const shared = outermost(directories);
  const alone = outermost(new Set([...written].filter((folder) => holderOf(shared, folder) === undefined)));
  for (const folder of alone) directories.add(folder);
  return { directories, holders: [...shared, ...alone], rootNames: [...rootNames], rootWildcard };
}

/** Public sentences for directories that no runtime can give to a job: the kernel's own file systems. */
export function untouchableDirectories({ directories }: JobDirectories): readonly string[] {
  return [...directories]
    .filter((folder) => UNTOUCHABLE.test(folder))
    .map((folder) => `${folder.slice(0, -1)} lies in a file system of the kernel and cannot hold files of a task`);
}

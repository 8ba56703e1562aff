import { holderOf, outermost } from '../../task/folders';
import { fixedSegments, folderOf, hasWildcard, segmentsOf } from './container-path';
import type { Segments } from './container-path';
import type { TesTaskRequest } from '../../task/tes';

const UNTOUCHABLE = new Set(['proc', 'sys', 'dev']);

export interface JobDirectories {
  /** By `folderOf`. */
  readonly directories: ReadonlyMap<string, Segments>;
  /** Something is named, or may match, directly in `/`. */
  readonly rootEntries: boolean;
  readonly rootNames: readonly string[];
  /** An output's wildcard may match there. */
  readonly rootWildcard: boolean;
}

/**
 * Every directory that has to be there before the program starts, and what the request names directly in `/`. A directory that only
 * outputs or streams name, and that lies in a shared one, is the program's to make: scripts `mkdir` it and fail when it is there.
 */
export function jobDirectories(request: TesTaskRequest): JobDirectories {
  const directories = new Map<string, Segments>();
  const written = new Map<string, Segments>();
  const rootNames = new Set<string>();
  let rootEntries = false;
  let rootWildcard = false;
  const addDirectory = (segments: Segments, to = directories): void => {
    to.set(folderOf(segments), segments);
  };
  const addFile = (path: string, to = directories): void => {
    const segments = segmentsOf(path);
    const parent = segments.slice(0, -1);
    if (parent.length > 0) return addDirectory(parent, to);
    rootEntries = true;
    rootNames.add(segments[0] ?? '');
  };
  for (const input of request.inputs ?? []) {
    if (input.type === 'DIRECTORY') addDirectory(segmentsOf(input.path));
    else addFile(input.path);
  }
  for (const output of request.outputs ?? []) {
    if (output.path_prefix !== undefined && hasWildcard(output.path)) {
      const fixed = fixedSegments(output.path);
      if (fixed.length === 0) rootEntries = rootWildcard = true;
      else addDirectory(fixed, written);
    } else if (output.type === 'DIRECTORY') addDirectory(segmentsOf(output.path), written);
    else addFile(output.path, written);
  }
  for (const executor of request.executors) {
    for (const stream of [executor.stdout, executor.stderr]) if (stream !== undefined) addFile(stream, written);
    if (executor.workdir !== undefined && segmentsOf(executor.workdir).length > 0) addDirectory(segmentsOf(executor.workdir));
  }
  for (const volume of request.volumes ?? []) addDirectory(segmentsOf(volume));
  const shared = outermost([...directories.keys()].filter((folder) => folder !== '/'));
  for (const folder of outermost(written.keys())) {
    const segments = written.get(folder);
    if (segments && holderOf(shared, folder) === undefined) addDirectory(segments);
  }
  return { directories, rootEntries, rootNames: [...rootNames], rootWildcard };
}

/** Public sentences for directories that no runtime can give to a job: the kernel's own file systems. */
export function untouchableDirectories({ directories }: JobDirectories): readonly string[] {
  return [...directories.values()]
    .filter((segments) => segments[0] !== undefined && UNTOUCHABLE.has(segments[0]))
    .map((segments) => `/${segments.join('/')} lies in a file system of the kernel and cannot hold files of a task`);
}

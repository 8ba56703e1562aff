import { isSameOrBelow, normalizeContainerPath } from './container-path';
import type { ExecutorRecord } from './task-record';
import type { TesTaskRequest } from './tes';

/**
 * The streams that the last executor left as files among the outputs: bytes that it wrote, by container path. Of the others nothing is
 * sure: a later executor may have changed them, and one that could not be put in its place is not there.
 */
export function streamLengths(request: TesTaskRequest, executors: readonly ExecutorRecord[]): ReadonlyMap<string, number> {
  const lengths = new Map<string, number>();
  const index = executors.length - 1;
  // One path for both: then all is in stdout.
  for (const stream of ['stderr', 'stdout'] as const) {
    const named = request.executors[index]?.[stream];
    const tail = executors[index]?.[stream];
    if (named === undefined || !tail || tail.unplaced === true) continue;
    const path = normalizeContainerPath(named);
    const isOutput = (request.outputs ?? []).some((output) =>
      isSameOrBelow(path, normalizeContainerPath(output.path_prefix ?? output.path)),
    );
    if (isOutput) lengths.set(path, tail.totalBytes);
  }
  return lengths;
}

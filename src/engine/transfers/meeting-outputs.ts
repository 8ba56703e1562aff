import { posix } from 'node:path';
import type { Problem } from '../../ports/errors';
import type { StorageRegistry } from '../../ports/registries';
import { normalizeContainerPath } from '../../task/container-path';
import type { TesOutput } from '../../task/tes';
import { namesFolder } from '../../task/url';
import { mayHoldWildcard } from '../../task/wildcard';

interface Placed {
  readonly path: string;
  readonly index: number;
}

/** Of one object; of the directories one, and one with another path: whatever the path of a file, it differs from one of them. */
interface Meeting {
  readonly file?: Placed;
  readonly directories: readonly Placed[];
}

/**
 * Outputs of which one would overwrite the other: different paths, one URL (`StorageRegistry.identity`). The same path given twice is
 * stored twice, directories are merged, and what a wildcard matches is not known yet. Pure; linear in the number of outputs.
 */
export function checkMeetingOutputs(outputs: readonly TesOutput[], storage: StorageRegistry): Problem[] {
  if (outputs.length < 2) return [];
  const problems: Problem[] = [];
  const meetings = new Map<string, Meeting>();
  for (const [index, output] of outputs.entries()) {
    if (output.path_prefix !== undefined && mayHoldWildcard(output.path)) continue;
    const path = normalizeContainerPath(output.path);
    const key = storage.identity(finalUrl(path, output, storage));
    const { file, directories } = meetings.get(key) ?? { directories: [] };
    const isFile = output.type !== 'DIRECTORY';
    const other = [...(file ? [file] : []), ...(isFile ? directories : [])].find((one) => one.path !== path);
    if (other) {
      problems.push({
        path: `$.outputs[${index}].url`,
        message: `is also the url of another output, $.outputs[${other.index}]: ${path} and ${other.path} would overwrite each other`,
      });
    } else if (isFile) {
      meetings.set(key, { file: file ?? { path, index }, directories });
    } else if (!directories.some((one) => one.path === path) && directories.length < 2) {
      meetings.set(key, { ...(file && { file }), directories: [...directories, { path, index }] });
    }
  }
  return problems;
}

/** A file whose URL ends in a slash goes below it, under its own name. */
function finalUrl(path: string, { url, type }: TesOutput, storage: StorageRegistry): string {
  const client = type !== 'DIRECTORY' && namesFolder(url) ? storage.find(url) : undefined;
  return client ? client.join(url, posix.basename(path)) : url;
}

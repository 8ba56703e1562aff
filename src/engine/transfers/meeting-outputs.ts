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
  const keys = outputs.map((output) => (isWildcard(output) ? undefined : storage.identity(finalUrl(output, storage))));
  const known = keys.filter((key) => key !== undefined);
  // Nearly every task: then no path need be looked at.
  if (new Set(known).size === known.length) return [];
  const problems: Problem[] = [];
  const meetings = new Map<string, Meeting>();
  for (const [index, output] of outputs.entries()) {
    const key = keys[index];
    if (key === undefined) continue;
    const path = normalizeContainerPath(output.path);
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

function isWildcard({ path, path_prefix: prefix }: TesOutput): boolean {
  return prefix !== undefined && mayHoldWildcard(path);
}

/** A file whose URL ends in a slash goes below it, under its own name. */
function finalUrl({ path, url, type }: TesOutput, storage: StorageRegistry): string {
  const client = type !== 'DIRECTORY' && namesFolder(url) ? storage.find(url) : undefined;
  return client ? client.join(url, posix.basename(normalizeContainerPath(path))) : url;
}

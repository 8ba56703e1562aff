import { posix } from 'node:path';
import { type Problem, TransferError } from '../../ports/errors';
import type { StorageRegistry } from '../../ports/registries';
import { mayHoldWildcard, normalizeContainerPath } from '../../task/container-path';
import { holdersOf } from '../../task/folders';
import type { TesOutput } from '../../task/tes';
import { namesFolder } from '../../task/url';
import type { OutputUpload } from './output-files';

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

/**
 * The same for what directories and wildcards turn out to hold, as it is found: of two files for one URL neither is stored silently in
 * the other's place. Remembers nothing of outputs whose URLs lie beside each other, which are nearly all.
 */
export class MetOutputs {
  private readonly meets = new Set<number>();
  private readonly first = new Map<string, OutputUpload>();

  constructor(
    outputs: readonly TesOutput[],
    private readonly storage: StorageRegistry,
  ) {
    const areas = outputs.map(({ url }, index) => ({ index, folder: areaOf(storage.identity(url)) }));
    areas.sort((one, other) => (one.folder < other.folder ? -1 : Number(one.folder > other.folder)));
    for (const [at, holder] of holdersOf(areas.map(({ folder }) => folder)).entries()) {
      if (holder === undefined) continue;
      for (const area of [areas[at], areas[holder]]) if (area) this.meets.add(area.index);
    }
  }

  /** Throws when something else goes to the file's URL already; the same path given twice is stored twice. */
  claim(index: number, file: OutputUpload): void {
    if (!this.meets.has(index)) return;
    const key = this.storage.identity(file.url);
    const before = this.first.get(key);
    if (!before) this.first.set(key, file);
    else if (before.source !== file.source)
      throw new TransferError(`${before.path} is stored there, and one would overwrite the other`, { retryable: false });
  }
}

/** As a folder: all that an output can store lies below it. A query stands behind the names that are joined. */
function areaOf(url: string): string {
  return `${(/^https?:/.test(url) ? url.replace(/\?[^]*$/, '') : url).replace(/\/+$/, '')}/`;
}

function isWildcard({ path, path_prefix: prefix }: TesOutput): boolean {
  return prefix !== undefined && mayHoldWildcard(path);
}

/** A file whose URL ends in a slash goes below it, under its own name. */
function finalUrl({ path, url, type }: TesOutput, storage: StorageRegistry): string {
  const client = type !== 'DIRECTORY' && namesFolder(url) ? storage.find(url) : undefined;
  return client ? client.join(url, posix.basename(normalizeContainerPath(path))) : url;
}

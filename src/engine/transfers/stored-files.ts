import { createHash } from 'node:crypto';
import type { StorageStat } from '../../ports/storage-client';
import type { OutputUpload } from './output-files';

/** Files that one process remembers, of all jobs together: some 20 MB. What is not remembered is sent again. */
const MOST_FILES = 100_000;
const LONGEST_VERSION = 200;

/** Which files of one job have been stored, so that another try at its outputs sends only the rest. */
export class StoredFiles {
  /** By their keys, the versions that their storage gave them. */
  private readonly known = new Map<string, string | undefined>();
  constructor(private readonly most = MOST_FILES) {}

  get size(): number {
    return this.known.size;
  }

  has(file: OutputUpload): boolean {
    return this.known.has(keyOf(file));
  }

  /** Whether this is what was stored, as far as a storage can tell. */
  isSame(file: OutputUpload, { kind, sizeBytes, version }: StorageStat): boolean {
    const stored = this.known.get(keyOf(file));
    return kind === 'file' && sizeBytes === file.sizeBytes && (stored === undefined || version === stored);
  }

  add(file: OutputUpload, version?: string): void {
    // A longer one is no entity tag that is worth the memory.
    const kept = version !== undefined && version.length <= LONGEST_VERSION ? version : undefined;
    if (this.known.size < this.most) this.known.set(keyOf(file), kept);
  }
}

/** The same for the jobs of a gateway. Only in memory: after a restart everything is sent again. */
export class StoredFilesOfJobs {
  private readonly jobs = new Map<string, StoredFiles>();
  constructor(private readonly most = MOST_FILES) {}

  /** Makes room by forgetting jobs, those first whose outputs were not tried for the longest time. */
  of(jobName: string): StoredFiles {
    const files = this.jobs.get(jobName) ?? new StoredFiles(this.most);
    this.jobs.delete(jobName);
    this.jobs.set(jobName, files);
    let total = 0;
    for (const { size } of this.jobs.values()) total += size + 1;
    for (const [name, { size }] of this.jobs) {
      if (total <= this.most || name === jobName) break;
      this.jobs.delete(name);
      total -= size + 1;
    }
    return files;
  }

  forget(jobName: string): void {
    this.jobs.delete(jobName);
  }
}

function keyOf({ source, url, sizeBytes, mode }: OutputUpload): string {
  return createHash('sha256')
    .update(JSON.stringify([source, url, sizeBytes, mode]))
    .digest('base64')
    .slice(0, 22);
}

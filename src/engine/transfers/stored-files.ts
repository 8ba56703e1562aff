import { createHash } from 'node:crypto';
import type { OutputUpload } from './output-files';

/** Files that one process remembers, of all jobs together: some 8 MB. What is not remembered is sent again. */
const MOST_FILES = 100_000;

/** Which files of one job have been stored, so that another try at its outputs sends only the rest. */
export class StoredFiles {
  private readonly known = new Set<string>();
  constructor(private readonly most = MOST_FILES) {}

  get size(): number {
    return this.known.size;
  }

  has(file: OutputUpload): boolean {
    return this.known.has(keyOf(file));
  }

  add(file: OutputUpload): void {
    if (this.known.size < this.most) this.known.add(keyOf(file));
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

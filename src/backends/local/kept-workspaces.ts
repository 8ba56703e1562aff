import { promises as fs } from 'node:fs';
import { diskUsage } from '../shared/disk-usage';
import { isMissing } from '../shared/workspace-errors';
import { existsNow } from '../shared/small-files';
import type { JobDirectories } from './job-directories';

export interface KeptLimits {
  /** Absent: they stay as long as there is room. */
  readonly ageMs?: number;
  readonly bytes: number;
}

interface Kept {
  readonly name: string;
  readonly keptAt: number;
}

/** Workspaces of tasks that have ended, set aside for a look. The oldest go when their time is over or they take too much, never the latest for want of room. */
export class KeptWorkspaces {
  /** Nothing changes there: each is measured once. */
  private readonly sizes = new Map<string, number>();

  constructor(
    private readonly directories: Pick<JobDirectories, 'workspace' | 'kept' | 'allKept'>,
    private readonly limits: KeptLimits,
    private readonly remove: (directory: string) => Promise<void>,
    private readonly now = (): number => Date.now(),
  ) {}

  async keep(jobName: string): Promise<void> {
    const { directory } = this.directories.workspace(jobName);
    if (!existsNow(directory)) return;
    const place = this.directories.kept(jobName);
    await this.remove(place);
    const at = new Date(this.now());
    await fs.utimes(directory, at, at);
    await fs.rename(directory, place);
  }

  /** Rejects when one could not be removed; the others are by then. */
  async sweep(signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    const staying: { name: string; bytes: number }[] = [];
    const { ageMs = Infinity, bytes: most } = this.limits;
    for (const { name, keptAt } of await this.oldestFirst()) {
      signal.throwIfAborted();
      if (this.now() - keptAt > ageMs) await this.drop(name, failures);
      else staying.push({ name, bytes: await this.sizeOf(name, signal) });
    }
    let sum = staying.reduce((total, { bytes }) => total + bytes, 0);
    for (const { name, bytes } of staying.slice(0, -1)) {
      if (sum <= most) break;
      await this.drop(name, failures);
      sum -= bytes;
    }
    if (failures.length > 0) throw failures[0];
  }

  private async oldestFirst(): Promise<readonly Kept[]> {
    const found: Kept[] = [];
    for (const name of await this.directories.allKept()) {
      try {
        found.push({ name, keptAt: (await fs.lstat(this.directories.kept(name))).mtimeMs });
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
    const names = new Set(found.map(({ name }) => name));
    for (const name of this.sizes.keys()) if (!names.has(name)) this.sizes.delete(name);
    return found.sort((one, other) => one.keptAt - other.keptAt);
  }

  private async sizeOf(name: string, signal: AbortSignal): Promise<number> {
    const bytes = this.sizes.get(name) ?? (await diskUsage(this.directories.kept(name), signal));
    this.sizes.set(name, bytes);
    return bytes;
  }

  private async drop(name: string, failures: unknown[]): Promise<void> {
    try {
      await this.remove(this.directories.kept(name));
    } catch (error) {
      failures.push(error);
    }
  }
}

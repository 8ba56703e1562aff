import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '../shared/workspace-errors';
import { HOST_ETC, LIVE_ETC } from '../shared/runtimes/host-root';
import { existsNow } from '../shared/small-files';
import { removeTree } from './job-directories';

/** A change of the machine's files (a package, a user) is seen by jobs that start so much later, ms. */
const LOOK_AGAIN_MS = 30_000;
/** A name that would make the copy larger than this is left out of it. */
const MOST_ENTRIES = 10_000;
const MOST_BYTES = 64 * 1024 * 1024;

type Entry =
  | { readonly path: string; readonly kind: 'directory' }
  | { readonly path: string; readonly kind: 'link'; readonly target: string }
  | { readonly path: string; readonly kind: 'file'; readonly size: number; readonly changedMs: number };

/**
 * A copy of what bubblewrap jobs see of /etc, of which only what everybody may read: a job of root's would see keys and passwords else.
 * bwrap reads the whole mount table for every mount it makes, so that one mount instead of one per name is a third of its time.
 * Copies are named by their content and stay: a job may run for weeks on its own.
 */
export class HostEtc {
  private lookedAt = -Infinity;
  private copy: Promise<string> | undefined;

  constructor(
    private readonly directory: string,
    private readonly leftOut: (name: string) => void,
    private readonly source = '/etc',
    private readonly monotonicNow = (): number => performance.now(),
  ) {}

  /** Where the copy is; rejects with the file system's error when it cannot be made. */
  current(): Promise<string> {
    if (this.copy !== undefined && this.monotonicNow() - this.lookedAt < LOOK_AGAIN_MS) return this.copy;
    this.lookedAt = this.monotonicNow();
    const copy = this.make();
    this.copy = copy;
    copy.catch(() => {
      if (this.copy === copy) this.copy = undefined;
    });
    return copy;
  }

  private async make(): Promise<string> {
    const entries: Entry[] = [];
    for (const name of HOST_ETC) {
      if (LIVE_ETC.has(name)) continue;
      const own: Entry[] = [];
      await this.list(name, own, true);
      const bytes = [...entries, ...own].reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.size : 0), 0);
      if (entries.length + own.length > MOST_ENTRIES || bytes > MOST_BYTES) this.leftOut(name);
      else entries.push(...own);
    }
    const made = join(this.directory, createHash('sha256').update(JSON.stringify(entries)).digest('hex').slice(0, 32));
    if (!existsNow(made)) await this.write(entries, made);
    return made;
  }

  /** A name of the list may be a link to a file elsewhere (localtime): its content counts. Deeper links stay links. */
  private async list(path: string, entries: Entry[], follow: boolean): Promise<void> {
    const full = join(this.source, path);
    try {
      const stats = follow ? await fs.stat(full) : await fs.lstat(full);
      if (stats.isSymbolicLink()) entries.push({ path, kind: 'link', target: await fs.readlink(full) });
      else if (stats.isFile() && (stats.mode & 0o004) !== 0)
        entries.push({ path, kind: 'file', size: stats.size, changedMs: stats.ctimeMs });
      else if (stats.isDirectory() && (stats.mode & 0o005) === 0o005) {
        entries.push({ path, kind: 'directory' });
        if (entries.length > MOST_ENTRIES) return;
        for (const name of (await fs.readdir(full)).sort()) await this.list(join(path, name), entries, false);
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /** Made aside and renamed: a copy is there as a whole or not at all. */
  private async write(entries: readonly Entry[], made: string): Promise<void> {
    await fs.mkdir(this.directory, { recursive: true, mode: 0o700 });
    const aside = await fs.mkdtemp(`${made}.`);
    try {
      await fs.chmod(aside, 0o755);
      for (const entry of entries) {
        const to = join(aside, entry.path);
        if (entry.kind === 'directory') await fs.mkdir(to, { mode: 0o755 });
        else if (entry.kind === 'link') await fs.symlink(entry.target, to);
        else await fs.writeFile(to, await fs.readFile(join(this.source, entry.path)), { mode: 0o644 });
      }
      // Mounted live, over these.
      for (const name of LIVE_ETC) await fs.writeFile(join(aside, name), '', { mode: 0o644 });
      await fs.rename(aside, made);
    } catch (error) {
      await removeTree(aside);
      // Another gateway on the same directory may have been first.
      if (!existsNow(made)) throw error;
    }
  }
}

import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import {
  type ObjectOptions,
  type ReadOptions,
  StorageClient,
  type StorageEntry,
  type StorageStat,
  type Written,
} from '../../ports/storage-client';
import { type FillFile, localVersion, pour, SourceFile } from '../../ports/local-file';
import { AllowedDirectories, kindOf, type Opened } from './allowed-directories';
import { changedFile, fileError, refused } from './file-errors';
import { listTree } from './file-listing';
import { filePathOf, joinFileUrl } from './file-path';
import { streamOf } from './file-reading';
import { writeLink, writeWhole } from './file-writing';

export interface FileStorageSettings {
  /** Directories (absolute) that clients may read from and write to: setting `storage.file.allowed`. They need not exist yet. */
  readonly allowed: readonly string[];
  /** Name of this gateway process, for temporary names; the host's name when absent. */
  readonly instance?: string;
}

/** Files of this machine and what is mounted on it: `file:` URLs and bare absolute paths. Needs Linux (`/proc/self/fd`). */
export class FileStorage extends StorageClient {
  readonly schemes = ['file'] as const;
  private readonly allowed: AllowedDirectories;
  private readonly tag: string;

  /** Throws when an allowed directory is not absolute. */
  constructor(settings: FileStorageSettings) {
    super();
    this.allowed = new AllowedDirectories(settings.allowed);
    this.tag = createHash('sha256')
      .update(settings.instance ?? hostname())
      .digest('hex')
      .slice(0, 8);
  }

  get locations(): readonly string[] {
    return this.allowed.directories.map((directory) => `file://${encodeURI(directory).replace(/[?#]/g, encodeURIComponent)}`);
  }

  refusal(url: string): string | undefined {
    const named = filePathOf(url);
    return named.problem === undefined ? this.allowed.refusal(named.path) : `${url} ${named.problem}`;
  }

  async stat(url: string, signal: AbortSignal): Promise<StorageStat> {
    return this.guarded(url, 'cannot be read', signal, async (path) => {
      const { handle, stats } = await this.allowed.open(path);
      await handle.close();
      const mode = stats.mode & 0o777;
      if (stats.isDirectory()) return { kind: 'directory', mode };
      const { size, mtimeMs } = stats;
      if (stats.isFile()) return { kind: 'file', sizeBytes: size, mode, modifiedMs: mtimeMs, version: localVersion(stats) };
      throw refused(`${path} is ${kindOf(stats)}, not a file or directory`);
    });
  }

  override async *list(url: string, signal: AbortSignal): AsyncIterable<StorageEntry> {
    const path = this.pathOf(url);
    signal.throwIfAborted();
    try {
      yield* listTree(this.allowed, path, signal);
    } catch (error) {
      throw fileError(error, `${path} cannot be listed`);
    }
  }

  async read(url: string, options: ReadOptions, signal: AbortSignal): Promise<Readable> {
    return this.guarded(url, 'cannot be read', signal, async (path) => {
      const opened = await this.openRegular(path);
      const subject = `${path} cannot be read`;
      if (options.version === undefined || options.version === localVersion(opened.stats))
        return streamOf(opened, options, subject, signal);
      await opened.handle.close();
      throw changedFile(subject);
    });
  }

  override async openFile(url: string, signal: AbortSignal): Promise<SourceFile> {
    return this.guarded(url, 'cannot be read', signal, async (path) => {
      const { handle, stats } = await this.openRegular(path);
      return new SourceFile(handle, stats, (error) => fileError(error, `${path} cannot be read`));
    });
  }

  async write(url: string, content: Readable, options: ObjectOptions, signal: AbortSignal): Promise<Written> {
    // It may break while its place is being made; reading it brings the error up.
    content.on('error', () => undefined);
    try {
      return await this.writeFile(url, options, (target) => pour(content, target, signal), signal);
    } finally {
      content.destroy();
    }
  }

  override async writeFile(url: string, options: ObjectOptions, fill: FillFile, signal: AbortSignal): Promise<Written> {
    return this.guarded(url, 'cannot be written', signal, async (path) => {
      const directory = await this.allowed.makeDirectory(posix.dirname(path));
      try {
        const file = { directory, name: posix.basename(path), path, tag: this.tag, ...options };
        return await writeWhole(file, fill, signal);
      } finally {
        await directory.handle.close();
      }
    });
  }

  override async mkdir(url: string, mode: number | undefined, signal: AbortSignal): Promise<void> {
    await this.guarded(url, 'cannot be made', signal, async (path) => {
      const { handle } = await this.allowed.makeDirectory(path, mode);
      await handle.close();
    });
  }

  override async symlink(url: string, target: string, signal: AbortSignal): Promise<void> {
    await this.guarded(url, 'cannot be linked', signal, async (path) => {
      const directory = await this.allowed.makeDirectory(posix.dirname(path));
      try {
        await writeLink({ directory, name: posix.basename(path), path, tag: this.tag }, target);
      } finally {
        await directory.handle.close();
      }
    });
  }

  override identity(url: string): string {
    const named = filePathOf(url);
    return named.problem === undefined ? named.path : url;
  }

  join(url: string, relative: string): string {
    return joinFileUrl(url, relative);
  }

  private async openRegular(path: string): Promise<Opened> {
    const opened = await this.allowed.open(path);
    if (opened.stats.isFile()) return opened;
    await opened.handle.close();
    throw refused(`${path} is ${kindOf(opened.stats)}, not a file`);
  }

  private pathOf(url: string): string {
    const named = filePathOf(url);
    if (named.problem !== undefined) throw refused(`${url} ${named.problem}`);
    const reason = this.allowed.refusal(named.path);
    if (reason !== undefined) throw refused(reason);
    return named.path;
  }

  private async guarded<T>(url: string, failing: string, signal: AbortSignal, work: (path: string) => Promise<T>): Promise<T> {
    const path = this.pathOf(url);
    signal.throwIfAborted();
    try {
      return await work(path);
    } catch (error) {
      throw fileError(error, `${path} ${failing}`);
    }
  }
}

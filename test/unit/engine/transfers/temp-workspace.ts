import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readlink, rename, rm, stat, symlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TransferError } from '../../../../src/ports/errors';
import type { InputAttributes, Workspace, WorkspaceEntry } from '../../../../src/ports/execution-backend';

/** A workspace whose container root is a directory: `/x` is `directory/root/x`. */
export class TempWorkspace implements Workspace {
  readonly root: string;
  private readonly incoming: string;
  /** How often staging began anew. */
  begun = 0;

  constructor(directory: string) {
    this.root = join(directory, 'root');
    this.incoming = join(directory, 'incoming');
  }

  async beginInputs(): Promise<void> {
    this.begun += 1;
    await rm(this.incoming, { recursive: true, force: true });
    await mkdir(this.incoming, { recursive: true });
  }

  async write(path: string, { mode, modifiedMs }: InputAttributes, content: Readable, signal: AbortSignal): Promise<{ sizeBytes: number }> {
    const at = join(this.incoming, path);
    await mkdir(dirname(at), { recursive: true });
    try {
      await pipeline(content, createWriteStream(at, { flags: 'wx' }), { signal });
    } catch (error) {
      await rm(at, { force: true });
      throw error;
    }
    await chmod(at, mode);
    if (modifiedMs !== undefined) await utimes(at, new Date(), modifiedMs / 1000);
    return { sizeBytes: (await stat(at)).size };
  }

  async mkdir(path: string): Promise<void> {
    await mkdir(join(this.incoming, path), { recursive: true });
  }

  async symlink(path: string, target: string): Promise<void> {
    await mkdir(dirname(join(this.incoming, path)), { recursive: true });
    await symlink(target, join(this.incoming, path));
  }

  async commitInputs(): Promise<void> {
    await rename(this.incoming, this.root);
  }

  async isThere(): Promise<boolean> {
    return stat(this.root).then(
      () => true,
      () => false,
    );
  }

  async stat(path: string): Promise<WorkspaceEntry | undefined> {
    try {
      return await this.entry(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  async *list(path: string, signal: AbortSignal): AsyncIterable<WorkspaceEntry> {
    for (const name of (await readdir(join(this.root, path))).sort()) {
      signal.throwIfAborted();
      const entry = await this.entry(path === '/' ? `/${name}` : `${path}/${name}`);
      yield entry;
      if (entry.kind === 'directory') yield* this.list(entry.path, signal);
    }
  }

  async read(path: string): Promise<Readable> {
    if (!(await lstat(join(this.root, path))).isFile()) throw new TransferError(`${path} is no file`, { retryable: false });
    return createReadStream(join(this.root, path), { highWaterMark: 1 << 18 });
  }

  private async entry(path: string): Promise<WorkspaceEntry> {
    const stats = await lstat(join(this.root, path));
    const common = { path, sizeBytes: stats.size, mode: stats.mode & 0o777, modifiedMs: stats.mtimeMs };
    if (stats.isSymbolicLink()) return { ...common, kind: 'link', linkTarget: await readlink(join(this.root, path)) };
    return { ...common, kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other' };
  }
}

import { mkdirSync, promises as fs, renameSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TransferError } from '../../ports/errors';
import type { Workspace, WorkspaceEntry } from '../../ports/execution-backend';
import { pathOf, segmentsOf } from './container-path';
import { errorCode, isAbort, transferError } from './file-errors';
import type { Layout } from './layout';
import type { MountPlan } from './mount-plan';
import { existsNow } from './small-files';
import { openRegular, ScopedTrees } from './scoped-trees';

const PERMISSIONS = 0o777;

/**
 * The trees of a workspace on this machine. Inputs go straight into the trees that will be mounted, so that a program may
 * rename, unpack or change them like any file of its own; each try of staging starts anew and is committed by one rename.
 */
export class TreeWorkspace implements Workspace {
  private readonly incoming: ScopedTrees;
  private readonly trees: ScopedTrees;

  constructor(
    private readonly layout: Layout,
    plan: MountPlan,
  ) {
    this.incoming = new ScopedTrees(layout.inputs, plan);
    this.trees = new ScopedTrees(layout.trees, plan);
  }

  async beginInputs(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await attempt('/', 'write', async () => {
      if (existsNow(this.layout.plan)) throw new TransferError('the job has been handed over already', { retryable: false });
      await fs.rm(this.layout.inputs, { recursive: true, force: true });
      await fs.rm(this.layout.trees, { recursive: true, force: true });
      await fs.mkdir(this.layout.inputs);
      this.incoming.makeRoots();
    });
  }

  async write(path: string, mode: number, content: Readable, signal: AbortSignal): Promise<{ sizeBytes: number }> {
    return attempt(path, 'write', async () => {
      const segments = segmentsOf(path);
      this.incoming.makeDirectory(segments.slice(0, -1));
      const handle = await fs.open(this.incoming.hostPathOf(segments), 'wx', mode & PERMISSIONS);
      await handle.chmod(mode & PERMISSIONS);
      let sizeBytes = 0;
      const counter = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          sizeBytes += chunk.length;
          done(null, chunk);
        },
      });
      // The stream closes the handle, however it ends.
      await pipeline(content, counter, handle.createWriteStream(), { signal });
      return { sizeBytes };
    });
  }

  async mkdir(path: string, mode: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await attempt(path, 'write', async () => {
      this.incoming.makeDirectory(segmentsOf(path), mode & PERMISSIONS);
    });
  }

  async symlink(path: string, target: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await attempt(path, 'write', async () => {
      const segments = segmentsOf(path);
      this.incoming.makeDirectory(segments.slice(0, -1));
      await fs.symlink(target, this.incoming.hostPathOf(segments));
    });
  }

  async commitInputs(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await attempt('/', 'write', () => fs.rename(this.layout.inputs, this.layout.trees));
  }

  /** A job without inputs: the trees are made as if an empty set had been committed. */
  ensureTrees(): void {
    if (existsNow(this.layout.trees)) return;
    mkdirSync(this.layout.inputs, { recursive: true });
    this.incoming.makeRoots();
    renameSync(this.layout.inputs, this.layout.trees);
  }

  async stat(path: string, signal: AbortSignal): Promise<WorkspaceEntry | undefined> {
    return attempt(path, 'read', async () => {
      const found = await this.trees.find(path, false, signal);
      return found && entryOf(pathOf(segmentsOf(path)), found.hostPath, found.stats);
    });
  }

  async *list(path: string, signal: AbortSignal): AsyncIterable<WorkspaceEntry> {
    const found = await attempt(path, 'list', () => this.trees.find(path, false, signal));
    if (!found?.stats.isDirectory()) {
      throw new TransferError(`${path} is not a directory`, { retryable: false, notFound: found === undefined });
    }
    yield* this.walk(found.hostPath, pathOf(segmentsOf(path)), signal);
  }

  private async *walk(hostPath: string, path: string, signal: AbortSignal): AsyncIterable<WorkspaceEntry> {
    const names = (await attempt(path, 'list', () => readDirectory(hostPath))).sort();
    for (const name of names) {
      signal.throwIfAborted();
      const child = join(hostPath, name);
      const childPath = path === '/' ? `/${name}` : `${path}/${name}`;
      const entry = await attempt(childPath, 'list', async () => entryOf(childPath, child, await fs.lstat(child)));
      yield entry;
      if (entry.kind === 'directory') yield* this.walk(child, childPath, signal);
    }
  }

  async read(path: string, signal: AbortSignal): Promise<Readable> {
    return attempt(path, 'read', async () => {
      const found = await this.trees.find(path, false, signal);
      if (!found) throw new TransferError(`${path} does not exist`, { retryable: false, notFound: true });
      if (!found.stats.isFile()) throw new TransferError(`${path} is not a regular file`, { retryable: false });
      const handle = await opened(found.hostPath, found.stats, () => openRegular(found.hostPath));
      return handle.createReadStream({ highWaterMark: 1 << 18, signal });
    });
  }
}

async function entryOf(path: string, hostPath: string, stats: Stats): Promise<WorkspaceEntry> {
  const common = { path, sizeBytes: stats.isFile() ? stats.size : 0, mode: stats.mode & PERMISSIONS };
  if (stats.isSymbolicLink()) return { ...common, kind: 'link', linkTarget: await fs.readlink(hostPath) };
  return { ...common, kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other' };
}

async function readDirectory(hostPath: string): Promise<string[]> {
  return opened(hostPath, await fs.lstat(hostPath), () => fs.readdir(hostPath));
}

/** A program may have closed its own files; where they are the gateway user's, they are opened again. */
async function opened<T>(hostPath: string, stats: Stats, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (errorCode(error) !== 'EACCES' || stats.isSymbolicLink()) throw error;
    await fs.chmod(hostPath, (stats.mode & PERMISSIONS) | (stats.isDirectory() ? 0o700 : 0o400));
    return work();
  }
}

async function attempt<T>(path: string, doing: 'read' | 'write' | 'list', work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw transferError(path, doing, error);
  }
}

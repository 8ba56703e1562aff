import { mkdirSync, promises as fs, renameSync, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { InputAttributes, Workspace, WorkspaceEntry } from '../../ports/execution-backend';
import { type FillFile, keepTime, pour, SourceFile, TargetFile } from '../../ports/local-file';
import { pathOf, segmentsOf } from '../../task/container-path';
import { errorCode, isAbort, transferError } from './workspace-errors';
import { openToAll } from './file-modes';
import { strayLink, textOf, unnameable } from './file-names';
import type { Layout } from './layout';
import type { MountPlan } from './mount-plan';
import { existsNow } from './small-files';
import { diskUsage } from './disk-usage';
import { openRegular, ScopedTrees } from './scoped-trees';

const PERMISSIONS = 0o777;
/** While it is being filled. */
const OWNER_ONLY = 0o600;

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

  async write(path: string, attributes: InputAttributes, content: Readable, signal: AbortSignal): Promise<{ sizeBytes: number }> {
    // It may break while its place is being made; reading it brings the error up.
    content.on('error', () => undefined);
    try {
      return await this.writeFile(path, attributes, (target) => pour(content, target, signal), signal);
    } finally {
      content.destroy();
    }
  }

  async writeFile(
    path: string,
    { mode, modifiedMs }: InputAttributes,
    fill: FillFile,
    signal: AbortSignal,
  ): Promise<{ sizeBytes: number }> {
    signal.throwIfAborted();
    return attempt(path, 'write', async () => {
      const segments = segmentsOf(path);
      this.incoming.makeDirectory(segments.slice(0, -1));
      const hostPath = this.incoming.hostPathOf(segments);
      const handle = await fs.open(hostPath, 'wx', OWNER_ONLY);
      try {
        const target = new TargetFile(handle);
        const sizeBytes = await fill(target);
        await target.confirm(sizeBytes);
        await handle.chmod(openToAll(mode));
        await keepTime(handle, modifiedMs);
        return { sizeBytes };
      } catch (error) {
        // Half a large file may be what fills the disk. The first failure is the one to report.
        await fs.rm(hostPath, { force: true }).catch(() => undefined);
        throw error;
      } finally {
        await handle.close();
      }
    });
  }

  async mkdir(path: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await attempt(path, 'write', async () => {
      this.incoming.makeDirectory(segmentsOf(path));
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

  async isThere(signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    return attempt('/', 'read', async () => existsNow(this.layout.started) && existsNow(this.layout.trees));
  }

  async sizeBytes(signal: AbortSignal): Promise<number> {
    return diskUsage(this.layout.directory, signal);
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
    const found = await attempt(path, 'list', () => readDirectory(hostPath)).catch(asLost);
    for (const bytes of found.sort((one, other) => one.compare(other))) {
      signal.throwIfAborted();
      const name = textOf(bytes);
      if (name === undefined) {
        yield unnameable(path, bytes);
        continue;
      }
      const child = join(hostPath, name);
      const childPath = path === '/' ? `/${name}` : `${path}/${name}`;
      const entry = await attempt(childPath, 'list', async () => entryOf(childPath, child, await fs.lstat(child))).catch(asLost);
      yield entry;
      if (entry.kind === 'directory') yield* this.walk(child, childPath, signal);
    }
  }

  async read(path: string, signal: AbortSignal): Promise<Readable> {
    return attempt(path, 'read', async () => {
      const { handle } = await this.openRegular(path, signal);
      return handle.createReadStream({ highWaterMark: 1 << 18, signal });
    });
  }

  async openFile(path: string, signal: AbortSignal): Promise<SourceFile> {
    return attempt(path, 'read', async () => {
      const { handle, stats } = await this.openRegular(path, signal);
      return new SourceFile(handle, stats, (error) => transferError(path, 'read', error));
    });
  }

  private async openRegular(path: string, signal: AbortSignal): Promise<OpenRegular> {
    const found = await this.trees.find(path, false, signal);
    if (!found) throw new TransferError(`${path} does not exist`, { retryable: false, notFound: true });
    if (!found.stats.isFile()) throw new TransferError(`${path} is not a regular file`, { retryable: false });
    return { handle: await opened(found.hostPath, found.stats, () => openRegular(found.hostPath)), stats: found.stats };
  }
}

interface OpenRegular {
  readonly handle: FileHandle;
  readonly stats: Stats;
}

async function entryOf(path: string, hostPath: string, stats: Stats): Promise<WorkspaceEntry> {
  const common = { path, sizeBytes: stats.isFile() ? stats.size : 0, mode: stats.mode & PERMISSIONS, modifiedMs: stats.mtimeMs };
  if (stats.isSymbolicLink()) {
    const linkTarget = textOf(await fs.readlink(hostPath, { encoding: 'buffer' }));
    return linkTarget === undefined ? strayLink(path) : { ...common, kind: 'link', linkTarget };
  }
  return { ...common, kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other' };
}

/** What its directory held a moment ago. Nobody writes into a workspace while it is listed: somebody removes it. */
function asLost(error: unknown): never {
  if (!(error instanceof TransferError) || !error.notFound) throw error;
  throw error.reworded(`${error.publicMessage}, although it was there when its directory was listed`, { retryable: true, lost: true });
}

async function readDirectory(hostPath: string): Promise<Buffer[]> {
  return opened(hostPath, await fs.lstat(hostPath), () => fs.readdir(hostPath, { encoding: 'buffer' }));
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

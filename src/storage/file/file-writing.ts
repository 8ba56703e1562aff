import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm, symlink } from 'node:fs/promises';
import { TransferError } from '../../ports/errors';
import { type FillFile, keepTime, localVersion, TargetFile } from '../../ports/local-file';
import type { Written } from '../../ports/storage-client';
import { childOf, kindOf, type Opened } from './allowed-directories';
import { syncDirectory } from './directory-sync';
import { codeOf, refused } from './file-errors';

/** Written bytes after which the kernel is asked to begin storing them, so that the final fsync finds little left to do. */
const FLUSH_EVERY_BYTES = 64 * 1024 * 1024;

export interface NewFile {
  readonly directory: Opened;
  readonly name: string;
  /** The whole path, for messages. */
  readonly path: string;
  readonly sizeBytes?: number;
  readonly mode?: number;
  readonly modifiedMs?: number;
  /** Says whose temporary names these are: one gateway process never touches another one's. */
  readonly tag: string;
}

/** Temporary names in use by this process, with their directory. */
const inUse = new Set<string>();

/**
 * Has the file filled under a temporary name in the same directory, fsyncs, renames over `name`, fsyncs the directory. A link at
 * `name` is replaced, never followed; anything else that is not a regular file is refused. Whatever fails, no part of it stays.
 */
export async function writeWhole(file: NewFile, fill: FillFile, signal: AbortSignal): Promise<Written> {
  await refuseOdd(file.directory, file.name, file.path);
  return withTemporaryName(file, async (temporary) => {
    const handle = await openNew(temporary, (file.mode ?? 0o666) & 0o777);
    try {
      // What the umask and the directory left of the mode asked for. Filling may change it: a clone brings its own.
      const { mode } = await handle.stat();
      const target = new FlushedFile(handle);
      const sizeBytes = await target.filled(fill);
      target.throwFailure();
      if (file.sizeBytes !== undefined && sizeBytes !== file.sizeBytes) {
        throw new TransferError(`${file.path}: ${sizeBytes} bytes came where ${file.sizeBytes} were announced`, { retryable: true });
      }
      await setMode(handle, mode);
      await keepTime(handle, file.modifiedMs);
      await handle.sync();
      // What the file system has, whatever the writes said.
      await target.confirm(sizeBytes);
      const version = localVersion(await handle.stat());
      signal.throwIfAborted();
      await rename(temporary, childOf(file.directory, file.name));
      await syncDirectory(file.directory);
      return { sizeBytes, version };
    } finally {
      await handle.close();
    }
  });
}

/** Makes a link in one step; an older link or file at `name` is replaced. */
export async function writeLink(file: NewFile, target: string): Promise<void> {
  await refuseOdd(file.directory, file.name, file.path);
  await withTemporaryName(file, async (temporary) => {
    await rm(temporary, { force: true });
    await symlink(target, temporary);
    await rename(temporary, childOf(file.directory, file.name));
    await syncDirectory(file.directory);
  });
}

/** What a killed process left under this name is thrown away: the write that it belonged to is this one. */
async function openNew(temporary: string, mode: number): Promise<FileHandle> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    return await open(temporary, flags, mode);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    await rm(temporary);
    return open(temporary, flags, mode);
  }
}

/** A file system without modes is left as it is. */
async function setMode(handle: FileHandle, mode: number): Promise<void> {
  try {
    await handle.chmod(mode & 0o777);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes(codeOf(error) ?? '')) throw error;
  }
}

/** Has the kernel store what is written while more is being written, so that the fsync at the end finds little left to do. */
class FlushedFile extends TargetFile {
  private unflushedBytes = 0;
  private flushing: Promise<void> | undefined;
  private failure: { readonly error: unknown } | undefined;

  async filled(fill: FillFile): Promise<number> {
    try {
      return await fill(this);
    } finally {
      await this.flushing;
    }
  }

  override async write(bytes: Uint8Array, position: number): Promise<void> {
    await super.write(bytes, position);
    this.throwFailure();
    this.unflushedBytes += bytes.length;
    if (this.unflushedBytes >= FLUSH_EVERY_BYTES) this.flush();
  }

  throwFailure(): void {
    if (this.failure) throw this.failure.error;
  }

  private flush(): void {
    if (this.flushing) return;
    this.unflushedBytes = 0;
    this.flushing = this.handle.datasync().then(
      () => (this.flushing = undefined),
      (error: unknown) => void (this.failure = { error }),
    );
  }
}

async function refuseOdd(directory: Opened, name: string, path: string): Promise<void> {
  try {
    const there = await lstat(childOf(directory, name));
    if (!there.isFile() && !there.isSymbolicLink()) throw refused(`${path} is ${kindOf(there)}; it is not replaced by a file`);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/**
 * A hidden name made of the target's, so that a repeated write meets and replaces what a killed one left; numbered, so that two
 * writes to one target at the same time do not meet. Removed at the end in any case.
 */
async function withTemporaryName<T>(file: NewFile, work: (temporary: string) => Promise<T>): Promise<T> {
  const hash = createHash('sha256').update(file.name).digest('hex').slice(0, 16);
  let number = 0;
  const nameOf = (): string => `.tes-${hash}-${file.tag}-${number}.part`;
  while (inUse.has(`${file.directory.realPath}/${nameOf()}`)) number += 1;
  const key = `${file.directory.realPath}/${nameOf()}`;
  inUse.add(key);
  const temporary = childOf(file.directory, nameOf());
  try {
    return await work(temporary);
  } catch (error) {
    // The first failure is the one to report.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  } finally {
    inUse.delete(key);
  }
}

import { constants, promises as fs } from 'node:fs';
import { TransferError } from '../../ports/errors';
import type { SourceFile, TargetFile } from '../../ports/local-file';
import type { Tries } from './tries';

/**
 * Bytes moved at once, in two buffers for each file that is being copied, however long it is. Larger writes were seen to take
 * four times as long: the buffers leave the core's cache, and the kernel looks for page cache in pieces that it has to make first.
 */
const CHUNK_BYTES = 256 * 1024;
const SMALLEST_CHUNK_BYTES = 4096;
/** A shorter file is copied before the file system has answered whether it clones. */
const SMALLEST_CLONE_BYTES = 1024 * 1024;

export interface LentSource {
  /** Called again when what it gave before broke. */
  open(): Promise<SourceFile>;
  /** At least this many bytes are expected, where it is known. */
  readonly sizeBytes?: number;
  /** Only this one; absent = the one that is there at the first opening. */
  readonly version?: string;
  /** As messages name it. */
  readonly name: string;
  /** What reading it may cost; without, the first failure is the last. */
  readonly tries?: Tries;
}

/**
 * Fills `target` with a file of this machine and resolves to its size. A file system that lets files share blocks (Btrfs, XFS)
 * clones it. Else the bytes pass through two buffers, one read into while the other is written from: no stream, no garbage. Holes
 * stay holes. What breaks is read on from where it broke, if it is the same version still, and what somebody wrote into meanwhile is
 * refused (`TransferError.changed`); the signal is looked at between two chunks.
 */
export async function copyFile(
  source: LentSource,
  target: TargetFile,
  moved: (bytes: number) => void,
  signal: AbortSignal,
): Promise<number> {
  const reader = new Reader(source, signal);
  try {
    const file = await reader.open();
    const clonedBytes = await clone(file, target);
    if (clonedBytes !== undefined) moved(clonedBytes);
    const bytes = clonedBytes ?? (await copyChunks(reader, file, target, moved, signal));
    await reader.confirm();
    return bytes;
  } finally {
    await reader.close();
  }
}

async function copyChunks(
  reader: Reader,
  { sizeBytes, hasHoles }: SourceFile,
  target: TargetFile,
  moved: (bytes: number) => void,
  signal: AbortSignal,
): Promise<number> {
  const zeros = hasHoles ? Buffer.alloc(CHUNK_BYTES) : undefined;
  let current = bufferFor(sizeBytes);
  let next = bufferFor(sizeBytes - current.length);
  let position = 0;
  let endsInHole = false;
  let reading = reader.read(current, position);
  try {
    for (;;) {
      const bytes = current.subarray(0, await reading);
      if (bytes.length === 0) break;
      signal.throwIfAborted();
      reading = reader.read(next, position + bytes.length);
      // Whoever breaks first is heard; the other one is waited for below.
      reading.catch(() => undefined);
      endsInHole = zeros?.subarray(0, bytes.length).equals(bytes) ?? false;
      if (!endsInHole) await target.write(bytes, position);
      position += bytes.length;
      moved(bytes.length);
      [current, next] = [next, current];
    }
  } finally {
    await reading.catch(() => undefined);
  }
  if (endsInHole) await target.extend(position);
  return position;
}

/** Shares the source's blocks; `undefined` where that cannot be. A wrong guess costs nothing but a system call. */
async function clone(source: SourceFile, target: TargetFile): Promise<number | undefined> {
  // The clone has the source's mode until the target's owner sets its own: never setuid, not even for a moment.
  if (source.sizeBytes < SMALLEST_CLONE_BYTES || source.hasSpecialMode) return undefined;
  const path = `/proc/self/fd/${target.fd}`;
  try {
    await fs.copyFile(`/proc/self/fd/${source.fd}`, path, constants.COPYFILE_FICLONE_FORCE);
    return (await fs.stat(path)).size;
  } catch {
    // Another file system, or one that does not clone: most do not. Reading and writing will say what is really wrong, if something is.
    return undefined;
  }
}

function bufferFor(sizeBytes: number): Buffer {
  return Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, Math.max(SMALLEST_CHUNK_BYTES, sizeBytes)));
}

/** Reads on where a file broke, within its tries. Ending early, by what was known of the size, is breaking. */
class Reader {
  private file: SourceFile | undefined;
  private version: string | undefined;

  constructor(
    private readonly source: LentSource,
    private readonly signal: AbortSignal,
  ) {
    this.version = source.version;
  }

  async open(): Promise<SourceFile> {
    return this.trying(async (file) => Promise.resolve(file));
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const { name, sizeBytes = 0, tries } = this.source;
    return this.trying(async (file) => {
      const bytesRead = await file.read(into, position);
      if (bytesRead === 0 && position < sizeBytes) {
        throw new TransferError(`${name} ended after ${position} of ${sizeBytes} bytes`, { retryable: true });
      }
      tries?.progressed(bytesRead);
      return bytesRead;
    });
  }

  /** What was read is one version. */
  async confirm(): Promise<void> {
    if (this.file && !(await this.file.isUnchanged())) throw this.changed();
  }

  async close(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    await file?.close();
  }

  private async trying<T>(work: (file: SourceFile) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        this.file ??= await this.source.open();
        this.version ??= this.file.version;
        if (this.file.version !== this.version) throw this.changed();
        return await work(this.file);
      } catch (error) {
        await this.close();
        if (!this.source.tries || (error instanceof TransferError && error.changed)) throw error;
        await this.source.tries.again(error, this.signal);
      }
    }
  }

  private changed(): TransferError {
    return new TransferError(`${this.source.name} has changed while it was being read`, { retryable: true, changed: true });
  }
}

import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { TransferError } from './errors';

/** Unit of `st_blocks`. */
const BLOCK_BYTES = 512;
const SPECIAL_MODE = 0o7000;
const KEEPS_NO_TIME: ReadonlySet<string> = new Set(['EPERM', 'EINVAL', 'ENOTSUP', 'ENOSYS']);

/**
 * A regular file of this machine, open for reading, lent by the adapter that opened it. Where a storage and a workspace both keep
 * their bytes in such files, those pass from descriptor to descriptor and through no stream. A path never changes hands: the adapter
 * alone opens what it names, and the descriptor stays at that file, whatever is renamed or linked meanwhile.
 */
export class SourceFile {
  readonly fd: number;
  /** When it was opened; the file may shrink or grow while it is read. */
  readonly sizeBytes: number;
  /** It takes fewer blocks than its size asks for: it has holes, or its file system packs it. */
  readonly hasHoles: boolean;
  /** Setuid, setgid or sticky is set. */
  readonly hasSpecialMode: boolean;
  /** As `StorageStat.version`, when it was opened. */
  readonly version: string;

  /** `told` puts an error of the file system into the words of the adapter. */
  constructor(
    private readonly handle: FileHandle,
    stats: Stats,
    private readonly told: (error: unknown) => unknown,
  ) {
    this.fd = handle.fd;
    this.sizeBytes = stats.size;
    this.hasHoles = stats.blocks * BLOCK_BYTES < stats.size;
    this.version = localVersion(stats);
    this.hasSpecialMode = (stats.mode & SPECIAL_MODE) !== 0;
  }

  /** Fills `into` with the bytes from `position` on, as far as there are any; 0 at the end. */
  async read(into: Uint8Array, position: number): Promise<number> {
    try {
      return (await this.handle.read(into, 0, into.length, position)).bytesRead;
    } catch (error) {
      throw this.told(error);
    }
  }

  /** It is still as it was when it was opened: nobody wrote into it meanwhile. */
  async isUnchanged(): Promise<boolean> {
    try {
      return localVersion(await this.handle.stat()) === this.version;
    } catch (error) {
      throw this.told(error);
    }
  }

  /** The end of the loan; waits for a read that is under way. */
  async close(): Promise<void> {
    await this.handle.close();
  }
}

/**
 * Gives an open file the time of what it is a copy of; the last thing done to it. A file system that takes none keeps its own, and a time
 * that no date has (a job may make one up) is none.
 */
export async function keepTime(handle: FileHandle, modifiedMs = NaN): Promise<void> {
  const time = new Date(modifiedMs);
  if (Number.isNaN(time.getTime())) return;
  try {
    // A number has the fraction, but before 1970 it would mean now.
    await handle.utimes(new Date(), modifiedMs < 0 ? time : modifiedMs / 1000);
  } catch (error) {
    if (!KEEPS_NO_TIME.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Another file under the name, or another content by size or time. */
export function localVersion({ dev, ino, size, mtimeMs }: Pick<Stats, 'dev' | 'ino' | 'size' | 'mtimeMs'>): string {
  return `${dev}-${ino}-${size}-${mtimeMs}`;
}

/** A new, empty file that nobody else sees yet, lent to whoever fills it. The adapter sets its mode afterwards, and closes it. */
export class TargetFile {
  constructor(protected readonly handle: FileHandle) {}

  get fd(): number {
    return this.handle.fd;
  }

  /** Writes all of `bytes`. What is left out between two writes is a hole. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += (await this.handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    }
  }

  /** Throws when the file is not this long: some file systems store half and say that all is well. */
  async confirm(sizeBytes: number): Promise<void> {
    const { size } = await this.handle.stat();
    if (size !== sizeBytes) throw new TransferError(`${size} of ${sizeBytes} bytes were stored`, { retryable: true });
  }

  /** Makes the file this long, where it is to end in a hole. */
  async extend(sizeBytes: number): Promise<void> {
    await this.handle.truncate(sizeBytes);
  }
}

/** Writes a whole file and resolves to its size. Called at most once; when it throws, the adapter lets nothing of the file stay. */
export type FillFile = (target: TargetFile) => Promise<number>;

/** What a stream brings, from the beginning. A stream that brings nothing is let go when the signal says so. */
export async function pour(content: Readable, target: TargetFile, signal: AbortSignal): Promise<number> {
  let sizeBytes = 0;
  for await (const chunk of addAbortSignal(signal, content)) {
    signal.throwIfAborted();
    const bytes = bytesOf(chunk);
    await target.write(bytes, sizeBytes);
    sizeBytes += bytes.length;
  }
  signal.throwIfAborted();
  return sizeBytes;
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk);
  throw new TypeError('a stream of bytes is needed');
}

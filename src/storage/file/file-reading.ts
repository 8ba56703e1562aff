import { Readable } from 'node:stream';
import type { Opened } from './allowed-directories';
import type { ReadOptions } from '../../ports/storage-client';
import { localVersion } from '../../ports/local-file';
import { changedFile, fileError } from './file-errors';

/** Bytes read at once: as many as stay in a core's cache until they are written (1 MiB was seen to take twice the time). */
const CHUNK_BYTES = 256 * 1024;
const SMALLEST_CHUNK_BYTES = 4096;

/** The bytes of an open file; fails at the end if somebody wrote into it meanwhile. Closes it at the end, whatever the end is. */
export function streamOf(file: Opened, { offset = 0, length = Infinity }: ReadOptions, subject: string, signal: AbortSignal): Readable {
  let position = offset;
  const end = offset + length;
  const read = async (): Promise<Buffer | null> => {
    const left = Math.min(file.stats.size + 1, end) - position;
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, Math.max(SMALLEST_CHUNK_BYTES, left), end - position));
    const { bytesRead } = buffer.length === 0 ? { bytesRead: 0 } : await file.handle.read(buffer, 0, buffer.length, position);
    position += bytesRead;
    if (bytesRead > 0) return buffer.subarray(0, bytesRead);
    if (localVersion(await file.handle.stat()) !== localVersion(file.stats)) throw changedFile(subject);
    return null;
  };
  const stream = new Readable({
    highWaterMark: 2 * CHUNK_BYTES,
    signal,
    read(): void {
      read().then(
        (bytes) => this.push(bytes),
        (error: unknown) => this.destroy(fileError(error, subject) as Error),
      );
    },
    destroy(error, done): void {
      file.handle.close().then(
        () => {
          done(error);
        },
        (closing: unknown) => {
          done(error ?? (closing as Error));
        },
      );
    },
  });
  // It may end before its reader has begun to listen; the reader finds the error when it does.
  return stream.on('error', () => undefined);
}

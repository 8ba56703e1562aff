import { Readable } from 'node:stream';
import type { Opened } from './allowed-directories';
import { fileError } from './file-errors';

/** Bytes read at once: as many as stay in a core's cache until they are written (1 MiB was seen to take twice the time). */
const CHUNK_BYTES = 256 * 1024;
const SMALLEST_CHUNK_BYTES = 4096;

/** The bytes of an open file from `offset` on. Closes it at the end, whatever the end is. */
export function streamOf(file: Opened, offset: number, subject: string, signal: AbortSignal): Readable {
  let position = offset;
  const stream = new Readable({
    highWaterMark: 2 * CHUNK_BYTES,
    signal,
    read(): void {
      const left = file.stats.size - position + 1;
      const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, Math.max(SMALLEST_CHUNK_BYTES, left)));
      file.handle.read(buffer, 0, buffer.length, position).then(
        ({ bytesRead }) => {
          position += bytesRead;
          this.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead));
        },
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

import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { SourceFile } from '../../ports/local-file';
import type { PartSource } from '../../ports/storage-client';

const CHUNK_BYTES = 256 * 1024;

/** An open file in parts. What somebody wrote into since it was opened is refused: its parts are those of one version. */
export function partSource(file: SourceFile, name: string, moved: (bytes: number) => void, signal: AbortSignal): PartSource {
  const slice = (offset: number, length: number): Readable => {
    const stream = Readable.from(bytesOf(file, name, offset, length, moved), { objectMode: false, highWaterMark: CHUNK_BYTES, signal });
    // It may end before its reader has begun to listen; the reader finds the error when it does.
    return stream.on('error', () => undefined);
  };
  return { sizeBytes: file.sizeBytes, slice };
}

async function* bytesOf(
  file: SourceFile,
  name: string,
  offset: number,
  length: number,
  moved: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const end = offset + length;
  for (let position = offset; position < end;) {
    const into = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - position));
    const bytesRead = await file.read(into, position);
    if (bytesRead === 0) throw new TransferError(`${name} ended after ${position} of ${file.sizeBytes} bytes`, { retryable: true });
    position += bytesRead;
    moved(bytesRead);
    yield into.subarray(0, bytesRead);
  }
  if (!(await file.isUnchanged())) {
    throw new TransferError(`${name} has changed while it was being read`, { retryable: true, changed: true });
  }
}

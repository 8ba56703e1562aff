import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { Tries } from './tries';

export interface ResumableSource {
  /** The bytes from `offset` on. */
  open(offset: number): Promise<Readable>;
  /** At least this many are expected, where the storage said so. */
  readonly sizeBytes?: number;
  /** As messages name it. */
  readonly name: string;
}

/**
 * One stream out of as many as it takes: when the source breaks, it is opened again where it stopped, within `tries`. The reader
 * sees the bytes of one version once and in order, or an error. Ending early, by what the storage had said of the size, is breaking.
 */
export function resumedStream(source: ResumableSource, tries: Tries, moved: (bytes: number) => void, signal: AbortSignal): Readable {
  const stream = Readable.from(chunksOf(source, tries, moved, signal), { objectMode: false, highWaterMark: 1024 * 1024, signal });
  // It may end before its reader has begun to listen; the reader finds the error when it does.
  return stream.on('error', () => undefined);
}

async function* chunksOf(
  source: ResumableSource,
  tries: Tries,
  moved: (bytes: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  let part: OpenPart | undefined;
  try {
    for (;;) {
      let chunk: Uint8Array | undefined;
      try {
        part ??= partOf(await source.open(offset));
        chunk = await part.next();
        if (chunk === undefined && source.sizeBytes !== undefined && offset < source.sizeBytes) {
          throw new TransferError(`${source.name} ended after ${offset} of ${source.sizeBytes} bytes`, { retryable: true });
        }
      } catch (error) {
        part?.close();
        part = undefined;
        if (error instanceof TransferError && error.changed) throw error;
        await tries.again(error, signal);
        continue;
      }
      if (chunk === undefined) return;
      offset += chunk.length;
      tries.progressed(chunk.length);
      moved(chunk.length);
      // Outside the `try`: what the reader throws in here is its own failure, not the source's.
      yield chunk;
    }
  } finally {
    part?.close();
  }
}

interface OpenPart {
  next(): Promise<Uint8Array | undefined>;
  close(): void;
}

function partOf(stream: Readable): OpenPart {
  const iterator: AsyncIterator<unknown, undefined> = stream[Symbol.asyncIterator]();
  return {
    async next() {
      const next = await iterator.next();
      if (next.done === true) return undefined;
      if (next.value instanceof Uint8Array) return next.value;
      throw new TypeError('a stream of bytes is needed');
    },
    close: () => void stream.destroy(),
  };
}

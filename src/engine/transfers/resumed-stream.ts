import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import { SUMS, type Sums } from '../../ports/storage-client';
import type { Tries } from './tries';

export interface ResumableSource {
  /** The bytes from `offset` on. */
  open(offset: number): Promise<Readable>;
  /** At least this many are expected, where the storage said so. */
  readonly sizeBytes?: number;
  /** What they are to sum up to, where the storage said so. */
  readonly sums?: Sums;
  /** As messages name it. */
  readonly name: string;
  /** Whether `open` gives the bytes of one version only; else what came before a break is read again and has to be the same. */
  readonly isOneVersion: boolean;
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
  const given = SUMS.find((name) => source.sums?.[name] !== undefined);
  const sum = source.isOneVersion && given === undefined ? undefined : createHash(given ?? 'sha256');
  try {
    for (;;) {
      let chunk: Uint8Array | undefined;
      try {
        part ??=
          sum && !source.isOneVersion && offset > 0 ? await sameAgain(source, offset, sum, given) : partOf(await source.open(offset));
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
      if (chunk === undefined) {
        if (sum && given !== undefined && sum.digest('hex') !== source.sums?.[given]) throw damaged(source, given);
        return;
      }
      offset += chunk.length;
      sum?.update(chunk);
      tries.progressed(chunk.length);
      moved(chunk.length);
      // Outside the `try`: what the reader throws in here is its own failure, not the source's.
      yield chunk;
    }
  } finally {
    part?.close();
  }
}

function damaged({ name }: ResumableSource, sum: string): TransferError {
  return new TransferError(`${name} came with another ${sum} checksum than its storage gives`, { retryable: true, changed: true });
}

/** From the beginning on, as far as `offset` read and compared; throws `TransferError.changed` where it is not the same. */
async function sameAgain(source: ResumableSource, offset: number, before: Hash, algorithm = 'sha256'): Promise<OpenPart> {
  const part = partOf(await source.open(0));
  try {
    const sum = createHash(algorithm);
    let left = offset;
    let rest = new Uint8Array();
    while (left > 0) {
      const chunk = await part.next();
      if (chunk === undefined) break;
      sum.update(chunk.subarray(0, left));
      rest = new Uint8Array(chunk.subarray(left));
      left -= Math.min(left, chunk.length);
    }
    if (left === 0 && sum.digest().equals(before.copy().digest())) return { ...part, next: firstOf(rest, part) };
    throw new TransferError(`${source.name} has changed while it was being read`, { retryable: true, changed: true });
  } catch (error) {
    part.close();
    throw error;
  }
}

function firstOf(first: Uint8Array, part: OpenPart): OpenPart['next'] {
  let isGiven = first.length === 0;
  return async () => {
    if (isGiven) return part.next();
    isGiven = true;
    return Promise.resolve(first);
  };
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

import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import { idleError } from '../shared/idle-watch';
import type { Answer } from './http-exchange';
import { networkError } from '../shared/http-errors';

export interface ExpectedBody {
  readonly subject: string;
  readonly idleTimeoutMs: number;
  /** Bytes at the start that are not wanted. */
  readonly skipBytes?: number;
  /** Bytes after those, at most; absent = all. */
  readonly length?: number;
  /** Bytes after those, at least, by what the server said of the whole: it may give a shorter part than it was asked for. */
  readonly leastBytes?: number;
}

/**
 * The body of an answer. One that is shorter than announced ends with an error (Node's parser sees to that). A slow reader is no
 * idle server.
 */
export function receivedBody(answer: Answer, expected: ExpectedBody, signal: AbortSignal): Readable {
  const stream = Readable.from(received(answer, expected, signal), { objectMode: false, signal });
  // Also when it is given up before the first byte is read.
  stream.once('close', () => {
    answer.idle.end();
    answer.body.destroy();
  });
  // It may end before its reader has begun to listen; the reader finds the error when it does.
  return stream.on('error', () => undefined);
}

async function* received({ body, idle }: Answer, expected: ExpectedBody, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterator<Buffer> = body[Symbol.asyncIterator]();
  let bytes = 0;
  const end = (expected.skipBytes ?? 0) + (expected.length ?? Infinity);
  while (bytes < end) {
    let next: IteratorResult<Buffer>;
    idle.arm();
    try {
      next = await chunks.next();
    } catch (error) {
      signal.throwIfAborted();
      throw idle.expired
        ? idleError(expected.subject, expected.idleTimeoutMs)
        : networkError(error, { subject: expected.subject, during: 'answer' });
    } finally {
      idle.rest();
    }
    if (next.done === true) break;
    const skip = Math.min(next.value.length, Math.max(0, (expected.skipBytes ?? 0) - bytes));
    const wanted = next.value.subarray(skip, end - bytes);
    bytes += next.value.length;
    if (wanted.length > 0) yield wanted;
  }
  const { skipBytes = 0, leastBytes = 0 } = expected;
  if (bytes >= skipBytes && bytes < skipBytes + leastBytes) {
    throw new TransferError(`${expected.subject}: only ${bytes - skipBytes} of ${leastBytes} bytes came`, { retryable: true });
  }
  if (bytes < skipBytes) {
    throw new TransferError(`${expected.subject}: it has become shorter while it was being read`, { retryable: true });
  }
}

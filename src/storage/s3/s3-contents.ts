import type { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { PartSource } from '../../ports/storage-client';
import type { MemoryBudget } from './memory-budget';
import { Collected, type Part } from './s3-upload';

/** A stream in parts, each read when there is memory for it. Throws where more or fewer bytes come than were announced. */
export class StreamInParts {
  private readonly chunks: AsyncIterator<unknown, undefined>;
  private rest: Uint8Array | undefined;
  private isOver = false;
  private bytes = 0;

  constructor(
    content: Readable,
    private readonly expected: { readonly subject: string; readonly sizeBytes?: number; readonly partBytes: number },
  ) {
    this.chunks = content[Symbol.asyncIterator]() as AsyncIterator<unknown, undefined>;
  }

  /** Whether everything has been read. */
  get isWhole(): boolean {
    return this.isOver;
  }

  /** The next bytes: a whole part, or what is left. */
  async collect(): Promise<Collected> {
    const { partBytes } = this.expected;
    const collected = new Collected();
    while (collected.sizeBytes < partBytes) {
      const chunk = this.rest ?? (await this.next());
      this.rest = undefined;
      if (!chunk) break;
      const room = partBytes - collected.sizeBytes;
      collected.add(chunk.subarray(0, room));
      if (chunk.length > room) this.rest = chunk.subarray(room);
    }
    // Whether this was the last one shows only now.
    this.rest ??= await this.next();
    return collected;
  }

  private async next(): Promise<Uint8Array | undefined> {
    const { subject, sizeBytes } = this.expected;
    const wrong = (bytes: string): TransferError =>
      new TransferError(`${subject}: ${bytes} bytes came where ${sizeBytes} were announced`, { retryable: true });
    for (;;) {
      if (this.isOver) return undefined;
      const next = await this.chunks.next();
      if (next.done === true) {
        this.isOver = true;
        if (sizeBytes !== undefined && this.bytes < sizeBytes) throw wrong(String(this.bytes));
        return undefined;
      }
      if (!(next.value instanceof Uint8Array)) throw new TypeError('a stream of bytes is needed');
      this.bytes += next.value.length;
      if (sizeBytes !== undefined && this.bytes > sizeBytes) throw wrong(`at least ${this.bytes}`);
      if (next.value.length > 0) return next.value;
    }
  }
}

/** The parts of a stream of which the first has been read. */
export async function* partsOfStream(
  stream: StreamInParts,
  first: { readonly content: Collected; readonly release: () => void },
  { budget, partBytes }: { readonly budget: MemoryBudget; readonly partBytes: number },
  stop: AbortSignal,
): AsyncGenerator<Part> {
  const partOf = (number: number, collected: Collected, release: () => void): Part => {
    const content = Promise.resolve(collected.done());
    return { number, content: () => content, release };
  };
  yield partOf(1, first.content, first.release);
  for (let number = 2; !stream.isWhole; number += 1) {
    const release = await budget.take(partBytes, stop);
    let collected: Collected;
    try {
      collected = await stream.collect();
    } catch (error) {
      release();
      throw error;
    }
    yield partOf(number, collected, release);
  }
}

/** The parts of what can be read anywhere; each is read anew when it is sent again. */
export async function* partsOfSource(
  source: PartSource,
  { budget, partBytes }: { readonly budget: MemoryBudget; readonly partBytes: number },
  stop: AbortSignal,
): AsyncGenerator<Part> {
  for (let offset = 0, number = 1; offset < source.sizeBytes; offset += partBytes, number += 1) {
    const length = Math.min(partBytes, source.sizeBytes - offset);
    const release = await budget.take(length, stop);
    yield { number, content: async () => (await sliceOf(source, offset, length)).done(), release };
  }
}

export async function sliceOf(source: PartSource, offset: number, length: number): Promise<Collected> {
  const collected = new Collected();
  for await (const chunk of source.slice(offset, length)) collected.add(chunk as Uint8Array);
  if (collected.sizeBytes === length) return collected;
  throw new TransferError(`${collected.sizeBytes} of ${length} bytes came`, { retryable: true });
}

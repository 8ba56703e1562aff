import { Readable } from 'node:stream';
import { TransferError } from '../../../../src/ports/errors';
import type { WriteOptions } from '../../../../src/ports/storage-client';
import { FileStorage } from '../../../../src/storage/file/file.storage';

/** A real file storage over a bad line. */
export class BreakingStorage extends FileStorage {
  /** Where the next reads of a URL that ends so break: bytes after the offset asked for. Used up one by one. */
  readonly readBreaks: number[] = [];
  /** Errors of the next writes. Used up one by one. */
  readonly writeBreaks: Error[] = [];
  readonly offsets: number[] = [];
  busiest = 0;
  private busy = 0;

  override async read(url: string, options: { readonly offset?: number }, signal: AbortSignal): Promise<Readable> {
    this.offsets.push(options.offset ?? 0);
    this.busiest = Math.max(this.busiest, ++this.busy);
    const stream = await super.read(url, options, signal);
    stream.once('close', () => (this.busy -= 1));
    const after = this.readBreaks.shift();
    return after === undefined ? stream : Readable.from(broken(stream, after), { objectMode: false });
  }

  override async write(
    url: string,
    content: Readable,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<{ readonly sizeBytes: number }> {
    const error = this.writeBreaks.shift();
    if (!error) return super.write(url, content, options, signal);
    content.destroy();
    throw error;
  }
}

async function* broken(stream: Readable, after: number): AsyncGenerator<Uint8Array> {
  let left = after;
  for await (const chunk of stream) {
    const bytes = chunk as Uint8Array;
    if (bytes.length >= left) {
      yield bytes.subarray(0, left);
      throw new TransferError('the line broke', { retryable: true });
    }
    left -= bytes.length;
    yield bytes;
  }
}

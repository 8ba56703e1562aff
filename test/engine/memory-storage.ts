import { Readable } from 'node:stream';
import { TransferError } from '../../src/ports/errors';
import { StorageClient, type StorageEntry, type StorageStat } from '../../src/ports/storage-client';

/** Storage in memory under `mem://`, for engine tests in which the bytes do not matter. */
export class MemoryStorage extends StorageClient {
  readonly schemes = ['mem'];
  readonly locations = ['mem://'];
  readonly objects = new Map<string, string>();
  /** May throw, to play a fault. */
  onCall: (verb: string, url: string) => void = () => undefined;

  refusal(): string | undefined {
    return undefined;
  }
  stat(url: string): Promise<StorageStat> {
    this.onCall('stat', url);
    const text = this.objects.get(url);
    if (text === undefined) return Promise.reject(new TransferError(`${url} does not exist`, { retryable: false, notFound: true }));
    return Promise.resolve({ kind: 'file', sizeBytes: Buffer.byteLength(text) });
  }
  override async *list(): AsyncIterable<StorageEntry> {
    // No directories.
  }
  async read(url: string): Promise<Readable> {
    await this.stat(url);
    this.onCall('read', url);
    return Readable.from([Buffer.from(this.objects.get(url) ?? '')]);
  }
  async write(url: string, content: Readable): Promise<{ sizeBytes: number }> {
    this.onCall('write', url);
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(Buffer.from(chunk as Uint8Array));
    const bytes = Buffer.concat(chunks);
    this.objects.set(url, bytes.toString());
    return { sizeBytes: bytes.length };
  }
  join(url: string, relative: string): string {
    return `${url.replace(/\/$/, '')}/${relative}`;
  }
}

import { Readable } from 'node:stream';
import { TransferError } from '../../src/ports/errors';
import type { Owner } from '../../src/task/owner';
import { StorageClient, type StorageEntry, type StorageStat } from '../../src/ports/storage-client';

/** Storage in memory under `mem://`, for engine tests in which the bytes do not matter. */
export class MemoryStorage extends StorageClient {
  readonly schemes = ['mem'];
  readonly locations = ['mem://'];
  /** May throw, to play a fault. */
  onCall: (verb: string, url: string) => void = () => undefined;
  /** Pause before each byte of what is opened from now on, ms. */
  trickleMs = 0;

  constructor(readonly objects = new Map<string, string>()) {
    super();
  }

  refusal(_url: string, _use: 'read' | 'write', _owner?: Owner): string | undefined {
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
    const bytes = Buffer.from(this.objects.get(url) ?? '');
    return Readable.from(this.trickleMs === 0 ? [bytes] : trickle(bytes, this.trickleMs));
  }
  async write(url: string, content: Readable, _options: unknown, signal: AbortSignal): Promise<{ sizeBytes: number }> {
    this.onCall('write', url);
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(Buffer.from(chunk as Uint8Array));
    const bytes = Buffer.concat(chunks);
    if (this.trickleMs !== 0) for (let sent = 0; sent < bytes.length; sent += 1) await pause(this.trickleMs, signal);
    this.objects.set(url, bytes.toString());
    return { sizeBytes: bytes.length };
  }
  join(url: string, relative: string): string {
    return `${url.replace(/\/$/, '')}/${relative}`;
  }
}

async function* trickle(bytes: Buffer, pauseMs: number): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += 1) {
    await pause(pauseMs);
    yield bytes.subarray(at, at + 1);
  }
}

/** Throws what the signal says as soon as it says it. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

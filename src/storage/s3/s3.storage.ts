import type { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import {
  type PartSource,
  type ReadOptions,
  StorageClient,
  type StorageEntry,
  type StorageStat,
  type StoreOptions,
  type WriteOptions,
  type Written,
} from '../../ports/storage-client';
import { shownUrl } from '../../task/url';
import { Reach } from '../shared/reach';
import { MemoryBudget } from './memory-budget';
import { repeated } from './repeated';
import { addressOf, hasDottedSegment, identityOf, objectOf, prefixOf, type S3Address } from './s3-address';
import { S3Connections, type S3Settings } from './s3-connections';
import { partsOfSource, partsOfStream, sliceOf, StreamInParts } from './s3-contents';
import { endpointFor } from './s3-endpoints';
import { hasBelow, listBelow, missing } from './s3-listing';
import { readObject } from './s3-reading';
import { Collected, partBytesFor, putObject, putParts, type Uploading } from './s3-upload';

/** Parts of one upload under way at once. */
const PARALLEL = 4;

/**
 * `s3:` URLs, and `gs:` ones: Amazon's S3 and what speaks like it. A directory is what the keys below it make: `s3://b/a` and `s3://b/a/` name the same one,
 * but where there is also an object `a`, the first names that. Empty directories are kept as objects whose names end in a slash. There are no modes and no links.
 */
export class S3Storage extends StorageClient {
  readonly schemes = ['s3', 'gs'] as const;
  protected readonly connections: S3Connections;
  private readonly reach: Reach;
  protected readonly budget: MemoryBudget;

  /** `parts`: of one that shares some with others. */
  constructor(
    protected readonly settings: S3Settings,
    parts?: { readonly connections: S3Connections; readonly budget: MemoryBudget },
  ) {
    super();
    this.reach = new Reach(settings.reach);
    this.connections = parts?.connections ?? new S3Connections(settings);
    this.budget = parts?.budget ?? new MemoryBudget(settings.memoryBytes);
  }

  get locations(): readonly string[] {
    return this.settings.enabled ? ['s3://', 'gs://'] : [];
  }

  refusal(url: string, use: 'read' | 'write'): string | undefined {
    if (!this.settings.enabled) return `${shownUrl(url)}: the setting storage.s3.enabled is off`;
    const at = addressOf(url);
    if ('problem' in at) return `${shownUrl(url)} ${at.problem}`;
    if (at.versionId !== undefined && use === 'write') return `${shownUrl(url)} names a version of an object, which cannot be written`;
    const { url: server, prefix } = endpointFor(at, this.settings.endpoints);
    // Between here and the object somebody may resolve them, and the key would lie outside of the prefix whose credentials it is asked for with.
    if (
      hasDottedSegment(at.key) &&
      prefix
        .split('/')
        .slice(3)
        .some((segment) => segment !== '')
    )
      return `${shownUrl(url)} has . or .. as a segment of its key, which is not taken below ${prefix} (setting storage.s3.endpoints)`;
    const host = server === undefined ? '' : (URL.parse(server)?.hostname ?? '');
    const refused = this.reach.refusalOf(host);
    return refused === undefined ? undefined : `${shownUrl(url)}: its server ${refused}`;
  }

  async stat(url: string, signal: AbortSignal): Promise<StorageStat> {
    const at = this.at(url, signal);
    const subject = `${shownUrl(url)} cannot be read`;
    const isFolder = at.key === '' || at.key.endsWith('/');
    const file = isFolder ? undefined : await this.file(at, subject, signal);
    if (file) return file;
    if (at.versionId !== undefined) throw missing(subject);
    // A bucket that is there may be empty.
    if ((await hasBelow(this.connections, at, subject, signal)) || at.key === '') return { kind: 'directory' };
    throw missing(subject);
  }

  /** What is there under exactly this key; `undefined` where nothing is. */
  private async file(at: S3Address, subject: string, signal: AbortSignal): Promise<StorageStat | undefined> {
    const input = objectOf(at);
    const context = { subject, during: 'read', signal } as const;
    const head = () => this.connections.ask(at, context, (s3, abort) => s3.headObject(input, abort));
    try {
      const {
        ContentLength: sizeBytes,
        LastModified,
        ETag: version,
      } = await head().catch(async (error: unknown) => {
        if (!(error instanceof TransferError) || error.notFound || error.retryable) throw error;
        // An answer to HEAD has no words. GET says why, or where the bucket lies, after which HEAD is answered.
        const { Body } = await this.connections.ask(at, context, (s3, abort) => s3.getObject({ ...input, Range: 'bytes=0-0' }, abort));
        (Body as unknown as Readable).on('error', () => undefined).destroy();
        return head();
      });
      return {
        kind: 'file',
        ...(sizeBytes !== undefined && { sizeBytes }),
        ...(LastModified && { modifiedMs: LastModified.getTime() }),
        ...(version !== undefined && { version }),
      };
    } catch (error) {
      if (error instanceof TransferError && error.notFound) return undefined;
      throw error;
    }
  }

  override async *list(url: string, signal: AbortSignal): AsyncIterable<StorageEntry> {
    const at = this.at(url, signal);
    const subject = `${shownUrl(url)} cannot be listed`;
    if (at.versionId !== undefined) throw new TransferError(`${subject}: a directory has no versions`, { retryable: false });
    yield* listBelow(this.connections, at, subject, signal);
  }

  async read(url: string, options: ReadOptions, signal: AbortSignal): Promise<Readable> {
    const at = this.at(url, signal);
    const subject = `${shownUrl(url)} cannot be read`;
    return readObject({ connections: this.connections, budget: this.budget, at, subject, ...this.limits() }, options, signal);
  }

  async write(url: string, content: Readable, { sizeBytes }: WriteOptions, signal: AbortSignal): Promise<Written> {
    // It may break before it is read; reading it brings the error up.
    content.on('error', () => undefined);
    const stop = (): void => void content.destroy(signal.reason as Error);
    try {
      const uploading = this.uploading(url, signal);
      signal.addEventListener('abort', stop, { once: true });
      const partBytes = partBytesFor(sizeBytes);
      const stream = new StreamInParts(content, { subject: uploading.subject, partBytes, ...(sizeBytes !== undefined && { sizeBytes }) });
      const release = await this.budget.take(Math.min(partBytes, sizeBytes ?? partBytes), signal);
      try {
        const first = await stream.collect();
        if (stream.isWhole) return await putObject(uploading, first.whole(), signal);
        const parts = (stopped: AbortSignal) =>
          partsOfStream(stream, { content: first, release }, { budget: this.budget, partBytes }, stopped);
        return await putParts(uploading, parts, { parallel: PARALLEL, repeat: (request) => repeated(request, signal) }, signal);
      } finally {
        release();
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      content.destroy();
    }
  }

  override async store(url: string, source: PartSource, { parallel, repeat }: StoreOptions, signal: AbortSignal): Promise<Written> {
    const uploading = this.uploading(url, signal);
    const partBytes = partBytesFor(source.sizeBytes);
    const { budget } = this;
    if (source.sizeBytes > partBytes)
      return putParts(uploading, (stop) => partsOfSource(source, { budget, partBytes }, stop), { parallel, repeat }, signal);
    const release = await budget.take(source.sizeBytes, signal);
    try {
      return await repeat(async () => putObject(uploading, (await sliceOf(source, 0, source.sizeBytes)).whole(), signal));
    } finally {
      release();
    }
  }

  override async mkdir(url: string, _mode: number | undefined, signal: AbortSignal): Promise<void> {
    const uploading = this.uploading(url, signal);
    const key = prefixOf(uploading.at);
    if (key !== '') await putObject({ ...uploading, at: { ...uploading.at, key } }, new Collected().whole(), signal);
  }

  override identity(url: string): string {
    const at = addressOf(url);
    return 'problem' in at ? url : identityOf(at);
  }

  /** As it is: a key needs no escapes. */
  join(url: string, relative: string): string {
    return `${url.replace(/\/+$/, '')}/${relative.replace(/^\/+/, '')}`;
  }

  /** Lets go of idle connections. */
  override close(): void {
    this.connections.close();
  }

  private uploading(url: string, signal: AbortSignal): Uploading {
    const at = this.at(url, signal, 'write');
    const { connections, budget } = this;
    const encryption = endpointFor(at, this.settings.endpoints);
    return { connections, budget, at, subject: `${shownUrl(url)} cannot be written`, encryption, ...this.limits() };
  }

  private limits(): { readonly idleTimeoutMs: number } {
    return { idleTimeoutMs: this.settings.idleTimeoutMs };
  }

  private at(url: string, signal: AbortSignal, use: 'read' | 'write' = 'read'): S3Address {
    const reason = this.refusal(url, use);
    if (reason !== undefined) throw new TransferError(reason, { retryable: false });
    signal.throwIfAborted();
    const at = addressOf(url);
    if ('problem' in at) throw new TransferError(`${shownUrl(url)} ${at.problem}`, { retryable: false });
    return at;
  }
}

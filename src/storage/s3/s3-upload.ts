import type { S3 } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { Written } from '../../ports/storage-client';
import { IdleWatch } from '../shared/idle-watch';
import { setSum } from './content-sums';
import type { MemoryBudget } from './memory-budget';
import type { S3Address } from './s3-address';
import type { S3Connections } from './s3-connections';
import type { S3Endpoint } from './s3-endpoints';
import { PART_BYTES } from './s3-reading';

/** S3's own limit. */
const MOST_PARTS = 10_000;
const MIB = 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
/** To tidy up after a failure, whatever its own signal says. */
const ABORT_MS = 10_000;

/** Bytes that are in memory, and what they sum up to. */
export interface Content {
  readonly chunks: readonly Uint8Array[];
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Of whole objects; in hexadecimal. */
  readonly md5?: string;
}

/** One part on its way: its content, as often as it is asked for. */
export interface Part {
  readonly number: number;
  content(): Promise<Content>;
  /** Gives its memory back. */
  release(): void;
}

export type Repeat = <T>(request: () => Promise<T>) => Promise<T>;

export interface Uploading {
  readonly connections: S3Connections;
  readonly budget: MemoryBudget;
  readonly at: S3Address;
  readonly subject: string;
  readonly idleTimeoutMs: number;
  readonly encryption: Pick<S3Endpoint, 'encryption' | 'kms_key_id'>;
}

/** How long the parts of an object of this size are: as many as S3 takes, at most. */
export function partBytesFor(sizeBytes: number | undefined): number {
  return Math.max(PART_BYTES, Math.ceil((sizeBytes ?? 0) / MOST_PARTS / MIB) * MIB);
}

/** Collects chunks, and sums them up as they come. */
export class Collected {
  readonly chunks: Uint8Array[] = [];
  sizeBytes = 0;
  private readonly sha256 = createHash('sha256');
  private readonly md5 = createHash('md5');

  add(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.sizeBytes += chunk.length;
    this.sha256.update(chunk);
  }

  done(): Content {
    return { chunks: this.chunks, sizeBytes: this.sizeBytes, sha256: this.sha256.digest('hex') };
  }

  /** With the sum that S3 gives back of an object that came in one request. */
  whole(): Content {
    for (const chunk of this.chunks) this.md5.update(chunk);
    return { ...this.done(), md5: this.md5.digest('hex') };
  }
}

/** In one request. The server checks the SHA-256 that is signed, and gives the MD5 of what it has back: then it need not be asked again. */
export async function putObject(uploading: Uploading, content: Content, signal: AbortSignal): Promise<Written> {
  const { at, encryption } = uploading;
  const input = { Bucket: at.bucket, Key: at.key, ContentLength: content.sizeBytes, ...encrypted(encryption) };
  const { ETag } = await send(uploading, content, signal, (s3, Body, abort) => s3.putObject({ ...input, Body }, abort));
  if (ETag !== undefined && ETag === `"${content.md5 ?? ''}"`) return { sizeBytes: content.sizeBytes, version: ETag };
  return checkStored(uploading, content.sizeBytes, ETag, signal);
}

/**
 * In parts, up to `parallel` at once. The first failure stops the others; the upload is aborted then, so that S3 keeps nothing of it.
 * `parts` ends with an error when its content does.
 */
export async function putParts(
  uploading: Uploading,
  parts: (stop: AbortSignal) => AsyncGenerator<Part>,
  { parallel, repeat }: { readonly parallel: number; readonly repeat: Repeat },
  signal: AbortSignal,
): Promise<Written> {
  const { connections, at, subject, encryption } = uploading;
  const place = { Bucket: at.bucket, Key: at.key };
  const context = { subject, during: 'write', signal } as const;
  const { UploadId } = await repeat(() =>
    connections.ask(at, context, (s3, abort) => s3.createMultipartUpload({ ...place, ...encrypted(encryption) }, abort)),
  );
  const upload = { ...place, UploadId };
  try {
    const tags: { PartNumber: number; ETag: string | undefined }[] = [];
    let sizeBytes = 0;
    const sendPart = async (part: Part, stop: AbortSignal): Promise<void> => {
      const sent = await repeat(async () => {
        const content = await part.content();
        const input = { ...upload, PartNumber: part.number, ContentLength: content.sizeBytes };
        const { ETag } = await send(uploading, content, stop, (s3, Body, abort) => s3.uploadPart({ ...input, Body }, abort));
        return { ETag, sizeBytes: content.sizeBytes };
      });
      tags.push({ PartNumber: part.number, ETag: sent.ETag });
      sizeBytes += sent.sizeBytes;
    };
    await allParts(parts, parallel, sendPart, signal);
    tags.sort((one, other) => one.PartNumber - other.PartNumber);
    const { ETag } = await repeat(() =>
      connections.ask(at, context, (s3, abort) => s3.completeMultipartUpload({ ...upload, MultipartUpload: { Parts: tags } }, abort)),
    );
    return await checkStored(uploading, sizeBytes, ETag, signal);
  } catch (error) {
    const late = { subject, during: 'write', signal: AbortSignal.timeout(ABORT_MS) } as const;
    // Whether there was anything left to abort: what failed first is what is reported.
    await connections.ask(at, late, (s3, abort) => s3.abortMultipartUpload(upload, abort)).catch(() => undefined);
    throw error;
  }
}

async function allParts(
  parts: (stop: AbortSignal) => AsyncGenerator<Part>,
  parallel: number,
  work: (part: Part, stop: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const underWay = new Set<Promise<void>>();
  try {
    for await (const part of parts(stop)) {
      const sending = work(part, stop)
        .catch((error: unknown) => {
          failed.abort(error);
        })
        .finally(() => {
          part.release();
          underWay.delete(sending);
        });
      underWay.add(sending);
      if (underWay.size >= parallel) await Promise.race(underWay);
      stop.throwIfAborted();
    }
  } catch (error) {
    failed.abort(error);
  }
  await Promise.all(underWay);
  stop.throwIfAborted();
}

/** Sends bytes with their sum, and watches that the server takes them. */
async function send<T>(
  { connections, at, subject, idleTimeoutMs }: Uploading,
  content: Content,
  signal: AbortSignal,
  request: (s3: S3, body: Readable, abort: { readonly abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const idle = new IdleWatch(idleTimeoutMs);
  idle.arm();
  try {
    return await connections.ask(at, { subject, during: 'write', signal, idle }, async (s3, abort) => {
      const body = Readable.from(watched(content, idle), { objectMode: false, highWaterMark: CHUNK_BYTES });
      setSum(body, content.sha256);
      try {
        return await request(s3, body, abort);
      } finally {
        body.destroy();
      }
    });
  } finally {
    idle.end();
  }
}

function* watched({ chunks }: Content, idle: IdleWatch): Generator<Uint8Array> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
      idle.arm();
      yield chunk.subarray(at, at + CHUNK_BYTES);
    }
  }
  // From here on the answer is awaited.
  idle.arm();
}

/** What the server says that it has, held against what was sent. One that lets nobody read there is believed. */
async function checkStored(uploading: Uploading, sizeBytes: number, etag: string | undefined, signal: AbortSignal): Promise<Written> {
  const { connections, at, subject } = uploading;
  const fault = (words: string): TransferError => new TransferError(`${subject}: ${words}`, { retryable: true });
  const written = { sizeBytes, ...(etag !== undefined && { version: etag }) };
  let stored: { readonly ContentLength?: number | undefined; readonly ETag?: string | undefined };
  try {
    const context = { subject: `${subject}: what was stored cannot be checked`, during: 'read', signal } as const;
    stored = await connections.ask(at, context, (s3, abort) => s3.headObject({ Bucket: at.bucket, Key: at.key }, abort));
  } catch (error) {
    if (!(error instanceof TransferError) || error.retryable) throw error;
    if (error.notFound) throw fault('the server said that it is stored, but nothing is there');
    return written;
  }
  const { ContentLength = sizeBytes, ETag } = stored;
  if (ContentLength !== sizeBytes)
    throw fault(`the server stored ${ContentLength > sizeBytes ? 'more than' : `${ContentLength} of`} ${sizeBytes} bytes`);
  if (etag !== undefined && ETag !== undefined && ETag !== etag) throw fault('another object is there than the one that was stored');
  return { ...written, ...(ETag !== undefined && { version: ETag }) };
}

function encrypted({ encryption, kms_key_id: key }: Uploading['encryption']): {
  readonly ServerSideEncryption?: 'AES256' | 'aws:kms';
  readonly SSEKMSKeyId?: string;
} {
  return { ...(encryption !== undefined && { ServerSideEncryption: encryption }), ...(key !== undefined && { SSEKMSKeyId: key }) };
}

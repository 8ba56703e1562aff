import { Readable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { ReadOptions } from '../../ports/storage-client';
import { networkError } from '../shared/http-errors';
import { idleError, IdleWatch } from '../shared/idle-watch';
import type { MemoryBudget } from './memory-budget';
import { repeated } from './repeated';
import { objectOf, type S3Address } from './s3-address';
import type { S3Connections } from './s3-connections';
import { changedObject, statusOf } from './s3-errors';

/** Bytes asked for by one request. */
export const PART_BYTES = 8 * 1024 * 1024;
/** Requests of one read under way at once. */
const PARALLEL = 4;

/** What every request of a read has in common. */
export interface Reading {
  readonly connections: S3Connections;
  readonly budget: MemoryBudget;
  readonly at: S3Address;
  readonly subject: string;
  readonly idleTimeoutMs: number;
}

interface Range {
  readonly first: number;
  readonly bytes: number;
}

interface OpenRange {
  readonly body: Readable;
  readonly idle: IdleWatch;
  /** Of the object. */
  readonly totalBytes: number;
  readonly etag?: string;
  /** In the body, before the range: a server without ranges sends everything. */
  readonly skipBytes: number;
  /** Of the whole body. */
  readonly bodyBytes: number;
  /** In the body, of the range. */
  bytes: number;
}

/**
 * One version of an object from `offset` on, in ranges: the first is passed on as it comes, those after it are fetched beside it, as far as
 * there is memory that nobody else needs. So a reader that is slow, or has stopped, keeps nobody else from reading.
 */
export async function readObject(reading: Reading, { offset = 0, length, version }: ReadOptions, signal: AbortSignal): Promise<Readable> {
  const empty = (): Readable => Readable.from([], { objectMode: false });
  if (length === 0) return empty();
  const first = await openRange(reading, { first: offset, bytes: Math.min(PART_BYTES, length ?? PART_BYTES) }, version, signal);
  if (!first) return empty();
  const end = Math.min(first.totalBytes, offset + (length ?? Infinity));
  // A server without ranges sends more than was asked for.
  first.bytes = Math.min(first.bytes, end - offset);
  const pinned = version ?? first.etag;
  // Only ranges of one version make one object.
  const parallel = pinned !== undefined && first.skipBytes === 0;
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const stream = Readable.from(pieces(reading, first, { offset, end, pinned, parallel }, both), { objectMode: false, signal });
  stream.once('close', () => {
    stop.abort(new Error('nobody reads on'));
    release(first);
  });
  // It may end before its reader has begun to listen; the reader finds the error when it does.
  return stream.on('error', () => undefined);
}

interface Course {
  readonly offset: number;
  readonly end: number;
  readonly pinned: string | undefined;
  readonly parallel: boolean;
}

async function* pieces(reading: Reading, first: OpenRange, course: Course, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { end, pinned } = course;
  const ahead: Ahead[] = [];
  let asked = course.offset + first.bytes;
  const lookAhead = (): void => {
    while (course.parallel && ahead.length < PARALLEL - 1 && asked < end) {
      const range = { first: asked, bytes: Math.min(PART_BYTES, end - asked) };
      const giveBack = reading.budget.tryTake(range.bytes);
      if (!giveBack) return;
      ahead.push({ content: fetched(reading, range, pinned, signal), giveBack });
      asked += range.bytes;
    }
  };
  try {
    let open: OpenRange | undefined = first;
    for (;;) {
      lookAhead();
      if (open) yield* bodyOf(reading, open, signal);
      for (let part = ahead.shift(); part; part = ahead.shift()) {
        try {
          const content = await part.content;
          lookAhead();
          yield* content;
        } finally {
          part.giveBack();
        }
      }
      if (asked >= end) return;
      open = await repeated(() => openRange(reading, { first: asked, bytes: Math.min(PART_BYTES, end - asked) }, pinned, signal), signal);
      if (!open) throw changedObject(reading.subject);
      asked += open.bytes;
    }
  } finally {
    for (const part of ahead) part.giveBack();
  }
}

interface Ahead {
  readonly content: Promise<readonly Uint8Array[]>;
  readonly giveBack: () => void;
}

/** A whole range, again from its start where it breaks. */
function fetched(reading: Reading, range: Range, version: string | undefined, signal: AbortSignal): Promise<readonly Uint8Array[]> {
  const content = repeated(async () => {
    const open = await openRange(reading, range, version, signal);
    if (open?.bytes !== range.bytes) throw changedObject(reading.subject);
    const chunks: Uint8Array[] = [];
    for await (const chunk of bodyOf(reading, open, signal)) chunks.push(chunk);
    return chunks;
  }, signal);
  // Whoever reads finds the error when it is the turn of this range; nobody does after a stop.
  content.catch(() => undefined);
  return content;
}

/** `undefined` where the object ends before the range, which is all that is left of it. */
async function openRange(reading: Reading, range: Range, version: string | undefined, signal: AbortSignal): Promise<OpenRange | undefined> {
  const { connections, at, subject } = reading;
  const idle = new IdleWatch(reading.idleTimeoutMs);
  const input = { ...objectOf(at), ...(version !== undefined && { IfMatch: version }) };
  const context = { subject, during: 'read', signal } as const;
  const Range = `bytes=${range.first}-${range.first + range.bytes - 1}`;
  idle.arm();
  try {
    const answer = await connections.ask(at, { ...context, idle }, (s3, abort) =>
      s3.getObject({ ...input, Range }, abort).catch(behindTheEnd),
    );
    if (!answer) {
      const { ContentLength } = await connections.ask(at, context, (s3, abort) => s3.headObject(input, abort));
      if (ContentLength === range.first) return undefined;
      throw changedObject(subject);
    }
    const body = answer.Body as unknown as Readable;
    // It may break before it is read; reading it brings the error up.
    body.on('error', () => undefined);
    const said = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? '');
    const [firstByte = 0, lastByte, totalBytes] = said ? said.slice(1).map(Number) : [0, undefined, answer.ContentLength];
    const fault = faultOf(subject, range, { etag: answer.ETag, firstByte, lastByte, totalBytes }, version);
    if (totalBytes !== undefined && !fault) {
      const bytes = Math.max(0, Math.min(said ? range.bytes : Infinity, totalBytes - range.first));
      const bodyBytes = said ? bytes : totalBytes;
      return {
        body,
        idle,
        bytes,
        bodyBytes,
        totalBytes,
        skipBytes: said ? 0 : range.first,
        ...(answer.ETag !== undefined && { etag: answer.ETag }),
      };
    }
    body.destroy();
    throw fault ?? new TransferError(`${subject}: the server does not say how long it is`, { retryable: true });
  } finally {
    idle.rest();
  }
}

function behindTheEnd(error: unknown): undefined {
  if (statusOf(error) !== 416) throw error;
}

interface Told {
  readonly etag: string | undefined;
  readonly firstByte: number;
  /** Absent: everything is sent. */
  readonly lastByte: number | undefined;
  readonly totalBytes: number | undefined;
}

function faultOf(subject: string, range: Range, told: Told, version: string | undefined): TransferError | undefined {
  if (version !== undefined && told.etag === undefined) {
    return new TransferError(`${subject}: the server's answer names no version, which is not how S3 answers`, { retryable: true });
  }
  if (version !== undefined && told.etag !== version) return changedObject(subject);
  if (told.lastByte === undefined || told.totalBytes === undefined) return undefined;
  const last = Math.min(range.first + range.bytes, told.totalBytes) - 1;
  if (told.firstByte === range.first && told.lastByte === last) return undefined;
  return new TransferError(`${subject}: the server sent another part than the one asked for`, { retryable: true });
}

/** The bytes of the range, all of them or an error. A slow reader is no idle server. */
async function* bodyOf(reading: Reading, open: OpenRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { subject, idleTimeoutMs } = reading;
  const { body, idle } = open;
  const chunks: AsyncIterator<Buffer> = body[Symbol.asyncIterator]();
  const stop = (): void => void body.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  const expire = (): void => void body.destroy();
  idle.signal.addEventListener('abort', expire, { once: true });
  let seen = 0;
  const end = open.skipBytes + open.bytes;
  try {
    // Whoever reads up to the end of a body can use its connection again.
    while (seen < end || open.bodyBytes === end) {
      signal.throwIfAborted();
      idle.arm();
      let next: IteratorResult<Buffer>;
      try {
        next = await chunks.next();
      } catch (error) {
        signal.throwIfAborted();
        throw idle.expired ? idleError(subject, idleTimeoutMs) : networkError(error, { subject, during: 'answer' });
      } finally {
        idle.rest();
      }
      if (next.done === true) break;
      const wanted = next.value.subarray(Math.max(0, open.skipBytes - seen), Math.max(0, end - seen));
      seen += next.value.length;
      if (wanted.length > 0) yield wanted;
      if (seen > end) break;
    }
    signal.throwIfAborted();
    if (idle.expired) throw idleError(subject, idleTimeoutMs);
    if (seen < end)
      throw new TransferError(`${subject}: only ${Math.max(0, seen - open.skipBytes)} of ${open.bytes} bytes came`, { retryable: true });
  } finally {
    signal.removeEventListener('abort', stop);
    release(open);
  }
}

function release({ body, idle }: OpenRange): void {
  idle.end();
  body.destroy();
}

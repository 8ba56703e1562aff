import { Readable, Writable } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { ReadOptions } from '../../ports/storage-client';
import { argumentOf, type FtpAddress } from './ftp-address';
import type { FtpConnections, Taken } from './ftp-connections';
import { changedFile, type FtpContext, isUnknownCommand } from './ftp-errors';
import type { FtpFacts } from './ftp-facts';
import { lookAt } from './ftp-looking';

/**
 * One version of a file. Its end is passed on only when the server has said that it has sent all of it, as many bytes came as it has, and
 * it is still the same one: the end of a data connection alone means nothing.
 */
export async function readFileOf(
  connections: FtpConnections,
  at: FtpAddress,
  { offset = 0, length = Infinity, version }: ReadOptions,
  context: FtpContext,
  signal: AbortSignal,
): Promise<Readable> {
  const { taken, found: facts } = await connections.begin(at, context, signal, (connection) => lookAt(connection, at.path));
  try {
    if (facts.kind !== 'file') throw new TransferError(`${context.subject}: it is no file`, { retryable: false });
    if (version !== undefined && facts.version !== version) throw changedFile(context.subject);
    const least = facts.sizeBytes === undefined ? undefined : Math.max(0, facts.sizeBytes - offset);
    if (length === 0 || least === 0) {
      taken.release();
      return Readable.from([], { objectMode: false });
    }
    return new Reading(taken, { at, offset, length, facts, least, context, connections }, signal).stream;
  } catch (error) {
    throw taken.failed(error);
  }
}

interface ReadPlan {
  readonly at: FtpAddress;
  readonly offset: number;
  readonly length: number;
  readonly facts: FtpFacts;
  /** Bytes from `offset` on, where the server says so. */
  readonly least: number | undefined;
  readonly context: FtpContext;
  readonly connections: FtpConnections;
}

class Reading {
  readonly stream: Readable;
  private bytes = 0;
  /** Of what comes, not wanted. */
  private skip = 0;
  private isOver = false;
  /** Goes on with what the server sends. */
  private next: (() => void) | undefined;

  constructor(
    private readonly taken: Taken,
    private readonly plan: ReadPlan,
    private readonly signal: AbortSignal,
  ) {
    this.stream = new Readable({
      read: () => {
        const { next } = this;
        this.next = undefined;
        next?.();
      },
      destroy: (error, done) => {
        signal.removeEventListener('abort', stop);
        // Does nothing where all has come.
        if (!this.isOver) this.taken.drop();
        done(error);
      },
    });
    // It may end before its reader has begun to listen; the reader finds the error when it does.
    this.stream.on('error', () => undefined);
    const stop = (): void => void this.stream.destroy(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    void this.run();
  }

  private async run(): Promise<void> {
    const { client } = this.taken.connection;
    const { at, offset } = this.plan;
    const sink = new Writable({ write: (chunk: Buffer, _encoding, done) => this.pass(chunk, done) });
    try {
      await client.downloadTo(sink, argumentOf(at.path), offset).catch(async (error: unknown) => {
        if (offset === 0 || this.bytes > 0 || !isUnknownCommand(error)) throw error;
        // It cannot begin elsewhere than at the start.
        this.skip = offset;
        const whole = new Writable({ write: (chunk: Buffer, _encoding, done) => this.pass(chunk, done) });
        return client.downloadTo(whole, argumentOf(at.path));
      });
      await this.check(await lookAt(this.taken.connection, at.path));
      this.isOver = true;
      this.taken.release();
      this.stream.push(null);
    } catch (error) {
      if (this.isOver) return;
      this.isOver = true;
      const failed = this.taken.failed(error, { isTransfer: true }) as Error;
      // It is there: it was looked at.
      const isHidden = failed instanceof TransferError && failed.notFound;
      this.stream.destroy(
        isHidden ? failed.reworded(`${this.plan.context.subject}: it is there, but not for this user`, { notFound: false }) : failed,
      );
    }
  }

  private pass(chunk: Buffer, done: () => void): void {
    const skipped = Math.min(this.skip, chunk.length);
    this.skip -= skipped;
    const wanted = chunk.subarray(skipped, skipped + this.plan.length - this.bytes);
    this.bytes += wanted.length;
    const goesOn = wanted.length === 0 || this.stream.push(wanted);
    if (this.bytes >= this.plan.length) void this.finishPart();
    else if (goesOn) done();
    else this.next = done;
  }

  /** The rest is not wanted: the connection is of no more use. */
  private async finishPart(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    this.taken.drop();
    const { at, context, connections, facts } = this.plan;
    try {
      const now = await connections.with(at, context, this.signal, (connection) => lookAt(connection, at.path));
      if (now.version !== facts.version) throw changedFile(context.subject);
      this.stream.push(null);
    } catch (error) {
      this.stream.destroy(error as Error);
    }
  }

  private check(now: FtpFacts): Promise<void> {
    const { facts, least, context } = this.plan;
    if (now.version !== facts.version) throw changedFile(context.subject);
    if (least !== undefined && this.bytes !== least) {
      throw new TransferError(`${context.subject}: ${this.bytes} of ${least} bytes came`, { retryable: true });
    }
    return Promise.resolve();
  }
}

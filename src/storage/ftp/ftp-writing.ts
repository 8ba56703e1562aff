import { randomBytes } from 'node:crypto';
import { type Readable, Transform } from 'node:stream';
import { TransferError } from '../../ports/errors';
import type { WriteOptions, Written } from '../../ports/storage-client';
import { argumentOf, type FtpAddress, joinPath, parentOf } from './ftp-address';
import type { FtpConnection, FtpConnections } from './ftp-connections';
import { type FtpContext, replyOf } from './ftp-errors';
import { type FtpFacts, writtenTime } from './ftp-facts';
import { lookAt } from './ftp-looking';

/** What is left of an upload that failed goes within this time, or stays, ms. */
const CLEAN_UP_MS = 20_000;

/** Under a hidden name, which becomes the right one when the server has all of it. */
export async function writeFileTo(
  connections: FtpConnections,
  at: FtpAddress,
  content: Readable,
  options: WriteOptions,
  context: FtpContext,
  signal: AbortSignal,
): Promise<Written> {
  const { sizeBytes } = options;
  const hidden = joinPath(parentOf(at.path), `.tes-${randomBytes(8).toString('hex')}.part`);
  const counted = new Counted(sizeBytes, context.subject);
  let isBegun = false;
  // What goes wrong with the content is thrown as it is.
  let broken: unknown;
  content.once('error', (error) => {
    broken ??= error;
    counted.destroy(error);
  });
  // Without an error it may end early, too; nobody else would notice.
  content.once('close', () => {
    if (content.readableEnded || content.errored) return;
    broken ??= brokenOff();
    counted.destroy(broken as Error);
  });
  try {
    const { taken } = await connections.begin(at, context, signal, (connection) => makeDirectories(connection, parentOf(at.path)));
    isBegun = true;
    try {
      const written = await upload(taken.connection);
      taken.release();
      return written;
    } catch (error) {
      const failed = taken.failed(error, { isTransfer: true });
      throw error === broken ? error : failed;
    }
  } catch (error) {
    if (isBegun) await remove(connections, at, hidden, context);
    throw error;
  } finally {
    content.destroy();
    counted.destroy();
  }

  async function upload(connection: FtpConnection): Promise<Written> {
    if (content.closed && !content.readableEnded) throw brokenOff();
    content.pipe(counted);
    try {
      await connection.client.uploadFrom(counted, argumentOf(hidden));
    } catch (error) {
      throw broken ?? counted.fault ?? error;
    }
    if (counted.fault) throw counted.fault;
    const stored = await storedBytes(connection, hidden);
    if (stored !== undefined && stored !== counted.bytes) throw lost(stored);
    if (options.modifiedMs !== undefined && connection.features.has('MFMT')) {
      await connection.client.sendIgnoringError(`MFMT ${writtenTime(options.modifiedMs)} ${argumentOf(hidden)}`);
    }
    await rename(connection, hidden, at.path, context);
    const now = await stat(connection, at.path);
    // Another one may have been stored there meanwhile.
    const version = now?.sizeBytes === counted.bytes ? now.version : undefined;
    return { sizeBytes: counted.bytes, ...(version !== undefined && { version }) };
  }

  function brokenOff(): TransferError {
    return new TransferError(`${context.subject}: its content broke off`, { retryable: true });
  }

  function lost(storedBytes: number): TransferError {
    return new TransferError(`${context.subject}: the server has stored ${storedBytes} of ${counted.bytes} bytes`, { retryable: true });
  }
}

/** Makes a directory and its parents; one that is there stays as it is. */
export async function makeDirectories(connection: FtpConnection, path: string): Promise<void> {
  if (path === '' || path === '/') return;
  try {
    if ((await lookAt(connection, path)).kind === 'directory') return;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await makeDirectories(connection, parentOf(path));
  }
  try {
    await connection.client.send(`MKD ${argumentOf(path)}`);
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (replyOf(error) === undefined || (await stat(connection, path))?.kind !== 'directory') throw error;
  }
}

/** `undefined` where the server shows this user nothing of what is there: it is believed, if the file can be given its name. */
async function storedBytes(connection: FtpConnection, path: string): Promise<number | undefined> {
  return (await stat(connection, path))?.sizeBytes;
}

/** `undefined` where nothing is, or nothing that may be seen. */
async function stat(connection: FtpConnection, path: string): Promise<FtpFacts | undefined> {
  try {
    return await lookAt(connection, path);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return undefined;
  }
}

/** That the server shows nothing there. */
function isRefusal(error: unknown): boolean {
  return replyOf(error) !== undefined || (error instanceof TransferError && error.notFound);
}

async function rename(connection: FtpConnection, from: string, to: string, { subject }: FtpContext): Promise<void> {
  try {
    await move(connection, from, to);
  } catch (error) {
    if (replyOf(error) === undefined) throw error;
    const there = await stat(connection, to);
    if (there?.kind === 'directory') throw new TransferError(`${subject}: a directory is there`, { retryable: false, cause: error });
    if (there === undefined) throw error;
    await exchange(connection, { from, to, aside: `${from}.old` });
  }
}

/** For servers that replace nothing. Whatever fails, the old file is not lost: it gets its name back, or is beside it. */
async function exchange(
  connection: FtpConnection,
  { from, to, aside }: { readonly from: string; readonly to: string; readonly aside: string },
): Promise<void> {
  await move(connection, to, aside);
  try {
    await move(connection, from, to);
  } catch (error) {
    if (replyOf(error) !== undefined) await move(connection, aside, to);
    throw error;
  }
  await connection.client.sendIgnoringError(`DELE ${argumentOf(aside)}`);
}

async function move({ client }: FtpConnection, from: string, to: string): Promise<void> {
  await client.send(`RNFR ${argumentOf(from)}`);
  await client.send(`RNTO ${argumentOf(to)}`);
}

/** Of an upload that failed. The task may be over: it has a time of its own. */
async function remove(connections: FtpConnections, at: FtpAddress, path: string, context: FtpContext): Promise<void> {
  await connections
    .with(at, context, AbortSignal.timeout(CLEAN_UP_MS), ({ client }) => client.sendIgnoringError(`DELE ${argumentOf(path)}`))
    .catch(() => undefined);
}

/** Counts what goes through, and lets no more through than was announced. */
class Counted extends Transform {
  bytes = 0;
  fault: TransferError | undefined;

  constructor(
    private readonly announced: number | undefined,
    private readonly subject: string,
  ) {
    super();
    // Whoever sends it may not listen yet.
    this.on('error', () => undefined);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null, chunk?: Buffer) => void): void {
    this.bytes += chunk.length;
    if (this.announced !== undefined && this.bytes > this.announced) done((this.fault = this.wrong(`at least ${this.bytes}`)));
    else done(null, chunk);
  }

  override _flush(done: (error?: Error | null) => void): void {
    if (this.announced !== undefined && this.bytes !== this.announced) this.fault = this.wrong(`${this.bytes}`);
    done(this.fault);
  }

  private wrong(came: string): TransferError {
    return new TransferError(`${this.subject}: ${this.announced} bytes were announced, ${came} came`, { retryable: true });
  }
}

import { TransferError } from '../../ports/errors';
import type { StorageEntry } from '../../ports/storage-client';
import { type FtpAddress, argumentOf, joinPath } from './ftp-address';
import type { FtpConnection, FtpConnections } from './ftp-connections';
import type { FtpContext } from './ftp-errors';
import type { FtpFacts } from './ftp-facts';
import { lookAt } from './ftp-looking';

/** Directories inside each other; more means that a link leads in a loop. */
const DEEPEST = 100;
/** What FTP servers take for a pattern in the argument of LIST. */
const PATTERN = /[*?[\]{}\\]/;

interface Listed extends FtpFacts {
  readonly name: string;
}

/** Everything below a directory, which is read one at a time; no connection is kept in between. */
export async function* listBelow(
  connections: FtpConnections,
  at: FtpAddress,
  context: FtpContext,
  signal: AbortSignal,
): AsyncGenerator<StorageEntry> {
  const open = [''];
  for (let below = open.pop(); below !== undefined; below = open.pop()) {
    const here = below;
    if (here.split('/').length > DEEPEST) {
      throw new TransferError(`${context.subject}: it has more than ${DEEPEST} directories inside each other`, { retryable: false });
    }
    const path = here === '' ? at.path : joinPath(at.path, here);
    const entries = await connections.with(at, context, signal, (connection) => entriesOf(connection, path, context));
    for (const { name, kind, ...facts } of entries) {
      const entry = here === '' ? name : `${here}/${name}`;
      if (name.includes('\uFFFD')) yield { path: entry, kind: 'other', reason: 'has a name that is not UTF-8' };
      else if (/[\r\n\0]/.test(name)) yield { path: entry, kind: 'other', reason: 'has a name that FTP cannot say' };
      else if (kind === 'file') yield { path: entry, kind, ...facts };
      else if (kind === 'directory') {
        yield { path: entry, kind };
        open.push(entry);
      } else yield { path: entry, kind: 'other', reason: kind === 'link' ? 'is a link that leads nowhere' : 'is no file or directory' };
    }
  }
}

async function entriesOf(connection: FtpConnection, path: string, { subject }: FtpContext): Promise<readonly Listed[]> {
  const facts = await lookAt(connection, path);
  if (facts.kind !== 'directory') throw new TransferError(`${subject}: it is no directory`, { retryable: false });
  if (!connection.features.has('MLST') && PATTERN.test(path)) {
    throw new TransferError(`${subject}: the server takes the name of a directory for a pattern`, { retryable: false });
  }
  const found = await connection.client.list(argumentOf(path));
  const listed: Listed[] = [];
  for (const { name, isFile, isDirectory, isSymbolicLink, size, modifiedAt } of found) {
    if (name === '.' || name === '..' || name === '' || name.includes('/')) continue;
    // What a link leads to is told by looking at it.
    if (isSymbolicLink && !/[\r\n\0]/.test(name)) listed.push({ name, ...(await leadsTo(connection, joinPath(path, name))) });
    else {
      const kind = isFile ? 'file' : isDirectory ? 'directory' : 'other';
      listed.push({
        name,
        kind,
        ...(kind === 'file' && { sizeBytes: size }),
        ...(kind === 'file' && modifiedAt && { modifiedMs: modifiedAt.getTime() }),
      });
    }
  }
  return listed;
}

/** A link to what cannot be had stays a link. */
async function leadsTo(connection: FtpConnection, path: string): Promise<FtpFacts> {
  try {
    return await lookAt(connection, path);
  } catch (error) {
    if (error instanceof Error && error.name === 'FTPError') return { kind: 'link' };
    throw error;
  }
}

import { TransferError } from '../../ports/errors';
import type { StorageEntry } from '../../ports/storage-client';
import { type FtpAddress, joinPath } from './ftp-address';
import type { FtpConnection, FtpConnections } from './ftp-connections';
import type { FtpContext } from './ftp-errors';
import type { FtpFacts } from './ftp-facts';
import { entriesIn } from './ftp-lists';
import { lookAt, placeOf } from './ftp-looking';

/** Directories inside each other, and links to directories among them: more are taken for a loop. */
const DEEPEST = 100;
const MOST_LINKS = 8;

interface Listed extends FtpFacts {
  readonly name: string;
  /** It is a link to this. */
  readonly isLink?: true;
  /** It leads to a directory that it lies in itself. */
  readonly isLoop?: true;
}

interface Open {
  /** Below what is listed. */
  readonly path: string;
  readonly links: number;
}

/** Everything below a directory, which is read one at a time; no connection is kept in between. */
export async function* listBelow(
  connections: FtpConnections,
  at: FtpAddress,
  context: FtpContext,
  signal: AbortSignal,
): AsyncGenerator<StorageEntry> {
  const open: Open[] = [{ path: '', links: 0 }];
  for (let below = open.pop(); below !== undefined; below = open.pop()) {
    const { path: here, links } = below;
    if (links > MOST_LINKS || here.split('/').length > DEEPEST) {
      const words = `it has more than ${DEEPEST} directories, or ${MOST_LINKS} links to such, inside each other`;
      throw new TransferError(`${context.subject}: ${words}`, { retryable: false });
    }
    const path = here === '' ? at.path : joinPath(at.path, here);
    const entries = await connections.with(at, context, signal, (connection) => entriesOf(connection, path, context));
    for (const { name, kind, isLink, isLoop, ...facts } of entries) {
      const entry = here === '' ? name : `${here}/${name}`;
      if (name.includes('\uFFFD')) yield { path: entry, kind: 'other', reason: 'has a name that is not UTF-8' };
      else if (/[\r\n\0]/.test(name)) yield { path: entry, kind: 'other', reason: 'has a name that FTP cannot say' };
      else if (isLoop) yield { path: entry, kind: 'other', reason: 'is a link that leads in a loop' };
      else if (kind === 'file') yield { path: entry, kind, ...facts };
      else if (kind === 'directory') {
        yield { path: entry, kind };
        open.push({ path: entry, links: links + (isLink ? 1 : 0) });
      } else yield { path: entry, kind: 'other', reason: kind === 'link' ? 'is a link that leads nowhere' : 'is no file or directory' };
    }
  }
}

async function entriesOf(connection: FtpConnection, path: string, { subject }: FtpContext): Promise<readonly Listed[]> {
  const facts = await lookAt(connection, path);
  if (facts.kind !== 'directory') throw new TransferError(`${subject}: it is no directory`, { retryable: false });
  const listed: Listed[] = [];
  for (const { name, isFile, isDirectory, isSymbolicLink, size, modifiedAt } of await entriesIn(connection, path)) {
    if (name === '.' || name === '..' || name === '' || name.includes('/')) continue;
    // What a link leads to is told by looking at it.
    if (isSymbolicLink && !/[\r\n\0]/.test(name)) listed.push({ name, isLink: true, ...(await leadsTo(connection, path, name)) });
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
async function leadsTo(connection: FtpConnection, directory: string, name: string): Promise<Omit<Listed, 'name'>> {
  const path = joinPath(directory, name);
  try {
    const facts = await lookAt(connection, path);
    if (facts.kind !== 'directory') return facts;
    const [there, here = ''] = [await placeOf(connection, path), await placeOf(connection, directory)];
    const isLoop = there !== undefined && `${here}/`.startsWith(there.endsWith('/') ? there : `${there}/`);
    return { ...facts, ...(isLoop && { isLoop }) };
  } catch (error) {
    if (error instanceof Error && error.name === 'FTPError') return { kind: 'link' };
    throw error;
  }
}

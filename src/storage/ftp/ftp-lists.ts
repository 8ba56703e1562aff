import type { FileInfo } from 'basic-ftp';
import { TransferError } from '../../ports/errors';
import { argumentOf } from './ftp-address';
import type { FtpConnection } from './ftp-connections';

/** What FTP servers take for a pattern in the argument of LIST. */
const PATTERN = /[*?[\]{}\\]/;
/** A line of MLSD: facts, a space, a name (RFC 3659, 7.2). */
const FACTS = /^[^ =;]+=[^;]*;[^ ]* [^]/;

/** What a directory holds, as its server lists it. A list with a line that is none fails: what is left out of it would be missing in silence. */
export async function entriesIn({ client, features }: FtpConnection, path: string): Promise<readonly FileInfo[]> {
  const isMachineReadable = features.has('MLST');
  if (!isMachineReadable && PATTERN.test(path)) {
    throw new TransferError('the server takes the name of the directory for a pattern', { retryable: false });
  }
  const { parseList } = client;
  client.parseList = (text) => {
    const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
    const strange = isMachineReadable && lines.some((line) => !FACTS.test(line));
    if (strange)
      throw new TransferError('the server lists what cannot be understood: a name with a line break, perhaps', { retryable: false });
    try {
      return parseList(text);
    } catch (error) {
      throw new TransferError('the server lists what cannot be understood', { retryable: false, cause: error });
    }
  };
  try {
    return await client.list(argumentOf(path));
  } finally {
    client.parseList = parseList;
  }
}

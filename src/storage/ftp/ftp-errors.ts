import { TransferError } from '../../ports/errors';
import { membersOf, networkError, type Told } from '../shared/http-errors';

/** The setting that a refused address names. */

/** Replies of RFC 959, 2228 and 2428 that say more than their class: 4xx is tried again, 5xx is final. */
const REPLIES: Readonly<Record<number, Told>> = {
  421: { words: 'unavailable, or too many connections', means: 'away' },
  425: { words: 'no data connection', means: 'retry' },
  426: { words: 'the data connection was closed', means: 'retry' },
  431: { words: 'TLS is not to be had there now', means: 'away' },
  434: { words: 'the host is not to be had', means: 'away' },
  450: { words: 'the file is in use', means: 'away briefly' },
  451: { words: 'a fault of the server', means: 'away briefly' },
  452: { words: 'its disk is full', means: 'away' },
  552: { words: 'its disk is full', means: 'away' },
  332: { words: 'it wants an account', means: 'final' },
  430: { words: 'credentials are missing or wrong', means: 'final' },
  530: { words: 'credentials are missing or wrong', means: 'final' },
  532: { words: 'it wants an account', means: 'final' },
  522: { words: 'it wants TLS: ftps://', means: 'final' },
  534: { words: 'it wants TLS: ftps://', means: 'final' },
  550: { words: 'not found, or not for this user', means: 'final' },
  553: { words: 'the name is not allowed', means: 'final' },
};

export class NoDataConnection extends Error {}

export interface FtpContext {
  /** "URL cannot be read". */
  readonly subject: string;
  readonly during: 'read' | 'write';
}

/** Replies of servers that do not know a command, or not for such a thing. */
const UNKNOWN: ReadonlySet<number | undefined> = new Set([500, 501, 502, 504]);

export function isUnknownCommand(error: unknown): boolean {
  return UNKNOWN.has(replyOf(error));
}

/** The code of a reply that was no success; `undefined` where it is another failure. By its members: the library is loaded when it is needed. */
export function replyOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || error.name !== 'FTPError' || !('code' in error)) return undefined;
  return typeof error.code === 'number' ? error.code : undefined;
}

/**
 * Translates what the library threw. `isConnected`: the server has let us in, so that what breaks is one request and not the server.
 * Failures of the library without a code (nothing came in time, the other side hung up) are told apart by that alone, never by their words.
 */
export function ftpError(error: unknown, { subject, during }: FtpContext, isConnected: boolean): unknown {
  if (error instanceof TransferError)
    return error.message.startsWith(subject) ? error : error.reworded(`${subject}: ${error.publicMessage}`);
  const reply = replyOf(error);
  if (reply !== undefined) {
    const { words, means } = REPLIES[reply] ?? { means: reply < 500 ? ('retry' as const) : ('final' as const) };
    return new TransferError(`${subject}: the server answered ${reply}${words === undefined ? '' : ` (${words})`}`, {
      ...membersOf(means, { answered: true }),
      notFound: reply === 550 && during === 'read',
      cause: error,
    });
  }
  if (error instanceof NoDataConnection) {
    const words = 'no data connection could be opened, which only may lead to the host of the server itself';
    return new TransferError(`${subject}: ${words}`, { ...membersOf('retry'), cause: error });
  }
  const context = { subject, during: isConnected ? ('answer' as const) : during };
  const translated = networkError(error, context);
  if (translated instanceof TransferError) return translated;
  const words = isConnected ? 'the connection broke, or nothing moved' : 'no answer in time, or none that is FTP';
  return new TransferError(`${subject}: ${words}`, { ...membersOf(isConnected ? 'retry' : 'away'), cause: error });
}

export function changedFile(subject: string): TransferError {
  return new TransferError(`${subject}: it has changed while it was being read`, { retryable: true, changed: true });
}

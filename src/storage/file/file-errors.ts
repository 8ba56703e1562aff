import { TransferError } from '../../ports/errors';

interface Meaning {
  readonly reason: string;
  readonly retryable: boolean;
  readonly notFound?: boolean;
  /** The disk or its server cannot be used now: waited for. */
  readonly away?: true;
}

/** What the file system's error codes mean for a transfer. A code that is not here may pass with time: tried again. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOENT: { reason: 'no such file or directory', retryable: false, notFound: true },
  ENOTDIR: { reason: 'a part of the path is not a directory', retryable: false, notFound: true },
  EACCES: { reason: 'permission denied', retryable: false },
  EPERM: { reason: 'operation not permitted', retryable: false },
  EROFS: { reason: 'the file system is read-only', retryable: false },
  ELOOP: { reason: 'it is a symbolic link, or there are too many of them', retryable: false },
  EISDIR: { reason: 'it is a directory', retryable: false },
  EEXIST: { reason: 'something else is there', retryable: false },
  ENOTEMPTY: { reason: 'a directory is there', retryable: false },
  ENAMETOOLONG: { reason: 'the name is too long', retryable: false },
  EINVAL: { reason: 'the file system does not take this name', retryable: false },
  EFBIG: { reason: 'the file is too large for the file system', retryable: false },
  ENOSPC: { reason: 'no space left on the device', retryable: true, away: true },
  EDQUOT: { reason: 'the disk quota is used up', retryable: true, away: true },
  EMFILE: { reason: 'too many open files', retryable: true },
  ENFILE: { reason: 'too many open files on the machine', retryable: true },
  EIO: { reason: 'input/output error', retryable: true, away: true },
  EREMOTEIO: { reason: 'input/output error of the file server', retryable: true, away: true },
  ESTALE: { reason: 'stale file handle', retryable: true, away: true },
  ETIMEDOUT: { reason: 'the file server did not answer in time', retryable: true, away: true },
  EHOSTDOWN: { reason: 'the file server cannot be reached', retryable: true, away: true },
  ENOTCONN: { reason: 'the file system is not connected', retryable: true, away: true },
};

/** Translates by code. `subject` says what failed, for example `/data/x cannot be read`. A stop by signal passes through. */
export function fileError(error: unknown, subject: string): unknown {
  if (error instanceof TransferError) return error;
  const code = codeOf(error);
  if (code === undefined || code === 'ABORT_ERR') return error;
  const meaning: Meaning = MEANINGS[code] ?? { reason: code, retryable: true };
  return new TransferError(`${subject}: ${meaning.reason}`, {
    retryable: meaning.retryable,
    notFound: meaning.notFound ?? false,
    ...(meaning.away && { away: {} }),
    cause: error,
  });
}

/** By its members, not its class: an error of the runtime may come from another realm than ours. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** What is there is not the version that was begun. */
export function changedFile(subject: string): TransferError {
  return new TransferError(`${subject}: it has changed while it was being read`, { retryable: true, changed: true });
}

/** A refusal that no second try can change. */
export function refused(text: string): TransferError {
  return new TransferError(text, { retryable: false });
}

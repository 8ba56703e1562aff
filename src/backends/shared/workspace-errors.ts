import { BackendError, RunError, TransferError } from '../../ports/errors';

export function errorCode(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** The caller's own signal ended the work. */
export function isAbort(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError';
}

export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Codes after which the same work may succeed later: the machine is short of something. */
const SHORTAGES: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk of the work directory (work_dir of the gateway, on a worker its staging directory) is full',
  EDQUOT: 'the disk quota of the work directory is used up',
  EMFILE: 'this machine has no free file descriptor',
  ENFILE: 'this machine has no free file descriptor',
  ENOMEM: 'this machine is out of memory',
  EAGAIN: 'this machine cannot start another process',
  EIO: 'the disk of the work directory reports an error',
};

/** No room, which whoever ends gives back: waited for without an attempt. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** A file system error on a container path, in words that may reach a client: never the host's path. */
export function transferError(path: string, doing: 'read' | 'write' | 'list', error: unknown): TransferError {
  if (error instanceof TransferError) return error;
  const code = errorCode(error) ?? 'unknown error';
  const shortage = SHORTAGES[code];
  // What is written makes its own parents: where there is nothing to make them in, the workspace has gone.
  if (doing === 'write' && code === 'ENOENT')
    return new TransferError('the workspace of the job is gone', { retryable: true, lost: true, cause: error });
  return new TransferError(`cannot ${doing} ${path} in the workspace: ${shortage ?? code}`, {
    retryable: shortage !== undefined,
    notFound: isMissing(error),
    ...(FULL.has(code) && { away: { isWorkDisk: true } }),
    cause: error,
  });
}

/** A failure of the machine under the backend itself. A shortage is worth waiting for. */
export function machineError(doing: string, error: unknown): RunError {
  if (error instanceof RunError) return error;
  const code = errorCode(error) ?? 'unknown error';
  const shortage = SHORTAGES[code];
  return new BackendError(`cannot ${doing}: ${shortage ?? code}`, {
    retryable: true,
    unavailable: shortage !== undefined,
    isWorkDiskFull: FULL.has(code),
    cause: error,
  });
}

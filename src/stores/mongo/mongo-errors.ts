import { mongo } from 'mongoose';
import { StoreError } from '../../ports/errors';

const { MongoBulkWriteError, MongoError, MongoErrorLabel, MongoNetworkError, MongoServerError } = mongo;

const DUPLICATE_KEY = 11000;
/** Codes that say the database refuses us, not that it is away: waiting does not help, an operator does. */
const REFUSALS: Readonly<Record<number, string>> = {
  13: 'the user may not do this on the database',
  18: 'user name or password are not accepted',
};

/** The operation took longer than it may; whether it happened is not known. */
export class TooSlow extends Error {
  constructor(limitMs: number) {
    super(`no answer within ${limitMs} ms`);
    this.name = 'TooSlow';
  }
}

/** Positions of the operations of an unordered bulk that met a duplicate key, if that is all that went wrong; else `undefined`. */
export function duplicatesOf(error: unknown): readonly number[] | undefined {
  if (!(error instanceof MongoBulkWriteError)) return undefined;
  const failures = failuresOf(error);
  if (failures.length === 0 || failures.some(({ code }) => code !== DUPLICATE_KEY)) return undefined;
  if (error.result.getWriteConcernError() !== undefined) return undefined;
  return failures.map(({ index }) => index);
}

function failuresOf({ writeErrors }: mongo.MongoBulkWriteError): readonly mongo.WriteError[] {
  return [writeErrors].flat();
}

export function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === DUPLICATE_KEY;
}

/** True when a write that failed so may have happened all the same. */
export function isUncertain(error: unknown): boolean {
  if (error instanceof TooSlow || isOfSocket(error)) return true;
  if (!(error instanceof MongoError)) return false;
  if (error instanceof mongo.MongoServerSelectionError || error instanceof mongo.MongoNotConnectedError) return false;
  return (
    error instanceof MongoNetworkError ||
    error instanceof mongo.MongoWriteConcernError ||
    error.hasErrorLabel(MongoErrorLabel.RetryableWriteError) ||
    (error instanceof MongoBulkWriteError && (error.result.getWriteConcernError() !== undefined || failedOnTheWay(error))) ||
    (error instanceof MongoServerError &&
      typeof error.code === 'number' &&
      [50, 64, 91, 189, 10107, 11600, 11602, 13435, 13436].includes(error.code))
  );
}

/** Without an error of a single write the whole command failed, and the bulk holds that error. */
function failedOnTheWay(error: mongo.MongoBulkWriteError): boolean {
  const whole: unknown = error.errorResponse;
  return failuresOf(error).length === 0 && (!(whole instanceof MongoError) || isUncertain(whole));
}

/** True when the database is there but will not have us: wrong credentials, missing rights. Waiting does not mend it. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof StoreError) return isRefusal(error.cause);
  return error instanceof MongoServerError && typeof error.code === 'number' && error.code in REFUSALS;
}

/** A fault of the database or the way to it as `StoreError`; anything else is a bug and stays what it is. */
export function toStoreError(error: unknown): unknown {
  if (error instanceof StoreError) return error;
  if (!(error instanceof MongoError || error instanceof TooSlow || isAbort(error) || isOfSocket(error))) return error;
  const refused = error instanceof MongoServerError && typeof error.code === 'number' ? REFUSALS[error.code] : undefined;
  return new StoreError('The task store cannot be used at the moment', {
    retryable: true,
    unavailable: true,
    internal: `The task store failed: ${refused ?? (error as Error).message}`,
    cause: error,
  });
}

/** A connection that ends while a command is being written: the driver passes on the socket's own error. */
function isOfSocket(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { syscall, code } = error as NodeJS.ErrnoException;
  return syscall !== undefined || code === 'ERR_STREAM_DESTROYED';
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
}

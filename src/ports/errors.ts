import type { Problem } from '../task/problem';

/**
 * Two families of expected failures, never mixed. Anything else thrown is a bug.
 * Match on `code` or class, never on text. `message` is internal; `publicMessage` may reach a client or `system_logs`.
 */
export abstract class GatewayError extends Error {
  abstract readonly code: string;
  constructor(
    readonly publicMessage: string,
    options?: { internal?: string; cause?: unknown },
  ) {
    super(options?.internal ?? publicMessage, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
  }
}

export type { Problem };

export type RequestErrorCode =
  | 'INVALID_TASK'
  | 'INVALID_REQUEST'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'TASK_NOT_FOUND'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'PAYLOAD_TOO_LARGE'
  | 'TOO_MANY_REQUESTS'
  | 'UNAVAILABLE'
  | 'INSUFFICIENT_STORAGE';

/** The client's request cannot be served. Translated to HTTP only in `src/api`. */
export abstract class RequestError extends GatewayError {
  abstract override readonly code: RequestErrorCode;
  readonly details: readonly Problem[] | undefined;
  /** Seconds for `Retry-After`, where waiting helps. */
  readonly retryAfterSeconds: number | undefined;
  constructor(
    publicMessage: string,
    options?: { internal?: string; cause?: unknown; details?: readonly Problem[]; retryAfterSeconds?: number },
  ) {
    super(publicMessage, options);
    this.details = options?.details;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }
}

export class InvalidTask extends RequestError {
  readonly code = 'INVALID_TASK';
}
/** A query parameter, header or page token that is not acceptable. */
export class InvalidRequest extends RequestError {
  readonly code = 'INVALID_REQUEST';
}
export class Unauthenticated extends RequestError {
  readonly code = 'UNAUTHENTICATED';
  /** For the audit log: whose login it would have been. Only of somebody that there is: in the place of a name others type passwords. */
  readonly owner: string | undefined;
  constructor(publicMessage: string, options?: { readonly owner?: string | undefined; readonly cause?: unknown }) {
    super(publicMessage, options);
    this.owner = options?.owner;
  }
}
export class Forbidden extends RequestError {
  readonly code = 'FORBIDDEN';
}
/** The token that was sent covers less than this. */
export class InsufficientScope extends Forbidden {
  /** `scope`: what would cover it, in the words of whoever issued the token (RFC 6750, 3). */
  constructor(
    publicMessage: string,
    readonly scope: string,
  ) {
    super(publicMessage);
  }
}
/** Also for someone else's task. */
export class TaskNotFound extends RequestError {
  readonly code = 'TASK_NOT_FOUND';
}
/** What is asked for is no task, and is not there. */
export class NotFound extends RequestError {
  readonly code = 'NOT_FOUND';
}
export class Conflict extends RequestError {
  readonly code = 'CONFLICT';
}
export class PayloadTooLarge extends RequestError {
  readonly code = 'PAYLOAD_TOO_LARGE';
}
export class TooManyRequests extends RequestError {
  readonly code = 'TOO_MANY_REQUESTS';
}
export class Unavailable extends RequestError {
  readonly code = 'UNAVAILABLE';
}
export class InsufficientStorage extends RequestError {
  readonly code = 'INSUFFICIENT_STORAGE';
}

/** Something failed while a task was being carried out. Becomes a later `dueAt`, a new attempt, or a `failed` event. */
export abstract class RunError extends GatewayError {
  /** A new attempt may succeed (reset, 5xx, time-out, lost job). False for 401/403/404, an unknown image, a bad reference. */
  readonly retryable: boolean;
  /** The other side is away as a whole (daemon down, connection refused): wait for it without using up an attempt. */
  readonly unavailable: boolean;
  constructor(publicMessage: string, options: { retryable: boolean; unavailable?: boolean; internal?: string; cause?: unknown }) {
    super(publicMessage, options);
    this.retryable = options.retryable;
    this.unavailable = options.unavailable ?? false;
  }
}
/** Thrown by an ExecutionBackend. */
export class BackendError extends RunError {
  readonly code = 'BACKEND_ERROR';
  /** There is no room for a workspace: a task that begins waits for it without using up an attempt. */
  readonly isWorkDiskFull: boolean;
  constructor(publicMessage: string, options: ConstructorParameters<typeof RunError>[1] & { isWorkDiskFull?: boolean }) {
    super(publicMessage, options);
    this.isWorkDiskFull = options.isWorkDiskFull ?? false;
  }
}
/** A storage that is away: whatever is to be read from it or stored there waits. */
export interface StorageAway {
  /** It answered, so that it may be away for this URL only. */
  readonly answered?: boolean;
  /** It answers, with a fault of its own that may be for good (500): it is waited for the shorter time, also by outputs. */
  readonly brief?: boolean;
  /** It asked not to be tried again before (`Retry-After`), ms. */
  readonly retryAfterMs?: number;
  /** It is no storage, but the disk of the workspaces, which is full: a task that begins waits for room, and nobody else is away. */
  readonly isWorkDisk?: true;
}

/** Thrown by a StorageClient or a Workspace. The message names the URL without its userinfo. */
export class TransferError extends RunError {
  readonly code = 'TRANSFER_ERROR';
  /** The source does not exist: told apart because a missing output is no error. */
  readonly notFound: boolean;
  /** The workspace has gone, and the attempt with it: no repetition of the transfer helps, only another attempt. */
  readonly lost: boolean;
  /** The storage is away, which is no matter of the backend: makes the error `unavailable`. */
  readonly away: StorageAway | undefined;
  /** What is there now is another version than the one that was begun: only a read from the beginning helps. */
  readonly changed: boolean;
  constructor(publicMessage: string, options: TransferErrorOptions) {
    super(publicMessage, { ...options, unavailable: options.unavailable ?? options.away !== undefined });
    this.notFound = options.notFound ?? false;
    this.lost = options.lost ?? false;
    this.away = options.away;
    this.changed = options.changed ?? false;
  }

  /** The same failure in other words; of the members only those given change. */
  reworded(publicMessage: string, changes: Partial<TransferErrorOptions> = {}): TransferError {
    const { retryable, unavailable, notFound, lost, away, changed } = this;
    return new TransferError(publicMessage, {
      retryable,
      unavailable,
      notFound,
      lost,
      changed,
      ...(away && { away }),
      cause: this,
      ...changes,
    });
  }
}
interface TransferErrorOptions {
  readonly retryable: boolean;
  readonly unavailable?: boolean;
  readonly notFound?: boolean;
  readonly lost?: boolean;
  readonly away?: StorageAway;
  readonly changed?: boolean;
  readonly internal?: string;
  readonly cause?: unknown;
}

/** The store cannot answer or cannot write (locked, full, away, corrupt). The API turns it into 503 with Retry-After. */
export class StoreError extends RunError {
  readonly code = 'STORE_ERROR';
}

/**
 * A credential that a user saved cannot be opened, or none can be saved, because the key is not to be had: what needs it waits until somebody
 * has put it back. Or it is damaged, and no waiting helps.
 */
export class CredentialError extends RunError {
  readonly code = 'CREDENTIAL_ERROR';
  constructor(publicMessage: string, options?: { readonly isDamaged?: true; readonly internal?: string; readonly cause?: unknown }) {
    const waits = options?.isDamaged !== true;
    super(publicMessage, { retryable: waits, unavailable: waits, ...options });
  }
}

import { STATUS_CODES } from 'node:http';
import { isNativeError } from 'node:util/types';
import { HttpException } from '@nestjs/common';
import { type Problem, RequestError, type RequestErrorCode, RunError } from '../../ports/errors';

/** Every error answer of this server (TES leaves them open). `code` is stable, `message` is for people. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly details?: readonly Problem[];
}

export interface ErrorAnswer {
  readonly status: number;
  readonly body: ErrorBody;
  readonly retryAfterSeconds?: number;
  /** True when it is a fault of ours, to be logged with its cause. */
  readonly unexpected: boolean;
}

/** What a client waits before it asks again, when the store or a backend cannot answer at the moment. */
const RETRY_AFTER_SECONDS = 5;

/** The only place where errors become HTTP. */
export function answerFor(error: unknown, bodyLimitBytes: number): ErrorAnswer {
  if (error instanceof RequestError) return ofRequestError(error);
  if (error instanceof RunError) {
    const body = { code: error.code, message: error.publicMessage };
    return { status: 503, body, retryAfterSeconds: RETRY_AFTER_SECONDS, unexpected: false };
  }
  const status = statusOf(error);
  if (status === undefined || status >= 500) return UNEXPECTED;
  if (status === 413) {
    return ofStatus(413, `the body is larger than ${bodyLimitBytes} bytes (setting server.body_limit_bytes)`);
  }
  // A task that is not there is a `RequestError`: this is a path that no route has.
  const where = status === 404 ? ': the TES API is at /ga4gh/tes/v1 and /v1' : '';
  return ofStatus(status, isNativeError(error) ? error.message + where : undefined);
}

/** For what fails before a route is found: bad URLs, bad HTTP. */
export function ofStatus(status: number, message?: string): ErrorAnswer {
  const phrase = STATUS_CODES[status] ?? 'Bad Request';
  const code = phrase.toUpperCase().replaceAll(/[^A-Z]+/g, '_');
  return { status, body: { code: CODES[status] ?? code, message: message ?? phrase }, unexpected: false };
}

const STATUS_OF: Readonly<Record<RequestErrorCode, number>> = {
  INVALID_TASK: 400,
  INVALID_REQUEST: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  TASK_NOT_FOUND: 404,
  NOT_FOUND: 404,
  CONFLICT: 409,
  PAYLOAD_TOO_LARGE: 413,
  TOO_MANY_REQUESTS: 429,
  UNAVAILABLE: 503,
  INSUFFICIENT_STORAGE: 507,
};

/** What fails before a route is found has the code of an error of ours where its status stands for one. */
const CODES: Readonly<Record<number, RequestErrorCode>> = { 400: 'INVALID_REQUEST', 401: 'UNAUTHENTICATED', 413: 'PAYLOAD_TOO_LARGE' };

const UNEXPECTED: ErrorAnswer = { status: 500, body: { code: 'INTERNAL', message: 'internal error' }, unexpected: true };

function ofRequestError(error: RequestError): ErrorAnswer {
  const body = { code: error.code, message: error.publicMessage, ...(error.details && { details: error.details }) };
  const answer = { status: STATUS_OF[error.code], body, unexpected: false };
  return error.retryAfterSeconds === undefined ? answer : { ...answer, retryAfterSeconds: error.retryAfterSeconds };
}

/** Nest's exceptions, and Fastify's and Node's errors that carry a client's status (a body cut short, too large, ...). */
function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (isNativeError(error) && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return undefined;
}

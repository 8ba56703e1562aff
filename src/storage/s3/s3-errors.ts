import type { IncomingHttpHeaders } from 'node:http';
import { TransferError } from '../../ports/errors';
import { meaningOf, networkError, statusError, type Told } from '../shared/http-errors';

/** The setting that a refused address names. */

/** Codes of S3 that say more than the status they come with (its error responses, and those of common look-alikes). */
const CODES: Readonly<Record<string, Told>> = {
  SlowDown: { words: 'too many requests', means: 'away' },
  Throttling: { words: 'too many requests', means: 'away' },
  ThrottlingException: { words: 'too many requests', means: 'away' },
  RequestLimitExceeded: { words: 'too many requests', means: 'away' },
  ServiceUnavailable: { words: 'unavailable', means: 'away' },
  InternalError: { means: 'away briefly' },
  RequestTimeout: { words: 'the request came too slowly', means: 'retry' },
  OperationAborted: { words: 'another change is under way', means: 'retry' },
  ConditionalRequestConflict: { words: 'another change is under way', means: 'retry' },
  NoSuchUpload: { words: 'the upload has gone', means: 'retry' },
  BadDigest: { words: 'what came is not what was sent', means: 'retry' },
  IncompleteBody: { words: 'what came is not what was sent', means: 'retry' },
  XAmzContentSHA256Mismatch: { words: 'what came is not what was sent', means: 'retry' },
  XAmzContentChecksumMismatch: { words: 'what came is not what was sent', means: 'retry' },
  ExpiredToken: { words: 'the credentials have expired', means: 'retry' },
  NoSuchBucket: { words: 'there is no such bucket', means: 'final' },
  NoSuchKey: { words: 'not found', means: 'final' },
  InvalidAccessKeyId: { words: 'the access key is not known there', means: 'final' },
  SignatureDoesNotMatch: { words: 'the secret key is wrong', means: 'final' },
  RequestTimeTooSkewed: { words: "the clocks of this machine and the server's differ", means: 'final' },
  InvalidObjectState: { words: 'it is archived and must be restored first', means: 'final' },
};

/** Of what the SDK throws, as far as it is used here. */
interface ServiceError {
  readonly name: string;
  readonly $metadata: { readonly httpStatusCode?: number };
  readonly $response?: { readonly statusCode?: number; readonly headers?: IncomingHttpHeaders };
  /** Of a request that was signed for another region. */
  readonly Region?: string;
}

/** The status of an answer that was no success; `undefined` where none came. */
export function statusOf(error: unknown): number | undefined {
  return isServiceError(error) ? (error.$metadata.httpStatusCode ?? error.$response?.statusCode) : undefined;
}

/** Where a server says that the bucket lies elsewhere: its region. */
export function regionSaid(error: unknown): string | undefined {
  if (!isServiceError(error)) return undefined;
  const said = error.$response?.headers?.['x-amz-bucket-region'] ?? error.Region;
  return typeof said === 'string' && /^[a-z0-9-]{1,40}$/i.test(said) ? said : undefined;
}

export interface S3Context {
  /** "URL cannot be read". */
  readonly subject: string;
  readonly during: 'read' | 'write';
}

/** Translates what the SDK threw, by status and code. What is none of its failures passes through. */
export function s3Error(error: unknown, { subject, during }: S3Context): unknown {
  if (error instanceof TransferError) return error;
  const status = statusOf(error);
  if (status === undefined || !isServiceError(error)) return networkError(error, { subject, during });
  if (status === 412 && during === 'read') return changedObject(subject);
  // The body is no answer of S3: a page of something between.
  const isStrange = status < 300;
  const code =
    /^[A-Z][A-Za-z0-9]{2,60}$/.test(error.name) && !['Unknown', 'UnknownError', 'NotFound'].includes(error.name) ? error.name : undefined;
  const { words, means } = CODES[code ?? ''] ?? (isStrange ? { means: 'retry' as const } : meaningOf(status));
  const said = [code, words].filter((part) => part !== undefined && part !== '').join(': ');
  return statusError(status, subject, error.$response?.headers, { means, ...(said !== '' && { words: said }) });
}

export function changedObject(subject: string): TransferError {
  return new TransferError(`${subject}: it has changed while it was being read`, { retryable: true, changed: true });
}

/** By its members: the SDK's classes are loaded only when they are needed. */
function isServiceError(error: unknown): error is ServiceError {
  if (!(error instanceof Error) || !('$metadata' in error)) return false;
  const { $metadata: about } = error;
  const answer = '$response' in error ? error.$response : undefined;
  return (
    typeof about === 'object' &&
    about !== null &&
    ('httpStatusCode' in about || (typeof answer === 'object' && answer !== null && 'statusCode' in answer))
  );
}

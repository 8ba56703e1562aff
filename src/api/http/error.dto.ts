import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, ApiResponse, ApiSchema } from '@nestjs/swagger';
import type { Problem } from '../../ports/errors';
import type { ErrorBody } from './error-answer';

@ApiSchema({ name: 'problem' })
export class ProblemDto implements Problem {
  @ApiProperty({ description: 'A JSON path, or the name of a parameter.', example: '$.executors[0].command[1]' })
  path!: string;

  @ApiProperty({ example: 'must be a string' })
  message!: string;
}

@ApiSchema({ name: 'error', description: 'Every answer that is not 2xx.' })
export class ErrorDto implements ErrorBody {
  @ApiProperty({ description: 'Stable.', example: 'INVALID_TASK' })
  code!: string;

  @ApiProperty({ description: 'For people.' })
  message!: string;

  @ApiPropertyOptional({ type: [ProblemDto] })
  details?: ProblemDto[];
}

const MEANINGS = {
  400: 'The request is wrong; `details` names every problem found.',
  401: 'Authentication is required, or the credentials are bad.',
  403: 'Not allowed.',
  404: 'No such task, or not the caller’s.',
  405: 'The path is served, but not with this method.',
  408: 'The request took too long to arrive.',
  409: 'The `Idempotency-Key` was used with another body.',
  413: 'The body is larger than `server.body_limit_bytes`.',
  415: 'The `Content-Type` is malformed.',
  429: 'Too many requests, failed logins, or tasks that have not ended: the message names the setting. See `Retry-After`.',
  431: 'The request line and headers are too long.',
  500: 'A fault of the server, which is in its log.',
  503: 'Not now: stopping, too many tasks waiting, or the store is away. See `Retry-After`.',
  507: 'Too little disk space for new tasks.',
} as const;

type ErrorStatus = keyof typeof MEANINGS;

const RETRY_AFTER = { headers: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' as const, minimum: 0 } } } };
const HEADERS: Partial<Record<ErrorStatus, typeof RETRY_AFTER>> = { 429: RETRY_AFTER, 503: RETRY_AFTER };

const ANY_ROUTE: readonly ErrorStatus[] = [400, 401, 403, 405, 408, 429, 431, 500, 503];

/** Documents the error answers of a route: those any route may give, and its own. */
export const ApiErrors = (...own: readonly ErrorStatus[]): MethodDecorator =>
  applyDecorators(
    ...[...ANY_ROUTE, ...own].map((status) => ApiResponse({ status, description: MEANINGS[status], type: ErrorDto, ...HEADERS[status] })),
  );

import { BadRequestException, ForbiddenException, HttpException, NotFoundException } from '@nestjs/common';
import { answerFor, ofStatus } from '../../../../src/api/http/error-answer';
import {
  BackendError,
  Conflict,
  InsufficientStorage,
  InvalidTask,
  StoreError,
  TaskNotFound,
  TooManyRequests,
  Unauthenticated,
  Unavailable,
} from '../../../../src/ports/errors';

const answer = (error: unknown) => answerFor(error, 1000);

describe('answerFor', () => {
  it.each([
    [new InvalidTask('x'), 400, 'INVALID_TASK'],
    [new Unauthenticated('x'), 401, 'UNAUTHENTICATED'],
    [new TaskNotFound('x'), 404, 'TASK_NOT_FOUND'],
    [new Conflict('x'), 409, 'CONFLICT'],
    [new TooManyRequests('x'), 429, 'TOO_MANY_REQUESTS'],
    [new Unavailable('x'), 503, 'UNAVAILABLE'],
    [new InsufficientStorage('x'), 507, 'INSUFFICIENT_STORAGE'],
    [new BadRequestException('x'), 400, 'INVALID_REQUEST'],
    [new ForbiddenException('x'), 403, 'FORBIDDEN'],
  ])('answers %s with %i %s', (error, status, code) => {
    expect(answer(error)).toEqual({ status, body: { code, message: 'x' }, unexpected: false });
  });

  it('says where the API is to whoever asks elsewhere', () => {
    const message = 'Cannot POST /tasks: the TES API is at /ga4gh/tes/v1 and /v1';
    expect(answer(new NotFoundException('Cannot POST /tasks'))).toMatchObject({ status: 404, body: { code: 'NOT_FOUND', message } });
  });

  it('carries details and the time to wait', () => {
    const details = [{ path: '$.name', message: 'must be a string' }];
    expect(answer(new InvalidTask('x', { details })).body.details).toEqual(details);
    expect(answer(new Unavailable('x', { retryAfterSeconds: 30 })).retryAfterSeconds).toBe(30);
  });

  it('answers 503 with a time to wait when the store or a backend is away', () => {
    const store = answer(new StoreError('the store is full', { retryable: true, internal: 'SQLITE_FULL /var/x' }));
    expect(store).toMatchObject({ status: 503, retryAfterSeconds: 5, body: { code: 'STORE_ERROR', message: 'the store is full' } });
    expect(answer(new BackendError('no docker', { retryable: true })).status).toBe(503);
  });

  it('names the limit and its setting when a body is too large', () => {
    const error = Object.assign(new Error('Request body is too large'), { statusCode: 413 });
    expect(answer(error)).toMatchObject({
      status: 413,
      body: { code: 'PAYLOAD_TOO_LARGE', message: 'the body is larger than 1000 bytes (setting server.body_limit_bytes)' },
    });
  });

  it('takes a request that broke off as the client’s fault', () => {
    expect(answer(Object.assign(new Error('aborted'), { code: 'ECONNRESET', statusCode: 400 }))).toMatchObject({
      status: 400,
      unexpected: false,
    });
  });

  it.each([[new Error('password=hunter2')], ['text'], [undefined], [new HttpException('secret', 502)], [new TypeError('x is undefined')]])(
    'says nothing of what it did not expect: %s',
    (error) => {
      expect(answer(error)).toEqual({ status: 500, body: { code: 'INTERNAL', message: 'internal error' }, unexpected: true });
    },
  );
});

describe('ofStatus', () => {
  it('makes a code of the status where there is no other', () => {
    expect(ofStatus(431).body).toEqual({ code: 'REQUEST_HEADER_FIELDS_TOO_LARGE', message: 'Request Header Fields Too Large' });
    expect(ofStatus(405).body.code).toBe('METHOD_NOT_ALLOWED');
  });
});

import { get as httpGet, type IncomingMessage } from 'node:http';
import type { LogRequest } from '../../../../src/engine/log-reader';
import { BackendError, InvalidRequest, TaskNotFound } from '../../../../src/ports/errors';
import { sharedApi, startApi } from '../http-app';
import { send } from '../raw-http';

const ID = '01234567890123456789012345';
const LOGS = `/ext/v1/tasks/${ID}/logs`;

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await Promise.resolve();
    yield Buffer.from(text);
  }
}

/** Says "started", then nothing until the reader is gone; `ended` tells when that was noticed. */
function endless(): { open: (signal: AbortSignal) => AsyncGenerator<Uint8Array>; ended: Promise<void> } {
  let tell: () => void;
  const ended = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return {
    ended,
    open: async function* (signal) {
      yield Buffer.from('started\n');
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          resolve();
        });
      });
      tell();
    },
  };
}

function follow(port: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpGet({ port, host: '127.0.0.1', path: `${LOGS}/0/stdout?follow=true` }, resolve).on('error', reject);
  });
}

describe('GET /ext/v1/tasks/{id}/logs/{executor}/{stream}', () => {
  const asked: LogRequest[] = [];
  const api = sharedApi({
    logs: {
      open: (_principal, _id, request) => {
        asked.push(request);
        if (request.executor === 1) return Promise.reject(new InvalidRequest('the task has 1 executor'));
        if (request.executor === 2) return Promise.reject(new TaskNotFound('no such task'));
        if (request.executor === 3) return Promise.resolve(broken());
        return Promise.resolve(chunks('one\n', 'tw\u00f6\n'));
      },
    },
  });
  async function* broken(): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    if (asked.length > 0) throw new BackendError('no daemon', { retryable: true });
    yield Buffer.of();
  }

  it('streams text and passes offset and follow on', async () => {
    const answer = await send(api.port(), 'GET', `${LOGS}/0/stderr?offset=7&follow`);
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(Buffer.from(answer.body, 'latin1').toString('utf8')).toContain('tw\u00f6');
    expect(asked.at(-1)).toEqual({ executor: 0, stream: 'stderr', offset: 7, follow: true });
  });

  it('does not follow for HEAD', async () => {
    const answer = await send(api.port(), 'HEAD', `${LOGS}/0/stdout?follow=true`);
    expect([answer.status, answer.body]).toEqual([200, '']);
    expect(asked.at(-1)?.follow).toBe(false);
  });

  it.each([
    ['1/stdout', 400, 'INVALID_REQUEST'],
    ['2/stdout', 404, 'TASK_NOT_FOUND'],
    ['3/stdout', 503, 'BACKEND_ERROR'],
    ['x/stdout', 400, 'INVALID_REQUEST'],
    ['-1/stdout', 400, 'INVALID_REQUEST'],
    ['0/stdin', 400, 'INVALID_REQUEST'],
    ['0/stdout?offset=-1', 400, 'INVALID_REQUEST'],
    ['0/stdout?follow=perhaps', 400, 'INVALID_REQUEST'],
  ])('answers an error as JSON: %s', async (path, status, code) => {
    const answer = await send(api.port(), 'GET', `${LOGS}/${path}`);
    expect([answer.status, answer.headers['content-type']]).toEqual([status, expect.stringMatching(/^application\/json/)]);
    expect(JSON.parse(answer.body)).toMatchObject({ code });
  });
});

describe('a log that is followed', () => {
  it('is let go when the reader leaves', async () => {
    const log = endless();
    const app = await startApi({ logs: { open: (_p, _i, _r, signal) => Promise.resolve(log.open(signal)) } });
    const answer = await follow(Number(new URL(await app.getUrl()).port));
    await new Promise((resolve) => answer.once('data', resolve));
    answer.destroy();
    await log.ended;
    await app.close();
  });

  it('does not keep the server from closing', async () => {
    const log = endless();
    const app = await startApi({ logs: { open: (_p, _i, _r, signal) => Promise.resolve(log.open(signal)) } });
    const answer = await follow(Number(new URL(await app.getUrl()).port));
    await new Promise((resolve) => answer.once('data', resolve));
    const ended = new Promise((resolve) => answer.once('close', resolve));
    await app.close();
    await log.ended;
    answer.resume();
    await ended;
  });
});

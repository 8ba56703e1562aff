import { setTimeout as pause } from 'node:timers/promises';
import { BackendError } from '../../ports/errors';
import { errorCode } from '../shared/workspace-errors';

/** What was wrong with an answer. */
export type AnswerFault =
  | { readonly kind: 'status'; readonly status: number }
  /** 200, but not what this route answers: a proxy's page, half a JSON document. */
  | { readonly kind: 'strange' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'long'; readonly mostBytes: number };

/** For sentences. */
export const titleOf = (backend: string): string => `the Pulsar server of ${backend}`;

/** A pause of somebody who waits for an answer. At the time limit of its signal it rejects with `silent`, at any other end with that end's reason. */
export async function pauseFor(ms: number, silent: string, signal: AbortSignal): Promise<void> {
  try {
    await pause(ms, undefined, { signal });
  } catch (error) {
    if (!(signal.reason instanceof DOMException) || signal.reason.name !== 'TimeoutError') throw error;
    throw new BackendError(silent, { retryable: true, unavailable: true });
  }
}

/** Sentences that name the backend and never its address: the token stands in it. */
export function faultOfAnswer(backend: string, fault: AnswerFault): BackendError {
  const server = titleOf(backend);
  switch (fault.kind) {
    case 'status':
      return faultOfStatus(server, fault.status);
    case 'strange':
      return new BackendError(`${server} gave an answer that is not Pulsar's: is something else at its address?`, {
        retryable: true,
        unavailable: true,
      });
    case 'cut':
      return new BackendError(`an answer of ${server} broke off`, { retryable: true, unavailable: true });
    case 'long':
      return new BackendError(`an answer of ${server} is longer than ${fault.mostBytes} bytes`, { retryable: true });
    default: {
      const never: never = fault;
      return never;
    }
  }
}

function faultOfStatus(server: string, status: number): BackendError {
  const away = { retryable: true, unavailable: true };
  if (status === 401 || status === 403) return new BackendError(`${server} does not take the token of this gateway (${status})`, away);
  if (status === 404) return new BackendError(`${server} does not know what every Pulsar knows (404): is its address right?`, away);
  if (status >= 300 && status < 400) return new BackendError(`${server} sends elsewhere (${status}), which is not followed`, away);
  if (status === 413 || status === 414)
    return new BackendError(`a proxy before ${server} refuses so long a request (${status})`, { retryable: false });
  // 500 is Pulsar's own: an unknown manager, or an error that only its log tells. Everything else above is a proxy's.
  if (status === 500)
    return new BackendError(
      `${server} reports an error of its own (500): its log says which, such as a full disk or a manager that it does not have`,
      { retryable: true },
    );
  return new BackendError(`${server} is away: ${status}`, away);
}

/** Codes of Node and axios for a connection that was there and broke. */
const DROPPED = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_BAD_RESPONSE']);

/** A call that got no answer. Only the code goes on: axios' own error holds the address, and with it the token. */
export function faultOfConnection(backend: string, error: unknown, signal: AbortSignal): unknown {
  if (error instanceof BackendError) return error;
  const server = titleOf(backend);
  const code = errorCode(error) ?? 'unknown';
  if (signal.aborted) {
    const isTimeout = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';
    if (!isTimeout) return signal.reason;
    return new BackendError(`${server} does not answer`, { retryable: true, unavailable: true, cause: new Error('ETIMEDOUT') });
  }
  if (DROPPED.has(code)) {
    return new BackendError(`${server} dropped the connection`, { retryable: true, unavailable: true, cause: new Error('ECONNRESET') });
  }
  const what = code === 'ECONNABORTED' || code === 'ETIMEDOUT' ? 'does not answer' : `cannot be reached (${code})`;
  return new BackendError(`${server} ${what}`, { retryable: true, unavailable: true, cause: new Error(code) });
}

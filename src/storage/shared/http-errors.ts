import type { IncomingHttpHeaders } from 'node:http';
import { type StorageAway, TransferError } from '../../ports/errors';
import { ConnectTimeout } from './http-agents';
import { ForbiddenAddress } from './reach';

/** What a failure means: `away` is waited for, `retry` is tried a few times, `final` stays as it is. */
export type Meaning = 'away' | 'away briefly' | 'retry' | 'final';

export interface Told {
  readonly words?: string;
  readonly means: Meaning;
}

/** What is not here: 4xx is final, 5xx is waited for as 500 is. */
const STATUSES: Readonly<Record<number, Told>> = {
  202: { words: 'not ready yet', means: 'away' },
  401: { words: 'credentials are missing or wrong', means: 'final' },
  403: { words: 'forbidden', means: 'final' },
  404: { words: 'not found', means: 'final' },
  408: { means: 'away' },
  410: { words: 'gone', means: 'final' },
  425: { means: 'away' },
  429: { words: 'too many requests', means: 'away' },
  500: { means: 'away briefly' },
  501: { means: 'retry' },
  502: { means: 'away' },
  503: { words: 'unavailable', means: 'away' },
  504: { means: 'away' },
  505: { means: 'retry' },
  507: { words: 'its disk is full', means: 'away' },
};

export function statusError(status: number, subject: string, headers: IncomingHttpHeaders = {}, told = meaningOf(status)): TransferError {
  const { words, means } = told;
  const retryAfterMs = retryAfter(headers['retry-after']);
  return new TransferError(`${subject}: the server answered ${status}${words === undefined ? '' : ` (${words})`}`, {
    ...membersOf(means, { answered: true, ...(retryAfterMs !== undefined && { retryAfterMs }) }),
    notFound: status === 404 || status === 410,
  });
}

export function meaningOf(status: number): Told {
  return STATUSES[status] ?? { means: status >= 500 ? 'away briefly' : 'final' };
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function retryAfter(written: string | undefined): number | undefined {
  if (written === undefined) return undefined;
  const ms = /^\d+$/.test(written) ? Number(written) * 1000 : Date.parse(written) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

/** Of a `TransferError`. */
export function membersOf(means: Meaning, detail: StorageAway = {}): { readonly retryable: boolean; readonly away?: StorageAway } {
  switch (means) {
    case 'away':
      return { retryable: true, away: detail };
    case 'away briefly':
      return { retryable: true, away: { ...detail, brief: true } };
    case 'retry':
      return { retryable: true };
    case 'final':
      return { retryable: false };
    default: {
      const never: never = means;
      return never;
    }
  }
}

/** Codes of Node's network and TLS layers. */
const CODES: Readonly<Record<string, Told & { readonly words: string }>> = {
  CERT_HAS_EXPIRED: { words: "the server's certificate has expired", means: 'final' },
  DEPTH_ZERO_SELF_SIGNED_CERT: { words: "the server's certificate is self-signed", means: 'final' },
  SELF_SIGNED_CERT_IN_CHAIN: { words: "the server's certificate is signed by an unknown authority", means: 'final' },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { words: "the server's certificate cannot be verified", means: 'final' },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { words: "the server's certificate is signed by an unknown authority", means: 'final' },
  ERR_TLS_CERT_ALTNAME_INVALID: { words: "the server's certificate is for another host", means: 'final' },
  ERR_INVALID_URL: { words: 'it is not a valid URL', means: 'final' },
  EPROTO: { words: 'the server does not speak TLS', means: 'final' },
  ENOTFOUND: { words: 'the host name is not known', means: 'final' },
  EAI_AGAIN: { words: 'the name service did not answer', means: 'away' },
  EAI_FAIL: { words: 'the name service failed', means: 'away' },
  ECONNREFUSED: { words: 'the connection was refused', means: 'away' },
  ECONNRESET: { words: 'the connection was reset', means: 'away' },
  ECONNABORTED: { words: 'the connection was closed', means: 'away' },
  EPIPE: { words: 'the connection was closed', means: 'away' },
  ETIMEDOUT: { words: 'no connection in time', means: 'away' },
  EHOSTUNREACH: { words: 'the host cannot be reached', means: 'away' },
  EHOSTDOWN: { words: 'the host cannot be reached', means: 'away' },
  ENETUNREACH: { words: 'the network cannot be reached', means: 'away' },
  ENETDOWN: { words: 'the network cannot be reached', means: 'away' },
  ERR_NETWORK: { words: 'the connection broke', means: 'away' },
  ERR_BAD_RESPONSE: { words: 'the connection broke', means: 'away' },
  ERR_STREAM_PREMATURE_CLOSE: { words: 'the connection broke', means: 'away' },
  HPE_INVALID_CONSTANT: { words: 'the server does not speak HTTP', means: 'retry' },
};

export interface NetworkContext {
  readonly subject: string;
  /**
   * A server that has answered is there: what breaks then is tried again at once. `write`: outputs took computing, and the name service of
   * a container network does not know a container that is being restarted, so an unknown host is waited for; as an input it is a mistake.
   */
  readonly during: 'read' | 'write' | 'answer';
}

/** Translates by code what the HTTP client threw. What is none of its failures passes through. */
export function networkError(error: unknown, { subject, during }: NetworkContext): unknown {
  for (let cause = error; typeof cause === 'object' && cause !== null; cause = 'cause' in cause ? cause.cause : undefined) {
    if (cause instanceof TransferError) return cause;
    if (cause instanceof ForbiddenAddress)
      return new TransferError(`${subject}: its server ${cause.message}`, { retryable: false, cause: error });
    const code = cause instanceof ConnectTimeout ? 'ETIMEDOUT' : codeOf(cause);
    if (code === undefined) continue;
    const told = CODES[code] ?? (code.startsWith('ERR_') ? undefined : { words: code, means: 'retry' as const });
    if (!told) continue;
    const means = code === 'ENOTFOUND' && during === 'write' ? 'away briefly' : told.means;
    return new TransferError(`${subject}: ${told.words}`, {
      ...membersOf(during === 'answer' && means === 'away' ? 'retry' : means),
      cause: error,
    });
  }
  return error;
}

/** Of a connection that was made and then cut before there was an answer, or on which none came that is HTTP. */
const CUT: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE']);

/** Whether a failure of `networkError` is of one request: the same server may answer another one. */
export function isCut(error: unknown): boolean {
  for (let cause = error; typeof cause === 'object' && cause !== null; cause = 'cause' in cause ? cause.cause : undefined) {
    const code = codeOf(cause);
    if (CUT.has(code) || code?.startsWith('HPE_')) return true;
  }
  return false;
}

function codeOf(error: object): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

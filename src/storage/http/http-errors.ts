import { TransferError } from '../../ports/errors';
import { ConnectTimeout } from './http-agents';
import { PRIVATE_ADDRESS } from './private-addresses';

/** The setting that a refused address names. */
export const PRIVATE_SETTING = 'storage.http.allow_private_addresses';

/** Not 4xx, which will be the same again, but for "too early", "too many" and "took too long". */
export function statusError(status: number, subject: string): TransferError {
  const retryable = status >= 500 || status === 408 || status === 425 || status === 429;
  return new TransferError(`${subject}: the server answered ${status}${MEANINGS[status] ?? ''}`, {
    retryable,
    notFound: status === 404 || status === 410,
  });
}

const MEANINGS: Readonly<Record<number, string>> = {
  401: ' (credentials are missing or wrong)',
  403: ' (forbidden)',
  404: ' (not found)',
  410: ' (gone)',
  429: ' (too many requests)',
  503: ' (unavailable)',
  507: ' (its disk is full)',
};

/** Codes of Node's network and TLS layers that will not change by trying again. */
const FINAL: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the host name is not known',
  [PRIVATE_ADDRESS]: `the host has a private address, which the setting ${PRIVATE_SETTING} forbids`,
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the server's certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "the server's certificate is signed by an unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server's certificate cannot be verified",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the server's certificate is signed by an unknown authority",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another host",
  ERR_INVALID_URL: 'it is not a valid URL',
  EPROTO: 'the server does not speak TLS',
};
const PASSING: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ETIMEDOUT: 'no connection in time',
  EAI_AGAIN: 'the name service did not answer',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ERR_NETWORK: 'the connection broke',
  ERR_BAD_RESPONSE: 'the connection broke',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection broke',
  HPE_INVALID_CONSTANT: 'the server does not speak HTTP',
};

/** Translates by code what the HTTP client threw. What is none of its failures passes through. */
export function networkError(error: unknown, subject: string): unknown {
  for (let cause = error; typeof cause === 'object' && cause !== null; cause = 'cause' in cause ? cause.cause : undefined) {
    if (cause instanceof TransferError) return cause;
    const code = cause instanceof ConnectTimeout ? 'ETIMEDOUT' : codeOf(cause);
    if (code === undefined) continue;
    const final = FINAL[code];
    if (final !== undefined) return new TransferError(`${subject}: ${final}`, { retryable: false, cause: error });
    if (code in PASSING || !code.startsWith('ERR_')) {
      return new TransferError(`${subject}: ${PASSING[code] ?? code}`, { retryable: true, cause: error });
    }
  }
  return error;
}

function codeOf(error: object): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

import type { IncomingMessage } from 'node:http';

type Headers = IncomingMessage['headers'];

/** What tells one version of a resource from another (RFC 9110, section 8.8), and how long that version is. */
interface Validators {
  readonly etag?: string;
  readonly lastModified?: string;
  readonly totalBytes?: number;
}

/** As `StorageStat.version`; `undefined` when the answer says nothing of its version: another one may be as long. */
export function versionOf(headers: Headers, totalBytes: number | undefined): string | undefined {
  const validators = validatorsOf(headers, totalBytes);
  return validators.etag === undefined && validators.lastModified === undefined ? undefined : JSON.stringify(validators);
}

function validatorsOf(headers: Headers, totalBytes: number | undefined): Validators {
  return {
    ...(headers.etag !== undefined && { etag: headers.etag }),
    ...(headers['last-modified'] !== undefined && { lastModified: headers['last-modified'] }),
    ...(totalBytes !== undefined && { totalBytes }),
  };
}

/** RFC 9110, section 13.1.5: only a strong tag may stand there. */
export function ifRange(version: string | undefined): { readonly 'If-Range'?: string } {
  const { etag } = parsed(version);
  return etag !== undefined && !etag.startsWith('W/') ? { 'If-Range': etag } : {};
}

/** True when a successful answer is about another version than the one known. */
export function changedSince(version: string, answer: { readonly status: number; readonly headers: Headers }): boolean {
  if (answer.status !== 200 && answer.status !== 206 && answer.status !== 416) return false;
  const known = parsed(version);
  const total = answer.status === 200 ? contentLength(answer.headers) : contentRange(answer.headers)?.totalBytes;
  const now = validatorsOf(answer.headers, total);
  const differs = <T>(before: T | undefined, after: T | undefined): boolean =>
    before !== undefined && after !== undefined && before !== after;
  return differs(known.etag, now.etag) || differs(known.lastModified, now.lastModified) || differs(known.totalBytes, now.totalBytes);
}

function parsed(version: string | undefined): Validators {
  return version === undefined ? {} : (JSON.parse(version) as Validators);
}

export function contentLength(headers: Headers): number | undefined {
  const written = headers['content-length'];
  return written !== undefined && /^\d+$/.test(written) ? Number(written) : undefined;
}

/** RFC 9110, section 8.8.2, in ms since 1970. */
export function lastModified(headers: Headers): number | undefined {
  const ms = Date.parse(headers['last-modified'] ?? '');
  return Number.isFinite(ms) ? ms : undefined;
}

/** `Content-Range` (RFC 9110, section 14.4); either side may be unknown. */
export function contentRange(headers: Headers): { readonly firstByte?: number; readonly totalBytes?: number } | undefined {
  const match = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
  if (!match) return undefined;
  return {
    ...(match[1] !== undefined && { firstByte: Number(match[1]) }),
    ...(match[2] === undefined || match[2] === '*' ? {} : { totalBytes: Number(match[2]) }),
  };
}

/** The SHA-256 that the server gives of the whole (RFC 9530, or RFC 3230 before it), in hexadecimal. */
export function givenSha256(headers: Headers): string | undefined {
  const written = [headers['repr-digest'], headers['digest']].flat().join(',');
  const base64 = /(?:^|[,\s])sha-256=:?([A-Za-z0-9+/]{43}=)/i.exec(written)?.[1];
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('hex');
}

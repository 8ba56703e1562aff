import type { IncomingMessage } from 'node:http';

type Headers = IncomingMessage['headers'];

/** What tells one version of a resource from another (RFC 9110, section 8.8), and how long that version is. */
export interface Validator {
  readonly etag?: string;
  readonly lastModified?: string;
  readonly totalBytes?: number;
}

/** Most URLs remembered; the oldest is forgotten first, and is then resumed on its length alone. */
const MAX_KEPT = 1000;

/** The versions whose download has begun, so that a resumed one is never glued to another version. */
export class Validators {
  private readonly kept = new Map<string, Validator>();

  get(url: string): Validator | undefined {
    return this.kept.get(url);
  }

  keep(url: string, headers: Headers): void {
    this.kept.delete(url);
    this.kept.set(url, validatorOf(headers, contentLength(headers)));
    const oldest = this.kept.size > MAX_KEPT ? this.kept.keys().next().value : undefined;
    if (oldest !== undefined) this.kept.delete(oldest);
  }
}

function validatorOf(headers: Headers, totalBytes: number | undefined): Validator {
  return {
    ...(headers.etag === undefined ? {} : { etag: headers.etag }),
    ...(headers['last-modified'] === undefined ? {} : { lastModified: headers['last-modified'] }),
    ...(totalBytes === undefined ? {} : { totalBytes }),
  };
}

/** RFC 9110, section 13.1.5: only a strong tag may stand there. */
export function ifRange(known: Validator | undefined): { readonly 'If-Range'?: string } {
  if (known?.etag !== undefined && !known.etag.startsWith('W/')) return { 'If-Range': known.etag };
  return {};
}

/** True when a successful answer is about another version than the one known. */
export function changedSince(known: Validator, answer: { readonly status: number; readonly headers: Headers }): boolean {
  if (answer.status !== 200 && answer.status !== 206 && answer.status !== 416) return false;
  const total = answer.status === 200 ? contentLength(answer.headers) : contentRange(answer.headers)?.totalBytes;
  const now = validatorOf(answer.headers, total);
  const differs = <T>(before: T | undefined, after: T | undefined): boolean =>
    before !== undefined && after !== undefined && before !== after;
  return differs(known.etag, now.etag) || differs(known.lastModified, now.lastModified) || differs(known.totalBytes, now.totalBytes);
}

export function contentLength(headers: Headers): number | undefined {
  const written = headers['content-length'];
  return written !== undefined && /^\d+$/.test(written) ? Number(written) : undefined;
}

/** `Content-Range` (RFC 9110, section 14.4); either side may be unknown. */
export function contentRange(headers: Headers): { readonly firstByte?: number; readonly totalBytes?: number } | undefined {
  const match = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
  if (!match) return undefined;
  return {
    ...(match[1] === undefined ? {} : { firstByte: Number(match[1]) }),
    ...(match[2] === undefined || match[2] === '*' ? {} : { totalBytes: Number(match[2]) }),
  };
}

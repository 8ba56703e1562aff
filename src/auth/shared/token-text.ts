import { hash, randomBytes } from 'node:crypto';

/**
 * A personal API token: a beginning that tools which search for leaked secrets can look for, what it is called, 256 random bits. No token of a
 * provider looks like that, so that none of ours is ever shown to one.
 */
const TOKEN = /^tesgw_([0-9a-f]{24})_[\w-]{43}$/;

/** What stands after `Bearer` (RFC 6750); `undefined` = another scheme, or no header. */
export function bearerToken(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^bearer(?: |$)/i.test(header) ? header.slice('bearer'.length).trim() : undefined;
}

/** `undefined` = it is none of ours. */
export function idOfToken(text: string): string | undefined {
  return TOKEN.exec(text)?.[1];
}

export function newToken(): { readonly id: string; readonly text: string } {
  const id = randomBytes(12).toString('hex');
  return { id, text: `tesgw_${id}_${randomBytes(32).toString('base64url')}` };
}

export function hashOfToken(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

import { Unauthenticated } from '../../ports/errors';

export interface NameAndPassword {
  readonly name: string;
  readonly password: string;
}

/**
 * `Authorization: Basic ...` (RFC 7617): UTF-8, parted at the first colon, so that a password may hold some. `undefined` = another scheme,
 * or none. Throws Unauthenticated when it is not what the RFC asks for.
 */
export function basicCredentials(header: string | string[] | undefined): NameAndPassword | undefined {
  const [, encoded] = typeof header === 'string' ? (/^basic(?:$| +(.*)$)/i.exec(header) ?? []) : [];
  if (typeof header !== 'string' || !/^basic(?: |$)/i.test(header)) return undefined;
  const text = decoded(encoded ?? '');
  const colon = text.indexOf(':');
  if (colon < 0) throw malformed('have no colon between name and password');
  // RFC 7617, 2: neither may hold one. To bcrypt a NUL is the end.
  if (/[\x00-\x1f\x7f]/.test(text)) throw malformed('hold a control character');
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

function decoded(base64: string): string {
  // Node itself would leave out what does not belong there, and two texts would mean the same.
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) throw malformed('are not Base64');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(base64, 'base64'));
  } catch {
    throw malformed('are not UTF-8');
  }
}

function malformed(why: string): Unauthenticated {
  return new Unauthenticated(`the credentials of the Authorization header ${why}`);
}

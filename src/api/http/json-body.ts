import { isUtf8 } from 'node:buffer';
import { InvalidRequest } from '../../ports/errors';

/** A task needs five levels; unknown keys may nest some more. Deeper bodies cost memory out of proportion to their size. */
export const MAX_NESTING = 100;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The body of a request as plain data. An empty one is `undefined` (clients cancel with a JSON content type and no body).
 * `__proto__` is a key like any other: JSON.parse makes it an own property.
 * Throws InvalidRequest for bytes that are not UTF-8, text that is not JSON, and more than `MAX_NESTING` levels.
 */
export function parseJsonBody(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new InvalidRequest('the body is not valid UTF-8');
  if (nestsDeeperThan(MAX_NESTING, bytes)) throw new InvalidRequest(`the body nests deeper than ${MAX_NESTING} levels`);
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const text = bytes.toString('utf8', start);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (text.trim() === '') return undefined;
    throw new InvalidRequest(`the body is not JSON: ${reasonOf(error)}`, { cause: error });
  }
}

/** Counts brackets outside of strings, before anything is built from them. */
function nestsDeeperThan(limit: number, bytes: Buffer): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) at = endOfString(bytes, at + 1);
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > limit) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return false;
}

/** Index of the quote that ends the string which begins at `from`; the length when there is none. */
function endOfString(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return bytes.length;
}

/** Where the text breaks, without the text itself: it may hold secrets and the answer may be logged. */
function reasonOf(error: unknown): string {
  const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
  return position === undefined ? 'it ends too early or is malformed' : `malformed at character ${position}`;
}

import { hash } from 'node:crypto';
import { mongo } from 'mongoose';
import { wellFormed } from './well-formed';

/**
 * What a page may be filtered by, besides owner and state, as one multikey index in order of creation: a term for "has this tag key", one
 * for "has this key with this value", and some for beginnings of the name; each once for everybody's tasks and once for the owner's own,
 * so that neither has to pass over the other's. 96 bits of SHA-256: a megabyte of tag costs an index no more than a letter.
 */
const TERM_BYTES = 12;

/** Characters of a name that the indexes know; a longer beginning is compared with the whole name. */
export const NAME_LENGTH = 64;
/** Lengths of beginnings that have a term. One in between is found by the next shorter one and compared. */
const BEGINNINGS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64];

export function tagTerm(owner: string | undefined, key: string, value?: string): mongo.Binary {
  return term(value === undefined ? ['tag', owner ?? null, key] : ['tag', owner ?? null, key, value]);
}

/** For a beginning as `nameKey` gives it; `exact` when the term says all there is to say. */
export function beginningTerm(owner: string | undefined, beginning: string): { readonly term: mongo.Binary; readonly exact: boolean } {
  const characters = Array.from(beginning);
  const length = BEGINNINGS.findLast((each) => each <= characters.length) ?? 1;
  return { term: nameTerm(owner, characters, length), exact: length === characters.length };
}

/** Every term of a task. `nameKey` absent = no name. */
export function termsOf(owner: string, tags: Readonly<Record<string, string>>, name: string | undefined): mongo.Binary[] {
  const characters = Array.from(name ?? '');
  const lengths = BEGINNINGS.filter((length) => length <= characters.length);
  return [undefined, owner].flatMap((whose) => [
    ...Object.entries(tags).flatMap(([key, value]) => [tagTerm(whose, key), tagTerm(whose, key, value)]),
    ...lengths.map((length) => nameTerm(whose, characters, length)),
  ]);
}

/** The beginning of a name, or of a beginning, that the indexes hold. */
export function nameKey(name: string): string {
  return Array.from(wellFormed(name.slice(0, NAME_LENGTH * 2)))
    .slice(0, NAME_LENGTH)
    .join('');
}

/**
 * The smallest text after every one that starts with `prefix`, in the order of UTF-8 bytes, which is MongoDB's; `undefined` when there is
 * none, that is, when every character is the last of all.
 */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix, (char) => char.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue;
    return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}

function nameTerm(owner: string | undefined, characters: readonly string[], length: number): mongo.Binary {
  return term(['name', owner ?? null, characters.slice(0, length).join('')]);
}

function term(parts: readonly (string | null)[]): mongo.Binary {
  return new mongo.Binary(hash('sha256', JSON.stringify(parts), 'buffer').subarray(0, TERM_BYTES));
}

import { hash } from 'node:crypto';
import type { TaskRecord } from '../../task/task-record';
import { wellFormed } from './well-formed';

/**
 * What a page may be filtered by, besides owner and state, as one multikey index in order of creation: a term for "has this tag key", one
 * for "has this key with this value", and some for beginnings of the name; each once for everybody's tasks and once for the owner's own,
 * so that neither has to pass over the other's. A term is its text, or 96 bits of SHA-256 where that is long: a megabyte of tag costs an
 * index no more than a line. Whose it is, is always a hash. Each group of a task is a term, too.
 */
const LONGEST = 48;
const HASH_BYTES = 12;

/** Characters of a name that the indexes know; a longer beginning is compared with the whole name. */
export const NAME_LENGTH = 64;
/** Lengths of beginnings that have a term. One in between is found by the next shorter one and compared. */
const BEGINNINGS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64];

export function tagTerm(owner: string | undefined, key: string, value?: string): string {
  return whose(owner) + tagPart(key, value);
}

/** For a beginning as `nameKey` gives it; `exact` when the term says all there is to say. */
export function beginningTerm(owner: string | undefined, beginning: string): { readonly term: string; readonly exact: boolean } {
  const known = beginningsOf(beginning).at(-1) ?? '';
  return { term: whose(owner) + namePart(known), exact: known === beginning };
}

/** For "was created by a member of this group". */
export function groupTerm(group: string): string {
  return `g${hashed(group)}`;
}

/** Every term of a task. `name` as `nameKey` gives it; absent = no name. */
export function termsOf({ owner, tags, groups = [] }: Pick<TaskRecord, 'owner' | 'tags' | 'groups'>, name: string | undefined): string[] {
  const parts = Object.entries(tags).flatMap(([key, value]) => [tagPart(key), tagPart(key, value)]);
  for (const beginning of beginningsOf(name ?? '')) parts.push(namePart(beginning));
  const own = whose(owner);
  return [...parts, ...parts.map((part) => own + part), ...groups.map(groupTerm)];
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

function beginningsOf(name: string): string[] {
  const characters = Array.from(name);
  const isPlain = characters.length === name.length;
  return BEGINNINGS.filter((length) => length <= characters.length).map((length) =>
    isPlain ? name.slice(0, length) : characters.slice(0, length).join(''),
  );
}

/** Nobody's in particular, or an owner's own: no other part begins so. */
function whose(owner: string | undefined): string {
  return owner === undefined ? '' : `@${hashed(owner)}`;
}

/** A control character, which is escaped in either, is between key and value. */
function tagPart(key: string, value?: string): string {
  return value === undefined ? part('k', wellFormed(key)) : part('t', `${wellFormed(key)}\t${wellFormed(value)}`);
}

function namePart(beginning: string): string {
  return part('n', beginning);
}

function part(kind: 'k' | 't' | 'n', text: string): string {
  return text.length <= LONGEST ? kind + text : `#${kind}${hashed(text)}`;
}

function hashed(text: string): string {
  return hash('sha256', text, 'buffer').toString('base64url', 0, HASH_BYTES);
}

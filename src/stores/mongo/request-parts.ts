import type { mongo } from 'mongoose';
import type { RequestPartDocument } from './schemas';

/** A request up to this length (UTF-16 units) lives in its task's document: one write, one read. */
const IN_TASK = 16 * 1024;
/** Each unit is at most three bytes, and a document holds 16 MiB. */
const PART = 4 * 1024 * 1024;

/** Undefined when the request goes into the task's document. */
export function requestParts(id: string, requestJson: string): Omit<RequestPartDocument, 'at'>[] | undefined {
  if (requestJson.length <= IN_TASK) return undefined;
  const parts: Omit<RequestPartDocument, 'at'>[] = [];
  for (let at = 0; at < requestJson.length;) {
    let end = Math.min(at + PART, requestJson.length);
    // Never between the halves of a surrogate pair.
    if (end < requestJson.length && (requestJson.charCodeAt(end) & 0xfc00) === 0xdc00) end -= 1;
    parts.push({ _id: partId(id, parts.length), text: requestJson.slice(at, end) });
    at = end;
  }
  return parts;
}

/** `undefined` when a piece is missing (the task was just deleted): a request is never given back cut short. */
export async function readParts(
  requests: mongo.Collection<RequestPartDocument>,
  id: string,
  count: number,
  options: { readonly maxTimeMS: number },
): Promise<string | undefined> {
  const texts: string[] = [];
  // One by one: together they may be longer than one answer of the server.
  for (const each of partIds(id, count)) {
    const part = await requests.findOne({ _id: each }, options);
    if (part === null) return undefined;
    texts.push(part.text);
  }
  return texts.join('');
}

export function partIds(id: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => partId(id, index));
}

function partId(id: string, index: number): string {
  return `${id}/${index}`;
}

/**
 * A text that BSON gives back as it is and an index compares exactly: quotes, backslashes, control characters and halves of surrogate
 * pairs are escaped as in JSON. Different texts stay different, and a beginning stays a beginning.
 */
export function wellFormed(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The text again. */
export function asItWas(text: string): string {
  return JSON.parse(`"${text}"`) as string;
}

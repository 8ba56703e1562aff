/** Most lines of one attempt: each has an output that was not there, or a backend that does not tire of saying something. */
const MOST_LINES = 1000;
/** Most characters of one line: a path has up to 4,095, a URL has no limit. */
const MOST_LENGTH = 8192;
const LEFT_OUT = 'further lines were left out here';

/** The lines of an attempt with `more` at the end. The first ones and the last ones stay: why it began to go wrong, and how it ended. */
export function addLines(lines: readonly string[], more: readonly string[]): readonly string[] {
  const all = [...lines, ...more.map(shortened)];
  if (all.length <= MOST_LINES) return all;
  const half = MOST_LINES / 2;
  return [...all.slice(0, half), LEFT_OUT, ...all.slice(half + 1 - MOST_LINES)];
}

/** A line as it is kept, in a record or a log. */
export function shortened(line: string): string {
  return line.length <= MOST_LENGTH ? line : `${line.slice(0, MOST_LENGTH).toWellFormed()}...`;
}

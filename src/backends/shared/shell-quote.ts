/**
 * The only place where a string becomes shell text. A word comes out of a POSIX shell byte for byte as it went in:
 * inside single quotes nothing is special but the quote itself. NUL cannot be part of any argument and is a bug of the caller.
 */
export function quoteWord(word: string): string {
  if (word.includes('\0')) throw new Error('a shell word cannot hold NUL');
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Words of one simple command, each quoted, so that not even the first can be a keyword, an alias or an assignment. */
export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** True when a POSIX shell can hold a variable of this name. */
export function isShellName(name: string): boolean {
  return SHELL_NAME.test(name);
}

/** `NAME='value'`; the name comes from us, never from a user. */
export function assignment(name: string, value: string | number): string {
  if (!isShellName(name)) throw new Error(`not a shell name: ${name}`);
  return `${name}=${quoteWord(String(value))}`;
}

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { assignment, isShellName, quoteWord, quoteWords } from '../../../../src/backends/shared/shell-quote';

const HOSTILE = [
  '',
  ' ',
  "'",
  "''",
  "'\\''",
  '"',
  '\\',
  '\\\\',
  '$(id)',
  '`id`',
  '${HOME}',
  '$HOME',
  '\n',
  'a\nb\n',
  '\r\n',
  '\t',
  '*',
  '?',
  '[a]',
  '~',
  '#',
  '-n',
  '--',
  '&',
  '|',
  ';',
  '<>',
  '!',
  '%s',
  'x'.repeat(100_000),
  Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1)).join(''),
  '\u2028\u{1f600}\ufffd',
];
const SHELLS = [['/bin/sh'], ['/bin/bash'], ['/usr/bin/dash'], ['/usr/bin/busybox', 'sh']].filter(([program]) => existsSync(program ?? ''));

describe.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))('quoteWord in %s', (_name, [program = '', ...rest]) => {
  const run = (script: string): Buffer => execFileSync(program, rest, { input: script, maxBuffer: 64 << 20 });

  it('comes out byte for byte as one word', () => {
    const out = run(`printf '%s\\0' ${quoteWords(HOSTILE)}\n`).toString('utf8');
    expect(out.split('\0').slice(0, -1)).toEqual(HOSTILE);
  });

  it('holds in an assignment, a function and a case pattern', () => {
    for (const word of HOSTILE) {
      const script = `f() { ${assignment('V', word)}; }\nf\ncase $V in ${quoteWord(word)}) printf %s "$V" ;; *) echo no ;; esac\n`;
      expect(run(script).toString('utf8')).toBe(word);
    }
  });

  it('takes a word that is a keyword or an assignment for a command', () => {
    expect(run(`${quoteWords(['echo', 'if', 'A=b'])}\n`).toString()).toBe('if A=b\n');
  });
});

it('refuses NUL, which no argument can hold', () => {
  expect(() => quoteWord('a\0b')).toThrow('NUL');
});

it('knows the names that a shell can hold', () => {
  expect(['A', '_a1', 'PATH'].every(isShellName)).toBe(true);
  expect(['', 'A.B', '1N', 'A-B', 'A B', 'é', 'A\n'].some(isShellName)).toBe(false);
  expect(() => assignment('A;id', 'x')).toThrow('not a shell name');
});

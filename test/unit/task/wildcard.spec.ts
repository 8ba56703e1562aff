import fc from '../../support/property';
import {
  MAX_ALTERNATIVES,
  outputPattern,
  pathBelowPrefix,
  requiresPrefix,
  unquotedPath,
  wildcardProblem,
} from '../../../src/task/wildcard';

function matches(pattern: string, path: string): boolean {
  const compiled = outputPattern({ path: pattern, path_prefix: '/' });
  return compiled ? compiled.matches(path) : pattern === path;
}

describe('wildcards by POSIX XCU 2.13', () => {
  const cases: [pattern: string, path: string, expected: boolean][] = [
    ['/w/*', '/w/a', true],
    ['/w/*.txt', '/w/a.txt', true],
    ['/w/*.txt', '/w/a.txt.gz', false],
    ['/w/*', '/w/', false],
    ['/w/a*', '/w/a', true],
    ['/w/?', '/w/a', true],
    ['/w/?', '/w/ab', false],
    ['/w/?', '/w/é', true],
    ['/w/?', '/w/😀', true],
    ['/w/[abc]', '/w/b', true],
    ['/w/[a-c]', '/w/d', false],
    ['/w/[!a]', '/w/b', true],
    ['/w/[!a]', '/w/a', false],
    ['/w/[a]', '/w/a', true],
    ['/w/[a]', '/w/[a]', false],
    ['/w/[]x]', '/w/]', true],
    ['/w/[!]x]', '/w/]', false],
    ['/w/[a-]', '/w/-', true],
    ['/w/[[:digit:]]', '/w/7', true],
    ['/w/[[:digit:]]', '/w/x', false],
    // An open bracket without its end is a plain character.
    ['/w/[a*', '/w/[ab', true],
    // A slash is matched only by a slash, also inside brackets.
    ['/w/*', '/w/a/b', false],
    ['/w/a?b', '/w/a/b', false],
    ['/w/*/c', '/w/a/c', true],
    ['/w/*/c', '/w/a/b/c', false],
    ['/w/a[/]b*', '/w/a/b', false],
    // A leading dot is matched only by a dot.
    ['/w/*', '/w/.a', false],
    ['/w/?a', '/w/.a', false],
    ['/w/[!x]a', '/w/.a', false],
    ['/w/.*', '/w/.a', true],
    ['/w/*/b', '/w/.a/b', false],
    ['/w/a*', '/w/a.b', true],
    // Quoting.
    ['/w/\\**', '/w/*x', true],
    ['/w/\\**', '/w/xx', false],
    ['/w/\\[a]*', '/w/[a]b', true],
    ['/w/\\?*', '/w/ab', false],
    // Nothing beyond it: no extended patterns, no comments, no negation, no case folding.
    ['/w/+(a)*', '/w/+(a)b', true],
    ['/w/+(a)*', '/w/aa', false],
    ['/w/#*', '/w/#a', true],
    ['/w/!*', '/w/!a', true],
    ['/w/!*', '/w/ba', false],
    ['/w/A*', '/w/ab', false],
    // Any byte of a name is matched.
    ['/w/*', '/w/a\nb', true],
  ];
  it.each(cases)('%j and %j: %s', (pattern, path, expected) => expect(matches(pattern, path)).toBe(expected));
});

describe('wildcards beyond POSIX, as Nextflow sends them', () => {
  const cases: [pattern: string, path: string, expected: boolean][] = [
    ['/w/*.{bam,bai}', '/w/x.bam', true],
    ['/w/*.{bam,bai}', '/w/x.bai', true],
    ['/w/*.{bam,bai}', '/w/x.bax', false],
    ['/w/x{,.gz}*', '/w/x', true],
    ['/w/\\{a,b}*', '/w/{a,b}c', true],
    ['/w/**', '/w/a', true],
    ['/w/**', '/w/a/b/c', true],
    ['/w/**', '/w', false],
    ['/w/**', '/w/.a/b', false],
    ['/w/**/c', '/w/c', true],
    ['/w/**/c', '/w/a/b/c', true],
    ['/w/**.txt', '/w/a.txt', true],
    ['/w/**.txt', '/w/d/e/a.txt', true],
    ['/w/**.txt', '/w/d/.a.txt', false],
    ['/w/a**b', '/w/ab', true],
    ['/w/a**b', '/w/ax/y/zb', true],
    ['/w/a**b', '/w/x/ab', false],
    ['/w/\\***', '/w/*/b', true],
    ['/w/\\***', '/w/a/b', false],
  ];
  it.each(cases)('%j and %j: %s', (pattern, path, expected) => expect(matches(pattern, path)).toBe(expected));

  it('takes a path without path_prefix literally, also when it holds brackets or braces', () => {
    expect(outputPattern({ path: '/w/a[1].txt' })).toBeUndefined();
    expect(outputPattern({ path: '/w/{a,b}' })).toBeUndefined();
  });
  it('takes a path without any wildcard literally, whatever the prefix', () => {
    for (const path of ['/w/a', '/w/a[b', '/w/{a}', '/w/a\\*b', '/w/\\[a]']) {
      expect(outputPattern({ path, path_prefix: '/w' })).toBeUndefined();
    }
  });
});

describe('the directory that a listing starts from', () => {
  it.each([
    ['/w/*.txt', '/w'],
    ['/w/a/b/*.txt', '/w/a/b'],
    ['/w/*/b/c', '/w'],
    ['/w/**', '/w'],
    ['/w/a\\*/b*', '/w/a*'],
    ['/w/{a,b}/c*', '/w'],
    ['/w/x{/a,/b}/c*', '/w/x'],
    ['/w/{a/b,c}*', '/w'],
    ['/w//./x/../a?', '/w'],
    ['/a*', '/'],
  ])('of %j is %j', (path, base) => expect(outputPattern({ path, path_prefix: '/' })?.base).toBe(base));
});

describe('path_prefix', () => {
  it('is cut off a match by segments', () => {
    expect(pathBelowPrefix('/w/a/b.txt', { path_prefix: '/w' })).toBe('a/b.txt');
    expect(pathBelowPrefix('/w/a/b.txt', { path_prefix: '/w/a/' })).toBe('b.txt');
    expect(pathBelowPrefix('/w/a', { path_prefix: '/' })).toBe('w/a');
    expect(() => pathBelowPrefix('/work/a', { path_prefix: '/w' })).toThrow('not below');
  });
  it('is required by * and ? outside quoting, and by nothing else', () => {
    expect(['/w/*', '/w/a?', '/w/\\\\*'].map(requiresPrefix)).toEqual([true, true, true]);
    expect(['/w/a', '/w/\\*', '/w/a[1].txt', '/w/{a,b}'].map(requiresPrefix)).toEqual([false, false, false, false]);
  });
  it.each([
    ['/w/*', undefined, 'path_prefix', 'is required'],
    ['/w/*', 'w', 'path_prefix', 'absolute'],
    ['/w/*', '/wo', 'path_prefix', 'begins with'],
    ['/work/*', '/w', 'path_prefix', 'begins with'],
    ['/w/*/x', '/w/*', 'path_prefix', 'begins with'],
    ['/w/a*', '/w/a', 'path_prefix', 'begins with'],
    ['/w/*', '/../w', 'path_prefix', 'root'],
    ['/w/\\.\\./*', '/w', 'path', "'..'"],
    ['/w/{..,x}/{..,y}/etc/*', '/w', 'path', "'..'"],
    [`/w/${'{a,b}'.repeat(8)}*`, '/w', 'path', `${MAX_ALTERNATIVES}`],
    [`/w/${'{a,b}'.repeat(700)}*`, '/w', 'path', `${MAX_ALTERNATIVES}`],
    [`/w/${'a**b/'.repeat(9)}c`, '/w', 'path', `${MAX_ALTERNATIVES}`],
    ['/*', '/', 'path', 'root'],
    ['/pro[c]/*', '/', 'path', '/proc'],
    ['/{proc,sys}/*', '/', 'path', 'root'],
    ['/dev/*', '/dev', 'path', '/dev'],
    ['/sys/class/*', '/sys', 'path', '/sys'],
  ])('%j with prefix %j is refused', (path, prefix, at, reason) => {
    const problem = wildcardProblem(path, prefix, { left: 1e6 });
    expect(problem).toMatchObject({ in: at });
    expect(problem?.reason).toContain(reason);
  });
  it('is ignored where there is no wildcard', () => {
    expect(wildcardProblem('/w/a', 'nonsense', { left: 0 })).toBeUndefined();
    expect(wildcardProblem('/w/{a}', '/elsewhere', { left: 1 })).toBeUndefined();
  });
  it('may be any directory above the first wildcard', () => {
    for (const prefix of ['/', '/w', '/w/', '/w/x/../a']) expect(wildcardProblem('/w/a/*.txt', prefix, { left: 1 })).toBeUndefined();
  });
});

describe('quoted wildcards', () => {
  it.each([
    ['/o/lit\\*.txt', '/o/lit*.txt'],
    ['/o/\\[1\\]\\?', '/o/[1]?'],
    ['/o/a\\b', undefined],
    ['/o/a\\*b*', undefined],
    ['/o/plain', undefined],
  ])('in %s name %s', (path, name) => {
    expect(unquotedPath(path)).toBe(name);
  });
});

describe('any pattern', () => {
  const name = fc.string({
    unit: fc.constantFrom('a', 'b', '.', '*', '?', '[', ']', '!', '{', '}', ',', '\\', '-'),
    minLength: 1,
    maxLength: 8,
  });
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/w/${names.join('/')}`);
  it('is compiled or refused, never thrown over, and every match lies below its base', () => {
    fc.assert(
      fc.property(path, path, (pattern, candidate) => {
        fc.pre(!/\/\.{1,2}(\/|$)/.test(pattern) && !/\/\.{1,2}(\/|$)/.test(candidate));
        if (wildcardProblem(pattern, '/w', { left: 1e6 })) return;
        const compiled = outputPattern({ path: pattern, path_prefix: '/w' });
        if (compiled?.matches(candidate)) expect(candidate.startsWith(`${compiled.base}/`)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
  it('answers at once, however hostile', () => {
    for (const pattern of [`/w/${'*a'.repeat(100)}*b`, `/w/${'**/a'.repeat(50)}/b`, `/w/${'[a]*'.repeat(50)}b`]) {
      expect(outputPattern({ path: pattern, path_prefix: '/w' })?.matches(`/w/${'a'.repeat(255)}${'/a'.repeat(200)}`)).toBe(false);
    }
  });
});

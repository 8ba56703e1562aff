import fc from '../../support/property';
import {
  checkContainerPath,
  fixedSegments,
  hasWildcard,
  isBelow,
  isReservedPath,
  isSameOrBelow,
  isWithin,
  joinContainerPath,
  normalizeContainerPath,
  parentOf,
  relativeTo,
  segmentsOf,
} from '../../../src/task/container-path';

describe('a container path', () => {
  it.each([
    ['/', '/'],
    ['//', '/'],
    ['/.', '/'],
    ['/a/..', '/'],
    ['/a', '/a'],
    ['/a/', '/a'],
    ['//a//b', '/a/b'],
    ['/a/./b/../c', '/a/c'],
    ['/a..b/...', '/a..b/...'],
    ['/a b\n\t', '/a b\n\t'],
    ['/ä/😀', '/ä/😀'],
    [`/${'a'.repeat(255)}`, `/${'a'.repeat(255)}`],
  ])('%j is normalised to %j', (path, expected) => expect(checkContainerPath(path)).toEqual({ ok: true, path: expected }));

  it.each([
    ['', 'absolute'],
    ['a', 'absolute'],
    ['./a', 'absolute'],
    ['../a', 'absolute'],
    ['~/a', 'absolute'],
    ['/..', "'..'"],
    ['/a/../..', "'..'"],
    ['/tmp/../../etc/passwd', "'..'"],
    ['/../a', "'..'"],
    ['/a\0b', 'NUL'],
    ['/a\ud800', 'Unicode'],
    [`/${'a'.repeat(256)}`, '255 bytes'],
    [`/${'ä'.repeat(128)}`, '255 bytes'],
    ['/a'.repeat(2048), '4095 bytes'],
  ])('%j is refused', (path, reason) => {
    expect(checkContainerPath(path)).toEqual({ ok: false, reason: expect.stringContaining(reason) as string });
    expect(() => normalizeContainerPath(path)).toThrow('not a container path');
  });

  it('is the same after a second normalisation, and never holds a segment that means another place', () => {
    const segment = fc.constantFrom('a', 'b c', '.', '..', '', '...', 'ä');
    fc.assert(
      fc.property(fc.array(segment), (segments) => {
        const checked = checkContainerPath(`/${segments.join('/')}`);
        if (!checked.ok) return;
        expect(normalizeContainerPath(checked.path)).toBe(checked.path);
        expect(checked.path === '/' || /^(\/(?!\.{1,2}(\/|$))[^/]+)+$/.test(checked.path)).toBe(true);
      }),
    );
  });
});

describe('reserved paths', () => {
  it('are the root, and the directories of the kernel and below', () => {
    for (const path of ['/', '/proc', '/proc/1/root', '/sys', '/sys/fs', '/dev', '/dev/shm']) expect(isReservedPath(path)).toBe(true);
    for (const path of ['/process', '/system', '/devel', '/a/proc', '/tmp']) expect(isReservedPath(path)).toBe(false);
  });
});

describe('below', () => {
  it('goes by segments', () => {
    expect(isSameOrBelow('/out', '/out')).toBe(true);
    expect(isSameOrBelow('/out/a', '/out')).toBe(true);
    expect(isSameOrBelow('/output', '/out')).toBe(false);
    expect(isSameOrBelow('/out', '/out/a')).toBe(false);
    expect(isSameOrBelow('/a', '/')).toBe(true);
    expect(isBelow('/out', '/out')).toBe(false);
    expect(isBelow('/out/a', '/out')).toBe(true);
    expect(isBelow('/', '/')).toBe(false);
  });
  it('gives what is left, and joins it back', () => {
    expect(relativeTo('/a', '/a/b/c')).toBe('b/c');
    expect(relativeTo('/a', '/a')).toBe('');
    expect(relativeTo('/', '/a')).toBe('a');
    expect(relativeTo('/', '/')).toBe('');
    expect(relativeTo('/a', '/ab')).toBeUndefined();
    for (const [directory, path] of [
      ['/a', '/a/b/c'],
      ['/', '/x/y'],
      ['/a', '/a'],
    ] as const) {
      expect(joinContainerPath(directory, relativeTo(directory, path) ?? 'not below')).toBe(path);
    }
  });
  it('knows the parent', () => {
    expect(['/a/b', '/a', '/'].map(parentOf)).toEqual(['/a', '/', '/']);
  });
});

describe('container paths by their segments', () => {
  it('resolve without leaving the root', () => {
    expect(segmentsOf('//a/./b//../c/')).toEqual(['a', 'c']);
    expect(segmentsOf('/../../x')).toEqual(['x']);
  });

  it('are compared by segments', () => {
    expect(isWithin(['data', 'x'], ['data'])).toBe(true);
    expect(isWithin(['data2'], ['data'])).toBe(false);
  });

  it('keep the directories before a wildcard', () => {
    expect(fixedSegments('/a/b*/c')).toEqual(['a']);
    expect(['/a/?', '/a/[x]', '/a/{b,c}', '/a/\\*'].every(hasWildcard)).toBe(true);
    expect(hasWildcard('/a/b')).toBe(false);
  });
});

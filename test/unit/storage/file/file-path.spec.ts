import { filePathOf, joinFileUrl } from '../../../../src/storage/file/file-path';

describe('filePathOf', () => {
  it.each([
    ['/a/b c%20d?e#f', '/a/b c%20d?e#f'],
    ['/a/./b//c/', '/a/b/c'],
    ['/a/../b', '/b'],
    ['/../../etc', '/etc'],
    ['//server/x', '/server/x'],
    ['/', '/'],
    ['file:///a/b', '/a/b'],
    ['file:/a/b', '/a/b'],
    ['FILE://localhost/a', '/a'],
    ['file:///a%20b/%C3%BC', '/a b/ü'],
    ['file:///a b/ü', '/a b/ü'],
    ['file:///100%/x%zz', '/100%/x%zz'],
    ['file:///what?/is#this', '/what?/is#this'],
    ['file:///a/%2e%2e/b', '/b'],
    ['file:///a\nb', '/a\nb'],
  ])('reads %j as %j', (url, path) => {
    expect(filePathOf(url)).toEqual({ path });
  });

  it.each([
    ['file:///a\0b', 'NUL'],
    ['/a\0b', 'NUL'],
    ['file:///a%00b', 'NUL'],
    ['file:///a%2Fb', 'slash'],
    ['file:///a%FFb', 'UTF-8'],
    ['/a\ud800b', 'Unicode'],
    ['file://otherhost/a', 'another host'],
    ['file:relative', 'absolute'],
    ['file://', 'absolute'],
  ])('refuses %j for its %s', (url, reason) => {
    expect(filePathOf(url)).toEqual({ problem: expect.stringContaining(reason) as string });
  });

  it.each(['a b', '100%', 'a%20b', 'what?', 'is#this', 'ü', 'a\nb'])('finds %j again after joining', (name) => {
    expect(filePathOf(joinFileUrl('file:///d', name))).toEqual({ path: `/d/${name}` });
    expect(filePathOf(joinFileUrl('/d/', name))).toEqual({ path: `/d/${name}` });
  });
});

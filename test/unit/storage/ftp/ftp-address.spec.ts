import { addressOf, argumentOf, identityOf, joinPath, joinUrl, parentOf } from '../../../../src/storage/ftp/ftp-address';
import { ftpStorage } from '../../../../src/storage/ftp/ftp.adapter';

describe('an FTP URL', () => {
  it.each([
    ['ftp://h/a/b%20c', { isSecure: false, host: 'h', port: 21, path: 'a/b c' }],
    ['FTPS://H:2121/a/', { isSecure: true, host: 'h', port: 2121, path: 'a' }],
    ['ftp://h', { path: '' }],
    ['ftp://h//srv/x', { path: '/srv/x' }],
    ['ftp://h/%2Fsrv/x', { path: '/srv/x' }],
    ['ftp://h/a/../b', { path: 'b' }],
    ['ftp://h/x;type=i', { path: 'x' }],
    ['ftp://[::1]/x', { host: '::1', path: 'x' }],
    ['ftp://u%40x:p%3Aq@h/x', { user: 'u@x', password: 'p:q', path: 'x' }],
  ])('%s', (url, parts) => {
    expect(addressOf(url)).toMatchObject({ ...parts, url });
  });

  it.each([
    ['ftp:/x', 'is not an FTP URL'],
    ['ftp:///x', 'is not an FTP URL'],
    ['http://h/x', 'is not an FTP URL'],
    ['ftp://h/x?y', 'holds a ? or #'],
    ['ftp://h/x#y', 'holds a ? or #'],
    ['ftp://h/x%0d%0aDELE%20y', 'holds a line break or NUL'],
    ['ftp://h/x%00', 'holds a line break or NUL'],
    ['ftp://u%0aDELE:p@h/x', 'holds a line break or NUL'],
    ['ftp://u:p%0d%0aQUIT@h/x', 'holds a line break or NUL'],
    ['ftp://h/a%2F..%2Fb', 'holds . or .. behind an escape'],
    ['ftp://h/%ff', 'holds an escape that is not UTF-8'],
  ])('%s is none', (url, problem) => {
    expect(addressOf(url)).toEqual({ problem: expect.stringContaining(problem) as string });
  });

  it('names one object however it is written, and another one of another user', () => {
    const identity = (url: string): string => identityOf(addressOf(url) as Exclude<ReturnType<typeof addressOf>, { problem: string }>);
    expect(identity('FTP://H:21/a/%62')).toBe(identity('ftp://h/a/b'));
    expect(identity('ftp://u:one@h/a')).toBe(identity('ftp://u:two@h/a'));
    expect(identity('ftp://u@h/a')).not.toBe(identity('ftp://h/a'));
    expect(identity('ftps://h/a')).not.toBe(identity('ftp://h/a'));
  });

  it('has paths that are no options, and lose no space', () => {
    expect(['', '-rf', ' x', '/-x', 'a'].map(argumentOf)).toEqual(['.', './-rf', './ x', '/-x', 'a']);
    expect(['a/b/c', 'a', '/a', '/a/b', ''].map(parentOf)).toEqual(['a/b', '', '/', '/a', '']);
    expect([joinPath('', 'x'), joinPath('/', 'x'), joinPath('a', 'x')]).toEqual(['x', '/x', 'a/x']);
    expect(joinUrl('ftp://h/a/', '/b c/%#?')).toBe('ftp://h/a/b%20c/%25%23%3F');
  });
});

describe('the settings of FTP', () => {
  const { test, mask } = ftpStorage.settings['logins']?.format as { test: (value: unknown) => boolean; mask: (value: unknown) => unknown };
  it('take logins by host, and show no password', () => {
    const login = { host: 'h', username: 'u', password: 'hunter2' };
    expect(test([login])).toBe(true);
    for (const wrong of [
      {},
      'x',
      [{ host: 'h' }],
      [{ ...login, more: 1 }],
      [{ ...login, password: 'a\r\nQUIT' }],
      [{ ...login, host: '' }],
    ])
      expect(test(wrong)).toBe(false);
    expect(JSON.stringify(mask([login]))).not.toContain('hunter2');
  });
});

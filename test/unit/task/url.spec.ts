import fc from '../../support/property';
import { hasUserinfo, maskUserinfo, schemeOf } from '../../../src/task/url';

describe('userinfo in a URL', () => {
  it.each([
    ['ftp://user:pw@host/x', 'ftp://host/x'],
    ['ftp://user@host', 'ftp://host'],
    ['https://u:p@host:8443/a@b?c=d@e#f@g', 'https://host:8443/a@b?c=d@e#f@g'],
    ['HTTP://u:p@host/', 'HTTP://host/'],
    ['s3://key:secret@bucket/object', 's3://bucket/object'],
    ['file://u@host/x', 'file://host/x'],
    // A password may hold an @ that nobody encoded: the last one before the path counts.
    ['ftp://u:p@ss@host/x', 'ftp://host/x'],
    ['ftp://:@host/x', 'ftp://host/x'],
    // Forms that `new URL` takes for http with a password.
    ['http:u:p@host/x', 'http:host/x'],
    ['http:/u:p@host/x', 'http:/host/x'],
    ['http:\\\\u:p@host/x', 'http:\\\\host/x'],
    ['https:////u:p@host/x', 'https:////host/x'],
    // Userinfo behind userinfo, each to another reader of URLs.
    ['http://u\\@/u:secret@host', 'http:///host'],
    ['ftp://u\\:pw@host/x', 'ftp://host/x'],
  ])('%j is shown as %j', (url, shown) => {
    expect(maskUserinfo(url)).toBe(shown);
    expect(hasUserinfo(url)).toBe(true);
  });

  it.each([
    '/data/a@b',
    'file:///data/a@b',
    'file:/a@b',
    'https://host/a@b',
    'https://host?mail=a@b',
    'https://host#a@b',
    's3://bucket/a@b',
    'not a url @ all',
    '',
  ])('is not seen in %j', (url) => {
    expect(maskUserinfo(url)).toBe(url);
    expect(hasUserinfo(url)).toBe(false);
  });

  it('is found however much there is of it', () => {
    expect(maskUserinfo(`http://${'a@/'.repeat(3_000_000)}host`)).toMatch(/^http:\/\/host$/);
    expect(maskUserinfo(`s3://${'a@'.repeat(3_000_000)}host`)).toMatch(/^s3:\/\/host$/);
  });

  it('is never left where the URL parser of the platform finds it', () => {
    const part = fc.string({ unit: fc.constantFrom('u', ':', '@', '/', '\\', '?', '#', '.', '%40', ' '), maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom('http:', 'https:', 'ftp:', 'HTTP:'), part, part, (scheme, before, after) => {
        const masked = maskUserinfo(`${scheme}${before}u:secret@host${after}`);
        if (!URL.canParse(masked)) return;
        const { username, password } = new URL(masked);
        expect(username + password).toBe('');
      }),
      { numRuns: 3000 },
    );
  });
});

describe('the scheme of a URL', () => {
  it.each([
    ['/data/x', 'file'],
    ['file:///x', 'file'],
    ['S3://b/k', 's3'],
    ['https://h', 'https'],
    ['a+b-c.d:x', 'a+b-c.d'],
    ['data/x', undefined],
    ['', undefined],
    ['://x', undefined],
    ['1x://h', undefined],
  ])('of %j is %j', (url, scheme) => expect(schemeOf(url)).toBe(scheme));
});

import fc from '../../support/property';
import { hasSecrets, maskSecrets, maskUserinfo, schemeOf, shownUrl } from '../../../src/task/url';

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
    expect(hasSecrets(url)).toBe(true);
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
    expect(hasSecrets(url)).toBe(false);
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

describe('a signature in a URL', () => {
  it.each([
    [
      'https://b.s3.example/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-Security-Token=a%2Fb&X-Amz-Signature=0f3a&versionId=7',
      'https://b.s3.example/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-Security-Token=***&X-Amz-Signature=***&versionId=7',
    ],
    ['https://h/o?GoogleAccessId=me&Expires=1&Signature=ab%3D', 'https://h/o?GoogleAccessId=me&Expires=1&Signature=***'],
    ['https://h/c/b?sv=2020&sig=abc%3D&se=1#f', 'https://h/c/b?sv=2020&sig=***&se=1#f'],
    ['https://u:p@h/x?access_token=abc', 'https://h/x?access_token=***'],
    ['s3://bucket/key?signature=x', 's3://bucket/key?signature=***'],
  ])('%j is shown as %j', (url, shown) => {
    expect(maskSecrets(url)).toBe(shown);
    expect(hasSecrets(url)).toBe(true);
    expect(shownUrl(url)).not.toMatch(/0f3a|ab%3D|abc|=x$/);
  });

  it.each([
    'https://h/signature=x',
    'https://h/?q=signature',
    'https://h/?design=1',
    '/data/a?signature=x',
    'file:///data/a?token=x',
    'https://h/?sig=',
  ])('is not seen in %j', (url) => {
    expect(maskSecrets(url)).toBe(url);
  });
});

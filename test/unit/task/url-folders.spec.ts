import fc from '../../support/property';
import { folderOf, prefixFolders, uncovered, urlFolders } from '../../../src/task/url-folders';

const file = (url: string) => ({ url, path: '/x', type: 'FILE' as const });

describe('the folders that a task uses', () => {
  it.each([
    ['https://h/a/b.txt', 'https://h/a/'],
    ['HTTPS://Reader:pw@H:443/a/b.txt?sig=x/y#z', 'https://h/a/'],
    ['https://h', 'https://h/'],
    ['s3://bucket/key', 's3://bucket/'],
    ['/data/100% sure?/b', 'file:///data/100%25%20sure%3F/'],
    ['file:///data/../etc/passwd', 'file:///etc/'],
    ['https://h/allowed/%2e%2e/other/x', 'https://h/other/'],
  ])('of %s is %s', (url, folder) => expect(urlFolders([file(url)])).toEqual([folder]));

  it('are directories themselves where the URL is one, and nothing for a file with content', () => {
    const directory = { ...file('s3://b/in'), type: 'DIRECTORY' as const };
    const wildcard = { ...file('s3://b/out'), path_prefix: '/out' };
    expect(urlFolders([directory, wildcard, { ...file('s3://b/x/y'), content: 'text' }])).toEqual(['s3://b/in/', 's3://b/out/']);
  });

  it('never hold what may be a password, however the URL is read', () => {
    expect(urlFolders([file('http://u\\@/u:secret@host/a/b')]).join()).not.toContain('secret');
  });

  it('leaves out what lies inside another one', () => {
    expect(urlFolders(['s3://b/a/b/1', 's3://b/a/2', 's3://b/ab/3'].map(file))).toEqual(['s3://b/a/', 's3://b/ab/']);
  });

  it('names as many as a record should hold, each the nearest that holds what it stands for', () => {
    const folders = urlFolders(['a', 'b'].flatMap((top) => Array.from({ length: 20 }, (_, n) => file(`s3://b/${top}/long/way/${n}/x`))));
    expect(folders).toHaveLength(21);
    expect(folders).toContain('s3://b/b/long/way/');
  });

  it('keeps a record small: of many folders those above, of many hosts the scheme', () => {
    const many = (root: (n: number) => string) => urlFolders(Array.from({ length: 100 }, (_, n) => file(root(n))));
    expect(many((n) => `s3://b/top/${n}/x`)).toEqual(['s3://b/top/']);
    expect(many((n) => `s3://b${n}/x`)).toEqual(['s3://']);
    expect(urlFolders([file(`s3://b/top/${'deep/'.repeat(200)}x`)])[0]?.length).toBeLessThanOrEqual(512);
    expect(many((n) => `a${n}://h/x`)).toHaveLength(100);
  });
});

it('a plain URL or path has the folder that the URL standard gives it', () => {
  const host = fc.stringMatching(/^[a-z0-9-]{1,4}(\.[a-z0-9-]{1,4}){0,2}$/);
  const path = fc.stringMatching(/^(\/[A-Za-z0-9_.~%-]{0,4}){1,4}$/);
  const url = fc.oneof(
    path,
    fc.tuple(fc.constantFrom('http', 's3', 'gs', 'ftp', 'odd'), host, path).map(([scheme, name, rest]) => `${scheme}://${name}${rest}`),
  );
  fc.assert(
    fc.property(url, fc.boolean(), (text, isFolder) => {
      const parsed = URL.parse(text.startsWith('/') ? `file://${text.replaceAll('%', '%25')}` : text);
      const way = (isFolder ? `${parsed?.pathname}/` : (parsed?.pathname.replace(/[^/]*$/, '') ?? ''))
        .replace(/^\/+/, '/')
        .replace(/\/+$/, '/');
      expect(folderOf(text, isFolder)).toBe(parsed ? `${parsed.protocol}//${parsed.host}${way}` : undefined);
    }),
    { numRuns: 2000 },
  );
});

describe('a URL prefix', () => {
  it.each([
    ['s3://b/a', 's3://b/a/', true],
    ['s3://b/a/', 's3://b/a/b/', true],
    ['s3://b/a', 's3://b/ab/', false],
    ['s3://b/a', 's3://b/', false],
    ['s3://', 's3://b/a/', true],
    ['S3://', 's3://', true],
    ['s3://b', 's3://', false],
    ['/data', 'file:///data/in/', true],
    ['https://H:443', 'https://h/', true],
    ['https://h.example', 'https://h.example.evil/', false],
  ])('%s covers %s: %s', (prefix, folder, covers) => {
    expect(uncovered([folder], prefixFolders([prefix]))).toBe(covers ? undefined : folder);
  });

  it('need not be one for all', () => {
    expect(
      uncovered(
        ['s3://b/', '/data/'].flatMap((url) => folderOf(url, true) ?? []),
        prefixFolders(['s3://', '/data']),
      ),
    ).toBeUndefined();
  });
});

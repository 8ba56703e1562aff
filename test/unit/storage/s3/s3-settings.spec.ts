import { addressOf } from '../../../../src/storage/s3/s3-address';
import { areEndpoints, endpointFor, faultsOf, masked, type S3Endpoint } from '../../../../src/storage/s3/s3-endpoints';
import { S3Storage } from '../../../../src/storage/s3/s3.storage';
import { ANYWHERE } from '../../../support/connections';
import { partBytesFor } from '../../../../src/storage/s3/s3-upload';

describe('an S3 URL', () => {
  it.each([
    ['s3://bucket/a b+c%20d?e#f', { bucket: 'bucket', key: 'a b+c%20d?e#f' }],
    ['S3://bucket/a', { bucket: 'bucket', key: 'a' }],
    ['s3://bucket//a', { bucket: 'bucket', key: '/a' }],
    ['s3://bucket/new\nline', { bucket: 'bucket', key: 'new\nline' }],
    ['s3://bucket/a?versionId=3sL4kqtJlcpXroDTDmJ', { bucket: 'bucket', key: 'a', versionId: '3sL4kqtJlcpXroDTDmJ' }],
    ['s3://bucket/a?versionId=', { bucket: 'bucket', key: 'a?versionId=' }],
    ['s3://bucket/a?versionId=x y', { bucket: 'bucket', key: 'a?versionId=x y' }],
    ['gs://bucket/a', { scheme: 'gs', bucket: 'bucket', key: 'a' }],
    ['s3://bucket', { bucket: 'bucket', key: '' }],
    ['s3://bucket/', { bucket: 'bucket', key: '' }],
  ])('%s is an address', (url, at) => {
    expect(addressOf(url)).toEqual(at);
  });

  it.each([
    's3:bucket/x',
    's3://',
    's3:///x',
    's3://key:secret@bucket/x',
    's3://evil.example:80/x',
    's3://evil.example?x/y',
    's3://a..b/x',
    's3://arn:aws:s3:::bucket/x',
    's3://bücket/x',
    `s3://bucket/${'ü'.repeat(513)}`,
  ])('%s is none', (url) => {
    expect(addressOf(url)).toHaveProperty('problem');
  });
});

describe('the endpoint of a URL', () => {
  const endpoints: readonly S3Endpoint[] = ['s3://', 's3://lab', 's3://lab/deep', 's3://lab/deep/er/'].map((prefix) => ({
    prefix,
    url: `http://${prefix.length}`,
  }));

  it.each([
    ['s3://other/x', 's3://'],
    ['s3://labs/x', 's3://'],
    ['s3://lab/x', 's3://lab'],
    ['s3://lab/deeper', 's3://lab'],
    ['s3://lab/deep/x', 's3://lab/deep'],
    ['s3://lab/deep/er', 's3://lab/deep/er/'],
  ])('%s is that of %s', (url, prefix) => {
    const [, bucket = '', key = ''] = /^s3:\/\/([^/]*)\/?(.*)$/.exec(url) ?? [];
    expect(endpointFor({ bucket, key }, endpoints).prefix).toBe(prefix);
  });

  it('is Amazon where none fits', () => {
    expect(endpointFor({ bucket: 'other', key: '' }, endpoints.slice(1))).toEqual({ prefix: 's3://' });
  });

  it("is Google for gs URLs, where nothing of Amazon's is sent", () => {
    const google = { prefix: 'gs://', url: 'https://storage.googleapis.com', region: 'auto', path_style: true };
    const at = { scheme: 'gs', bucket: 'lab', key: 'x' } as const;
    expect(endpointFor(at, endpoints)).toEqual({ ...google, anonymous: true });
    const keys = { access_key_id: 'GOOG', secret_access_key: 'x' };
    expect(endpointFor(at, [...endpoints, { prefix: 'gs://lab', ...keys }])).toEqual({ ...google, prefix: 'gs://lab', ...keys });
    expect(endpointFor(at, [{ prefix: 'gs://', url: 'http://own' }])).toEqual({ ...google, url: 'http://own', anonymous: true });
  });

  it('is shown without its secrets', () => {
    const endpoint = { prefix: 's3://', access_key_id: 'id', secret_access_key: 'hunter2', session_token: 'hunter3' };
    expect(JSON.stringify(masked([endpoint]))).not.toMatch(/hunter/);
  });

  it.each([
    [{ prefix: 's3://lab', region: 7 }],
    [{ url: 'http://x' }],
    [{ prefix: 's3://lab', secret: 'x' }],
    [{ prefix: 's3://lab', anonymous: 'yes' }],
    [{ prefix: 's3://lab', encryption: 'rot13' }],
    ['s3://lab'],
  ])('cannot be %j', (entry) => {
    expect(areEndpoints([entry])).toBe(false);
  });

  it.each([
    [{ prefix: 'http://b' }, 'prefix'],
    [{ prefix: 's3://lab', url: 'ftp://x' }, 'url'],
    [{ prefix: 's3://lab', url: 'http://u:p@x' }, 'url'],
    [{ prefix: 's3://lab', access_key_id: 'x' }, 'access_key_id'],
    [{ prefix: 's3://lab', profile: 'x', anonymous: true }, 'access_key_id'],
  ])('is wrong as %j', (entry, member) => {
    expect(areEndpoints([entry])).toBe(true);
    expect(faultsOf([entry])).toEqual([expect.stringContaining(`endpoints[0].${member}`)]);
  });

  it('stands for a prefix once', () => {
    expect(faultsOf([{ prefix: 's3://lab' }, { prefix: 's3://lab/' }])).toHaveLength(1);
  });
});

it.each([
  [undefined, 8],
  [1, 8],
  [80 * 1024 ** 3, 9],
  [5 * 1024 ** 4, 525],
])('the parts of %s bytes are of %i MiB', (sizeBytes, mib) => {
  expect(partBytesFor(sizeBytes)).toBe(mib * 1024 * 1024);
});

describe('a key with dotted segments', () => {
  const storage = new S3Storage({
    enabled: true,
    endpoints: [
      { prefix: 's3://lab/ours/', url: 'https://s3.example.org' },
      { prefix: 's3://whole', url: 'https://s3.example.org' },
    ],
    reach: ANYWHERE,
    connectTimeoutMs: 1,
    idleTimeoutMs: 1,
    memoryBytes: 1,
  });

  it.each(['s3://lab/ours/../theirs', 's3://lab/ours/./x', 's3://lab/ours/x/..'])('is refused below a prefix of keys: %s', (url) => {
    for (const use of ['read', 'write'] as const)
      expect(storage.refusal(url, use)).toContain('s3://lab/ours/ (setting storage.s3.endpoints)');
  });

  it.each(['s3://whole/a/../b', 's3://lab/ours/..a/b', 's3://lab/other/../x'])('is taken as it is elsewhere: %s', (url) => {
    expect(storage.refusal(url, 'read')).toBeUndefined();
  });
});

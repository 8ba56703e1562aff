/** Where an object is. A key is taken from a URL as it is written, as the tools of S3 do: no escape, query or fragment means anything in it. */
export interface S3Address {
  readonly bucket: string;
  /** `''` is the bucket itself. */
  readonly key: string;
  /** Of the URL; absent = `s3`. Google's storage speaks like S3, too. */
  readonly scheme?: 'gs';
  /** Of one version of an object; absent = the one that is there now. */
  readonly versionId?: string;
}

const LONGEST_KEY_BYTES = 1024;
/** The one thing in a URL that is not of the key; no tool of S3 says a version otherwise. */
const VERSION = /\?versionId=([A-Za-z0-9._~+/=-]{1,1024})$/;
/** Old buckets have capitals and underscores. Nothing that could make a bucket part of another host's name, or of a path. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/;

/** The address, or what goes on after "URL": why it is none. */
export function addressOf(url: string): S3Address | { readonly problem: string } {
  const match = /^(s3|gs):\/\/([^/]*)(?:\/([^]*))?$/i.exec(url);
  const [, scheme = '', bucket = '', written = ''] = match ?? [];
  if (!match || bucket === '') return { problem: 'is not an S3 URL: s3://BUCKET/KEY' };
  const version = VERSION.exec(written);
  const key = version ? written.slice(0, version.index) : written;
  if (bucket.includes('@'))
    return { problem: 'holds credentials, which S3 URLs do not: they belong into the setting storage.s3.endpoints' };
  if (!BUCKET.test(bucket) || bucket.includes('..')) return { problem: 'names a bucket as none can be called' };
  if (Buffer.byteLength(key) > LONGEST_KEY_BYTES) return { problem: `has a key of more than ${LONGEST_KEY_BYTES} bytes` };
  return {
    bucket,
    key,
    ...(scheme.toLowerCase() === 'gs' && { scheme: 'gs' }),
    ...(version?.[1] !== undefined && { versionId: version[1] }),
  };
}

/** Of two addresses of one object the same text. */
export function identityOf(at: S3Address): string {
  return at.versionId === undefined ? urlOf(at) : `${urlOf(at)}?versionId=${at.versionId}`;
}

/** What prefixes are held against. */
export function urlOf({ scheme, bucket, key }: S3Address): string {
  return `${scheme ?? 's3'}://${bucket}/${key}`;
}

/** What a request for it says. */
export function objectOf({ bucket, key, versionId }: S3Address): {
  readonly Bucket: string;
  readonly Key: string;
  readonly VersionId?: string;
} {
  return { Bucket: bucket, Key: key, ...(versionId !== undefined && { VersionId: versionId }) };
}

/** What the keys below a directory begin with. */
export function prefixOf({ key }: S3Address): string {
  return key === '' || key.endsWith('/') ? key : `${key}/`;
}

export function hasDottedSegment(key: string): boolean {
  return key.split('/').some((segment) => segment === '.' || segment === '..');
}

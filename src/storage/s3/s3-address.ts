/** Where an object is. A key is taken from a URL as it is written, as the tools of S3 do: no escape, query or fragment means anything in it. */
export interface S3Address {
  readonly bucket: string;
  /** `''` is the bucket itself. */
  readonly key: string;
}

const LONGEST_KEY_BYTES = 1024;
/** Old buckets have capitals and underscores. Nothing that could make a bucket part of another host's name, or of a path. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/;

/** The address, or what goes on after "URL": why it is none. */
export function addressOf(url: string): S3Address | { readonly problem: string } {
  const match = /^s3:\/\/([^/]*)(?:\/([^]*))?$/i.exec(url);
  const [, bucket = '', key = ''] = match ?? [];
  if (!match || bucket === '') return { problem: 'is not an S3 URL: s3://BUCKET/KEY' };
  if (bucket.includes('@'))
    return { problem: 'holds credentials, which S3 URLs do not: they belong into the setting storage.s3.endpoints' };
  if (!BUCKET.test(bucket) || bucket.includes('..')) return { problem: 'names a bucket as none can be called' };
  if (Buffer.byteLength(key) > LONGEST_KEY_BYTES) return { problem: `has a key of more than ${LONGEST_KEY_BYTES} bytes` };
  return { bucket, key };
}

/** Of two addresses of one object the same text. */
export function identityOf({ bucket, key }: S3Address): string {
  return `s3://${bucket}/${key}`;
}

/** What the keys below a directory begin with. */
export function prefixOf({ key }: S3Address): string {
  return key === '' || key.endsWith('/') ? key : `${key}/`;
}

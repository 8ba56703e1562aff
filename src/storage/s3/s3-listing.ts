import type { StorageEntry } from '../../ports/storage-client';
import { TransferError } from '../../ports/errors';
import { repeated } from './repeated';
import { prefixOf, type S3Address } from './s3-address';
import type { S3Connections } from './s3-connections';

/** The most that S3 gives in one page. */
const PAGE = 1000;

interface Listed {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedMs?: number;
  readonly etag?: string;
}

/** Whether anything lies below a directory, its own marker included. */
export async function hasBelow(connections: S3Connections, at: S3Address, subject: string, signal: AbortSignal): Promise<boolean> {
  for await (const _found of keysBelow(connections, at, { subject, most: 1 }, signal)) return true;
  return false;
}

/**
 * Everything below a directory. Keys come in order, so that only the directories above the current one are remembered. An object whose name
 * ends in a slash is the directory of that name. Keys that no file can have are `other`; one that is an object and a directory fails.
 */
export async function* listBelow(
  connections: S3Connections,
  at: S3Address,
  subject: string,
  signal: AbortSignal,
): AsyncGenerator<StorageEntry> {
  const prefix = prefixOf(at);
  let isThere = prefix === '';
  /** Directories that the current key lies in. */
  let open: readonly string[] = [];
  /** Objects whose keys the current one begins with. */
  const objects: string[] = [];
  for await (const listed of keysBelow(connections, at, { subject, most: PAGE }, signal)) {
    isThere = true;
    const path = listed.key.slice(prefix.length);
    if (path === '') continue;
    while (objects.length > 0 && !path.startsWith(objects.at(-1) ?? '')) objects.pop();
    const isMarker = path.endsWith('/');
    const segments = (isMarker ? path.slice(0, -1) : path).split('/');
    const reason = strangeness(segments, isMarker && listed.sizeBytes > 0);
    if (reason !== undefined) {
      yield { path, kind: 'other', reason };
      continue;
    }
    const directories = isMarker ? segments : segments.slice(0, -1);
    const common = directories.findIndex((name, depth) => name !== open[depth]);
    for (let depth = common < 0 ? directories.length : common; depth < directories.length; depth += 1) {
      const directory = directories.slice(0, depth + 1).join('/');
      if (objects.includes(directory)) {
        throw new TransferError(`${subject}: ${directory} is an object there and a directory, which files cannot be`, { retryable: false });
      }
      yield { path: directory, kind: 'directory' };
    }
    open = directories;
    if (isMarker) continue;
    objects.push(path);
    yield {
      path,
      kind: 'file',
      sizeBytes: listed.sizeBytes,
      ...(listed.modifiedMs !== undefined && { modifiedMs: listed.modifiedMs }),
      ...(listed.etag !== undefined && { version: listed.etag }),
    };
  }
  if (!isThere) throw missing(subject);
}

export function missing(subject: string): TransferError {
  return new TransferError(`${subject}: not found: there is no such object, and none below it`, { retryable: false, notFound: true });
}

/** Why no file can have this name. */
function strangeness(segments: readonly string[], isFilledMarker: boolean): string | undefined {
  if (segments.some((name) => name === '' || name === '.' || name === '..')) return 'has a key that is no path of a file';
  if (segments.some((name) => name.includes('\0'))) return 'has a name that no file can have';
  return isFilledMarker ? 'is an object with content whose name ends in a slash' : undefined;
}

async function* keysBelow(
  connections: S3Connections,
  at: S3Address,
  { subject, most }: { readonly subject: string; readonly most: number },
  signal: AbortSignal,
): AsyncGenerator<Listed> {
  const prefix = prefixOf(at);
  let token: string | undefined;
  do {
    const input = {
      Bucket: at.bucket,
      Prefix: prefix,
      MaxKeys: most,
      EncodingType: 'url',
      ...(token !== undefined && { ContinuationToken: token }),
    } as const;
    const context = { subject, during: 'read', signal } as const;
    const page = await repeated(() => connections.ask(at, context, (s3, abort) => s3.listObjectsV2(input, abort)), signal);
    const read = page.EncodingType === 'url' ? decoded : (key: string): string => key;
    for (const { Key, Size = 0, LastModified, ETag } of page.Contents ?? []) {
      const key = read(Key ?? '');
      // Another one would be brought to a place that nobody named.
      if (!key.startsWith(prefix)) throw new TransferError(`${subject}: the server lists what was not asked for`, { retryable: true });
      yield {
        key,
        sizeBytes: Size,
        ...(LastModified && { modifiedMs: LastModified.getTime() }),
        ...(ETag !== undefined && { etag: ETag }),
      };
    }
    const next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    if (page.IsTruncated === true && (next === undefined || next === token)) {
      throw new TransferError(`${subject}: the server does not go on with its list`, { retryable: true });
    }
    token = next;
  } while (token !== undefined);
}

function decoded(key: string): string {
  return decodeURIComponent(key.replaceAll('+', ' '));
}

import type { SUMS, Sums } from '../../ports/storage-client';

/** A way to an object's bytes. */
export interface AccessMethod {
  /** `https`, `s3`, `gs`, `ftp`, `file`, ...: lower case. */
  readonly type: string;
  readonly access?: AccessUrl;
  /** To be asked for an `AccessUrl`; comes before `access`, which then may need more than it says. */
  readonly accessId?: string;
}

export interface AccessUrl {
  readonly url: string;
  /** Headers that a request there needs, `Name: value`. */
  readonly headers: readonly string[];
}

/** What a bundle holds. */
export interface DrsContent {
  readonly name: string;
  readonly id?: string;
  /** `drs:` URLs; all lead to the same object. */
  readonly urls: readonly string[];
  /** Of a bundle in the bundle, where the server gives it at once. */
  readonly contents?: readonly DrsContent[];
}

export interface DrsObject {
  readonly sizeBytes?: number;
  readonly modifiedMs?: number;
  readonly sums: Sums;
  readonly methods: readonly AccessMethod[];
  /** Of a bundle. */
  readonly contents?: readonly DrsContent[];
}

/** Bundles in bundles that one answer may give. */
const DEEPEST = 64;
/** As DRS names them (`checksums[].type`), in the words of IANA and those that servers use instead. */
const SUM_NAMES: Readonly<Record<string, (typeof SUMS)[number]>> = {
  'sha-512': 'sha512',
  sha512: 'sha512',
  'sha-256': 'sha256',
  sha256: 'sha256',
  'sha-1': 'sha1',
  sha1: 'sha1',
  md5: 'md5',
};
const SUM_LENGTHS: Readonly<Record<(typeof SUMS)[number], number>> = { sha512: 128, sha256: 64, sha1: 40, md5: 32 };

/** What is no object of DRS; public words that go on after the name of who sent it. */
export class NoDrsObject extends Error {}

/** An answer to `GET /objects/ID` (GA4GH DRS 1.1 to 1.5). Takes what it needs, and ignores the rest. Throws NoDrsObject. */
export function objectOf(answer: unknown): DrsObject {
  const object = membersOf(answer, 'the object');
  const contents = listOf(object['contents'], 'contents');
  const methods = listOf(object['access_methods'], 'access_methods')?.map(methodOf) ?? [];
  const { size } = object;
  if (size !== undefined && size !== null && !(Number.isSafeInteger(size) && Number(size) >= 0))
    throw new NoDrsObject('size is no number of bytes');
  const modifiedMs = Date.parse(textOf(object['updated_time']) ?? textOf(object['created_time']) ?? '');
  return {
    ...(typeof size === 'number' && { sizeBytes: size }),
    ...(Number.isFinite(modifiedMs) && { modifiedMs }),
    sums: sumsOf(listOf(object['checksums'], 'checksums') ?? []),
    methods,
    // Some servers give an empty list for what is no bundle.
    ...(contents && (contents.length > 0 || methods.length === 0) && { contents: contents.map((one) => contentOf(one, 1)) }),
  };
}

/** An answer to `GET /objects/ID/access/ACCESS_ID`. Throws NoDrsObject. */
export function accessOf(answer: unknown): AccessUrl {
  const { url, headers } = membersOf(answer, 'the access URL');
  if (typeof url !== 'string' || url === '') throw new NoDrsObject('url of an access URL is no text');
  return { url, headers: (listOf(headers, 'headers') ?? []).filter((header) => typeof header === 'string') };
}

function methodOf(method: unknown): AccessMethod {
  const { type, access_url: access, access_id: accessId } = membersOf(method, 'an entry of access_methods');
  if (typeof type !== 'string') throw new NoDrsObject('type of an entry of access_methods is no text');
  return {
    type: type.toLowerCase(),
    ...(access !== undefined && access !== null && { access: accessOf(typeof access === 'string' ? { url: access } : access) }),
    ...(typeof accessId === 'string' && accessId !== '' && { accessId }),
  };
}

function contentOf(content: unknown, depth: number): DrsContent {
  if (depth > DEEPEST) throw new NoDrsObject(`contents has more than ${DEEPEST} levels`);
  const { name, id, drs_uri: urls, contents } = membersOf(content, 'an entry of contents');
  if (typeof name !== 'string') throw new NoDrsObject('name of an entry of contents is no text');
  const inner = listOf(contents, 'contents');
  return {
    name,
    ...(typeof id === 'string' && id !== '' && { id }),
    urls: [urls].flat().filter((url) => typeof url === 'string'),
    ...(inner && inner.length > 0 && { contents: inner.map((one) => contentOf(one, depth + 1)) }),
  };
}

/** Those that can be reckoned here and look as they must; others (`crc32c`, `etag`) say nothing to us. */
function sumsOf(checksums: readonly unknown[]): Sums {
  const sums: Partial<Record<(typeof SUMS)[number], string>> = {};
  for (const each of checksums) {
    const { type, checksum } = membersOf(each, 'an entry of checksums');
    const written = textOf(type)?.toLowerCase() ?? '';
    const name = Object.hasOwn(SUM_NAMES, written) ? SUM_NAMES[written] : undefined;
    const hex = textOf(checksum)?.toLowerCase() ?? '';
    if (name && hex.length === SUM_LENGTHS[name] && /^[0-9a-f]+$/.test(hex)) sums[name] = hex;
  }
  return sums;
}

function membersOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new NoDrsObject(`${what} is no JSON object`);
  return value as Readonly<Record<string, unknown>>;
}

function listOf(value: unknown, what: string): readonly unknown[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw new NoDrsObject(`${what} is no list`);
  return value as readonly unknown[];
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

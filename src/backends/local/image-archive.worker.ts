/**
 * Passes an archive of an image (docker's, OCI's; also compressed) from standard input to standard output, without the names it gives its
 * image: an engine that loads a stranger's archive would move these names of its own to it. Run by the job script. In development Node runs
 * this file as it is, types stripped: it imports nothing of ours.
 *
 * docker before its release 25 knows its own form alone: an archive of OCI's gets the manifest that docker looks for beside the index.
 *
 * What comes out is written anew, entry by entry, so that an engine cannot read it in another way. Memory is bounded whatever comes in.
 * Exit codes: 0 all was passed on; 3 a tar, but no archive of an image; 1 anything else, with the reason as the last line of stderr.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract, type Headers, pack } from 'tar-stream';

const NO_IMAGE = 3;
/** Says names and nothing else. */
const ONLY_NAMES = 'repositories';
const INDEX = 'index.json';
const DOCKERS_MANIFEST = 'manifest.json';
const BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/;
const MOST_DOCUMENT_BYTES = 1 << 20;
const MOST_DOCUMENTS_BYTES = 8 << 20;
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64' };
const MEMBERS = new Map([
  [DOCKERS_MANIFEST, manifestWithoutNames],
  [INDEX, indexWithoutNames],
]);
const MOST_ENTRIES = 10_000;
const MOST_MEMBER_BYTES = 4 << 20;
/** More than this between two entries is no header: the library would keep it. */
const MOST_HEADER_BYTES = 16 << 20;

type Json = Readonly<Record<string, unknown>>;

/** What the library has taken since it last gave something. */
let unseenBytes = 0;

async function pass(): Promise<number> {
  const source = extract();
  const target = pack();
  const fed = feed(source);
  const written = pipeline(target, process.stdout);
  // Each is awaited below; until then a failure of one must not end the process.
  for (const each of [fed, written]) each.catch((error: unknown) => source.destroy(error as Error));
  const seen = new Map<string, Headers['type']>();
  const documents = new Map<string, Json>();
  let documentBytes = 0;
  let index: Json | undefined;
  let isImage = false;
  for await (const entry of source) {
    unseenBytes = 0;
    const { type, linkname, size = 0 } = entry.header;
    if (!Number.isSafeInteger(size) || size < 0) throw new Error('a file in it has an impossible length');
    if (seen.size >= MOST_ENTRIES) return NO_IMAGE;
    const name = inside(entry.header.name);
    if (name !== undefined && !seen.has(name) && !parentsOf(name).some((parent) => isLink(seen.get(parent)) || isSpecial(parent))) {
      seen.set(name, type);
      const rewritten = isFile(type) ? MEMBERS.get(name) : undefined;
      if (rewritten) {
        const content = jsonOf(await memberOf(entry, size));
        const text = rewritten(content);
        if (text === undefined) return NO_IMAGE;
        if (name === INDEX) index = content as Json;
        target.entry({ name }, text);
        isImage = true;
        continue;
      }
      if (!isSpecial(name)) {
        const [, digest] = BLOB.exec(name) ?? [];
        if (isFile(type) && digest !== undefined && size <= MOST_DOCUMENT_BYTES && documentBytes + size <= MOST_DOCUMENTS_BYTES) {
          const bytes = await memberOf(entry, size);
          const document = jsonOf(bytes);
          if (typeof document === 'object' && document !== null) {
            documents.set(`sha256:${digest}`, document as Json);
            documentBytes += size;
          }
          target.entry({ name }, bytes);
          continue;
        }
        if (isFile(type)) {
          await pipeline(seenFrom(entry), target.entry({ name, size }));
          continue;
        }
        if (type === 'directory') target.entry({ name, type });
        const way = isLink(type) ? wayTo(name, type, linkname ?? '') : undefined;
        if (way !== undefined) target.entry({ name, type: 'symlink', linkname: way });
      }
    }
    for await (const chunk of seenFrom(entry)) void chunk;
  }
  await fed;
  if (!isImage) return NO_IMAGE;
  const added = index && !seen.has(DOCKERS_MANIFEST) ? manifestOfIndex(index, documents) : undefined;
  if (added !== undefined) target.entry({ name: DOCKERS_MANIFEST }, added);
  target.finalize();
  await written;
  return 0;
}

const isSpecial = (name: string): boolean => MEMBERS.has(name) || name === ONLY_NAMES;
const isFile = (type: Headers['type']): boolean => type === 'file' || type === 'contiguous-file';
const isLink = (type: Headers['type'] | undefined): boolean => type === 'symlink' || type === 'link';

async function* seenFrom(entry: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of entry) {
    unseenBytes = 0;
    yield chunk;
  }
}

async function feed(source: ReturnType<typeof extract>): Promise<void> {
  for await (const chunk of plain(process.stdin)) {
    unseenBytes += chunk.length;
    if (unseenBytes > MOST_HEADER_BYTES) throw new Error('a header in it is too long');
    if (!source.write(chunk)) await once(source, 'drain');
  }
  source.end();
}

/** Decompressed, whichever way the engines take it. */
async function* plain(source: NodeJS.ReadableStream): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let head = Buffer.alloc(0);
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    head = Buffer.concat([head, next.value]);
    if (head.length >= 6) break;
  }
  const whole = async function* (): AsyncGenerator<Buffer> {
    yield head;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
  };
  const magic = head.subarray(0, 6).toString('latin1');
  if (magic.startsWith('\x1f\x8b')) yield* through(whole(), createGunzip());
  else if (magic.startsWith('\x28\xb5\x2f\xfd')) yield* through(whole(), createZstdDecompress());
  else if (magic.startsWith('BZh')) yield* throughProgram(whole(), 'bzip2');
  else if (magic === '\xfd7zXZ\0') yield* throughProgram(whole(), 'xz');
  else yield* whole();
}

async function* through(source: AsyncIterable<Buffer>, change: NodeJS.ReadWriteStream): AsyncGenerator<Buffer> {
  const done = pipeline(source, change);
  done.catch(() => undefined);
  for await (const chunk of change) yield chunk as Buffer;
  await done;
}

async function* throughProgram(source: AsyncIterable<Buffer>, program: string): AsyncGenerator<Buffer> {
  const child = spawn(program, ['-dc'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const fed = pipeline(source, child.stdin);
  for (const each of [ended, fed]) each.catch(() => undefined);
  for await (const chunk of child.stdout) yield chunk as Buffer;
  await fed;
  const [code] = await ended;
  if (code !== 0) throw new Error(`${program} cannot read it`);
}

/** A name without `.` and empty parts; `undefined` for the top itself and for what leads out of it. */
function inside(name: string): string | undefined {
  const normal = posix.normalize(`./${name}`).replace(/\/$/, '');
  return normal === '.' || normal === '..' || normal.startsWith('../') ? undefined : normal;
}

function parentsOf(name: string): readonly string[] {
  const parts = name.split('/');
  return parts.slice(1).map((_part, index) => parts.slice(0, index + 1).join('/'));
}

/** Layers that several images share are links in older archives. None leads out, or to what is written here. */
function wayTo(name: string, type: Headers['type'], linkname: string): string | undefined {
  const target = linkname.startsWith('/') ? undefined : inside(type === 'link' ? linkname : posix.join(posix.dirname(name), linkname));
  return target === undefined || isSpecial(target) ? undefined : posix.relative(posix.dirname(name), target);
}

async function memberOf(entry: AsyncIterable<Buffer>, size: number): Promise<Buffer> {
  if (size > MOST_MEMBER_BYTES) throw new Error('what it says of its image is too long');
  const chunks: Buffer[] = [];
  for await (const chunk of seenFrom(entry)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** Of several images the last one, which is the one that the engines say last that they have loaded. */
function manifestWithoutNames(content: unknown): string | undefined {
  const image = (Array.isArray(content) ? content.at(-1) : undefined) as Json | undefined;
  const { Config, Layers } = image ?? {};
  return typeof Config === 'string' && Array.isArray(Layers) ? JSON.stringify([{ Config, RepoTags: null, Layers }]) : undefined;
}

function indexWithoutNames(content: unknown): string | undefined {
  const { schemaVersion, mediaType, manifests } = (content ?? {}) as Json;
  if (!Array.isArray(manifests)) return undefined;
  const unnamed = (manifests as readonly (Json | null)[]).map((each) => ({
    mediaType: each?.['mediaType'],
    digest: each?.['digest'],
    size: each?.['size'],
    platform: each?.['platform'],
  }));
  return JSON.stringify({ schemaVersion, mediaType, manifests: unnamed });
}

/** docker's manifest of the image that an index leads to, for this machine where it says for which; `undefined` when that is not in the archive. */
function manifestOfIndex(index: Json, documents: ReadonlyMap<string, Json>): string | undefined {
  let document: Json | undefined = index;
  // An index may name an index of platforms.
  for (let depth = 0; depth < 3 && Array.isArray(document?.['manifests']); depth += 1) {
    const choices: readonly (Json | null)[] = document['manifests'] as (Json | null)[];
    const chosen: Json | null | undefined = choices.findLast((each) => isForHere(each?.['platform'] as Json | undefined)) ?? choices.at(-1);
    document = documents.get(String(chosen?.['digest']));
  }
  const { config, layers } = document ?? {};
  if (!Array.isArray(layers)) return undefined;
  const paths = [config, ...(layers as unknown[])].map((each) => {
    const [, digest] = /^sha256:([0-9a-f]{64})$/.exec(String((each as Json | null)?.['digest'])) ?? [];
    return digest === undefined ? undefined : `blobs/sha256/${digest}`;
  });
  if (paths.includes(undefined)) return undefined;
  return JSON.stringify([{ Config: paths[0], RepoTags: null, Layers: paths.slice(1) }]);
}

function isForHere(platform: Json | undefined): boolean {
  return platform?.['os'] === 'linux' && platform['architecture'] === (ARCHITECTURES[process.arch] ?? process.arch);
}

pass().then(
  (code) => process.exit(code),
  (error: unknown) => {
    // Whoever reads has had enough, and says why.
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE') process.exit(0);
    process.stderr.write(`the image archive cannot be read: ${error instanceof Error ? error.message : 'unknown error'}\n`, () =>
      process.exit(1),
    );
  },
);

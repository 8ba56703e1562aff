import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { lstat, opendir, readlink, realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { localVersion } from '../../ports/local-file';
import type { StorageEntry } from '../../ports/storage-client';
import { isSameOrBelow, relativeTo } from '../../task/container-path';
import { linkStays } from '../../task/links';
import { ALLOWED_SETTING, type AllowedDirectories, childOf, kindOf, type Opened } from './allowed-directories';
import { codeOf, refused } from './file-errors';

/** Directories reached by links one inside the other. Two links in each of them, and the deepest is copied 2^8 times: enough. */
const MOST_FOLLOWED = 8;

/**
 * Everything below `path`, a directory before what it holds. One directory is open at a time for each link followed. A link that stays
 * inside is a link; one that leads elsewhere is what is there, as long as that lies in an allowed directory and holds nothing that is
 * being listed. FIFOs, sockets, devices, and names that are not UTF-8 (TES paths are JSON strings) are `other`; none is ever opened.
 */
export async function* listTree(
  allowed: AllowedDirectories,
  path: string,
  signal: AbortSignal,
  holders: readonly string[] = [],
): AsyncIterable<StorageEntry> {
  const top = await allowed.openDirectory(path);
  const root = top.realPath;
  await top.handle.close();
  const waiting = [''];
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    const here = posix.join(root, below);
    const directory = await allowed.openDirectory(here);
    try {
      if (directory.realPath !== here) throw refused(`${here} became a symbolic link while it was being read`);
      for await (const { name } of await opendir(childOf(directory, ''), { encoding: 'latin1' })) {
        signal.throwIfAborted();
        const { entry, leadsTo } = await entryOf(allowed, directory, { root, below, name, holders });
        if (!entry) continue;
        yield entry;
        if (leadsTo !== undefined) {
          for await (const inner of listTree(allowed, leadsTo, signal, [...holders, root])) {
            yield { ...inner, path: posix.join(entry.path, inner.path) };
          }
        } else if (entry.kind === 'directory') waiting.push(entry.path);
      }
    } finally {
      await directory.handle.close();
    }
  }
}

interface Place {
  readonly root: string;
  /** The directory it lies in, relative to the root; "" is the root. */
  readonly below: string;
  /** Its bytes, as Latin-1. */
  readonly name: string;
  /** Roots of the listings in which a link led to this one. */
  readonly holders: readonly string[];
}

/** No entry: it went away meanwhile. */
interface Found {
  readonly entry?: StorageEntry;
  /** Of a directory that a link leads to: where that really is. */
  readonly leadsTo?: string;
}

async function entryOf(allowed: AllowedDirectories, directory: Opened, place: Place): Promise<Found> {
  const name = decoded(place.name);
  if (name === undefined) {
    return { entry: { path: posix.join(place.below, shown(place.name)), kind: 'other', reason: 'has a name that is not valid UTF-8' } };
  }
  const path = posix.join(place.below, name);
  const stats = await statOf(childOf(directory, name));
  if (!stats) return {};
  if (!stats.isSymbolicLink()) return { entry: plainEntry(path, stats, 'is') };
  const target = decoded(await readlink(childOf(directory, name), { encoding: 'latin1' }));
  if (target === undefined) return { entry: { path, kind: 'other', reason: 'is a symbolic link whose target is not valid UTF-8' } };
  const written = targetInside(place.root, path, target);
  if (written !== undefined) return { entry: { path, kind: 'link', linkTarget: written } };
  const real = await realpath(childOf(directory, name)).catch(() => undefined);
  if (real === undefined || !isSameOrBelow(real, place.root)) return followed(allowed, { ...place, path, target }, real);
  return { entry: { path, kind: 'link', linkTarget: posix.relative(posix.dirname(path), posix.relative(place.root, real)) || '.' } };
}

function plainEntry(path: string, stats: Stats, verb: string): StorageEntry {
  const mode = stats.mode & 0o777;
  if (stats.isFile()) return { path, kind: 'file', sizeBytes: stats.size, mode, modifiedMs: stats.mtimeMs, version: localVersion(stats) };
  if (stats.isDirectory()) return { path, kind: 'directory', mode };
  return { path, kind: 'other', reason: `${verb} ${kindOf(stats)}` };
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** By text: as written where that surely stays inside; an absolute one that does is rewritten as relative. */
function targetInside(root: string, path: string, target: string): string | undefined {
  if (linkStays(path, target)) return target;
  if (!target.startsWith('/') || target.split('/').includes('..')) return undefined;
  const inside = relativeTo(root, posix.normalize(target));
  const written = inside === undefined ? undefined : posix.relative(posix.dirname(path), inside) || '.';
  return written !== undefined && linkStays(path, written) ? written : undefined;
}

/** What a link brings that leads out of the listed directory. */
async function followed(
  allowed: AllowedDirectories,
  { root, path, target, holders }: Place & { readonly path: string; readonly target: string },
  real: string | undefined,
): Promise<Found> {
  const link = `${posix.join(root, path)} is a symbolic link that leaves the directory ${root} (to ${target})`;
  const stats = real !== undefined && (await allowed.holds(real)) ? await statOf(real) : undefined;
  if (real === undefined || !stats) {
    throw refused(`${link}, to nothing or out of the directories that the setting ${ALLOWED_SETTING} allows`);
  }
  const entry = plainEntry(path, stats, 'leads to');
  if (entry.kind !== 'directory') return { entry };
  if ([...holders, root].some((holder) => isSameOrBelow(holder, real))) throw refused(`${link}, in a loop: that holds the link itself`);
  if (holders.length >= MOST_FOLLOWED) throw refused(`${link}, after ${MOST_FOLLOWED} others one inside the other`);
  return { entry, leadsTo: real };
}

/** `undefined` for bytes that are not UTF-8. */
function decoded(latin1: string): string | undefined {
  const bytes = Buffer.from(latin1, 'latin1');
  return isUtf8(bytes) ? bytes.toString() : undefined;
}

function shown(latin1: string): string {
  return latin1.replace(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { lstat, opendir, readlink, realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { localVersion } from '../../ports/local-file';
import type { StorageEntry } from '../../ports/storage-client';
import { isSameOrBelow, relativeTo } from '../../task/container-path';
import { linkStays } from '../../task/transfer-plan';
import { childOf, kindOf } from './allowed-directories';
import type { AllowedDirectories, Opened } from './allowed-directories';
import { codeOf, refused } from './file-errors';

/**
 * Everything below `path`, a directory before what it holds. One directory is open at a time. Refused, because a copy could not be
 * true to it: a link that leaves the tree, a FIFO, socket or device, a name that is not valid UTF-8 (TES paths are JSON strings).
 */
export async function* listTree(allowed: AllowedDirectories, path: string, signal: AbortSignal): AsyncIterable<StorageEntry> {
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
        const entry = await entryOf(directory, { root, below, name: decoded(name, here) });
        if (!entry) continue;
        yield entry;
        if (entry.kind === 'directory') waiting.push(entry.path);
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
  readonly name: string;
}

/** `undefined` for what went away meanwhile. */
async function entryOf(directory: Opened, place: Place): Promise<StorageEntry | undefined> {
  const stats = await statOf(childOf(directory, place.name));
  if (!stats) return undefined;
  const path = posix.join(place.below, place.name);
  const mode = stats.mode & 0o777;
  if (stats.isFile()) return { path, kind: 'file', sizeBytes: stats.size, mode, version: localVersion(stats) };
  if (stats.isDirectory()) return { path, kind: 'directory', mode };
  if (stats.isSymbolicLink()) return { path, kind: 'link', linkTarget: await targetOf(directory, place, path) };
  throw refused(`${posix.join(place.root, path)} is ${kindOf(stats)}, which cannot be copied`);
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** As written where that surely stays inside; else, if it really ends inside (absolute, or `..` after a name), rewritten as relative. */
async function targetOf(directory: Opened, place: Place, path: string): Promise<string> {
  const here = posix.join(place.root, path);
  const target = decoded(await readlink(childOf(directory, place.name), { encoding: 'latin1' }), here);
  if (linkStays(path, target)) return target;
  if (target.startsWith('/')) {
    const inside = relativeTo(place.root, posix.normalize(target));
    const written = inside === undefined ? undefined : posix.relative(posix.dirname(path), inside) || '.';
    if (written !== undefined && !target.split('/').includes('..') && linkStays(path, written)) return written;
  }
  const real = await realpath(childOf(directory, place.name)).catch(() => undefined);
  if (real !== undefined && isSameOrBelow(real, place.root)) {
    return posix.relative(posix.dirname(path), posix.relative(place.root, real)) || '.';
  }
  throw refused(`${here} is a symbolic link that leaves the directory ${place.root} (to ${target})`);
}

function decoded(latin1: string, where: string): string {
  const bytes = Buffer.from(latin1, 'latin1');
  if (isUtf8(bytes)) return bytes.toString();
  const shown = latin1.replace(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
  throw refused(`the name ${shown} in ${where} is not valid UTF-8, which TES cannot carry`);
}

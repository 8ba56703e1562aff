import { constants, realpathSync, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readlink, realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { isSameOrBelow } from '../../task/container-path';
import { syncDirectory } from './directory-sync';
import { codeOf, refused } from './file-errors';

/** The setting that every refusal names. */
export const ALLOWED_SETTING = 'storage.file.allowed';

/** Something that is open and known to lie inside an allowed directory. */
export interface Opened {
  readonly handle: FileHandle;
  /** Where it really is: no links, as the kernel says it. */
  readonly realPath: string;
  readonly stats: Stats;
}

/** The name of `child` inside an open directory. Stays inside it whatever is renamed or linked meanwhile (Linux). */
export function childOf(directory: Opened, child: string): string {
  return `/proc/self/fd/${directory.handle.fd}/${child}`;
}

/**
 * The directories a client may reach. A name is looked at first by its text; what counts is where the opened descriptor
 * really lies, so that a link swapped in between never leads out.
 */
export class AllowedDirectories {
  private readonly written: readonly string[];
  private real: readonly string[];

  /** Throws when a directory is not absolute: a mistake in the settings. One that does not exist yet may come later. */
  constructor(allowed: readonly string[]) {
    for (const directory of allowed) {
      if (!directory.startsWith('/') || directory.includes('\0')) {
        throw new Error(`${ALLOWED_SETTING}: ${JSON.stringify(directory)} is not an absolute path`);
      }
    }
    this.written = allowed.map((directory) => posix.join(directory, '.').replace(/(?<=.)\/$/, ''));
    this.real = this.written.map(realPathOrNothing).filter((path) => path !== undefined);
  }

  get directories(): readonly string[] {
    return this.written;
  }

  /** By text alone: `undefined` when the path may be tried. */
  refusal(path: string): string | undefined {
    if ([...this.written, ...this.real].some((directory) => isSameOrBelow(path, directory))) return undefined;
    return `${path} lies in no directory that the setting ${ALLOWED_SETTING} allows`;
  }

  /** Opens what is at `path` for reading, following links that stay allowed. Never blocks, and never opens a FIFO, socket or device. */
  async open(path: string): Promise<Opened> {
    this.check(path);
    let where = path;
    let there = await lstat(path);
    if (!there.isFile() && !there.isDirectory()) {
      where = await realpath(path);
      await this.checkReal(path, where);
      there = await lstat(where);
      if (!there.isFile() && !there.isDirectory()) throw refused(`${path} is ${kindOf(there)}, not a file or directory`);
    }
    return this.openExact(path, where, constants.O_RDONLY | constants.O_NOFOLLOW);
  }

  async openDirectory(path: string): Promise<Opened> {
    this.check(path);
    return this.openExact(path, path, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  /**
   * Opens a directory, making it and its missing parents inside their opened and checked parents, durably. One that is there keeps its mode
   * and owner: it is somebody's data. A new one gets what the umask and the directory above it leave of `mode` (parents: of 0777).
   */
  async makeDirectory(path: string, mode = 0o777): Promise<Opened> {
    try {
      return await this.openDirectory(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    const parentPath = posix.dirname(path);
    if (this.refusal(parentPath) !== undefined) throw refused(`${path}, allowed by ${ALLOWED_SETTING}, does not exist`);
    const parent = await this.makeDirectory(parentPath);
    try {
      await mkdir(childOf(parent, posix.basename(path)), { mode: mode & 0o777 }).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
      await syncDirectory(parent);
    } finally {
      await parent.handle.close();
    }
    return this.openDirectory(path);
  }

  private async openExact(path: string, where: string, flags: number): Promise<Opened> {
    const handle = await open(where, flags | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const realPath = await readlink(`/proc/self/fd/${handle.fd}`);
      await this.checkReal(path, realPath);
      return { handle, realPath, stats: await handle.stat() };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  private check(path: string): void {
    const reason = this.refusal(path);
    if (reason !== undefined) throw refused(reason);
  }

  /** Whether a path without links lies in an allowed directory. */
  async holds(realPath: string): Promise<boolean> {
    if (this.real.some((directory) => isSameOrBelow(realPath, directory))) return true;
    // An allowed directory may have been made, mounted or moved since the last look.
    this.real = (await Promise.all(this.written.map((directory) => realpath(directory).catch(() => undefined)))).filter(
      (directory) => directory !== undefined,
    );
    return this.real.some((directory) => isSameOrBelow(realPath, directory));
  }

  private async checkReal(path: string, realPath: string): Promise<void> {
    if (await this.holds(realPath)) return;
    throw refused(`${path} leads by a symbolic link out of the directories that the setting ${ALLOWED_SETTING} allows`);
  }
}

/** In words, for refusals. */
export function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'a FIFO';
  if (stats.isSocket()) return 'a socket';
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isDirectory()) return 'a directory';
  return stats.isFile() ? 'a file' : 'a device';
}

function realPathOrNothing(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

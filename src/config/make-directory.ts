import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Adapters } from '../ports/adapter';
import { pathsIn, type Settings, SettingsError } from './settings';

/** In `data_dir`: what V8 made of the code. */
export const COMPILE_CACHE = 'compile-cache';

/**
 * Makes a directory, and those above it, unless it is there. Not `mkdir` with `recursive`: where the file system says ENOENT although the
 * directory above is there, as /proc does, Node tries for ever, with the event loop blocked. Throws the file system's error.
 */
export function makeDirectory(path: string): void {
  try {
    // Says nothing of what is there already: a file is found by whoever uses it as a directory.
    if (!existsSync(path)) mkdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Made by another process in between.
    if (code === 'EEXIST') return;
    const above = dirname(path);
    if (code !== 'ENOENT' || existsSync(above)) throw error;
    makeDirectory(above);
    makeDirectory(path);
  }
}

/** Makes the directories of the settings. @throws SettingsError with one line for each that cannot be made or written to */
export function makeDirectories(settings: Settings): void {
  const { data_dir, work_dir, storage } = settings;
  const ownFiles = join(data_dir, 'files');
  const isUsed = Object.values(storage).flatMap(Object.values).flat().includes(ownFiles);
  const wanted = [
    ['data_dir', [data_dir, join(data_dir, COMPILE_CACHE), ...(isUsed ? [ownFiles] : [])]],
    ['work_dir', [work_dir]],
  ] as const;
  const faults = wanted.flatMap(([key, paths]) => {
    for (const path of paths) {
      try {
        makeDirectory(path);
        accessSync(`${path}/`, constants.W_OK | constants.X_OK);
      } catch (error) {
        return [`settings: ${key}: the directory ${path} cannot be made or written to: ${(error as Error).message}`];
      }
    }
    return [];
  });
  if (faults.length > 0) throw new SettingsError(faults);
}

/** Files and directories that the settings name and that cannot be read now, one line each. No fault: they may be mounted later. */
export function unreadable(settings: Settings, adapters: Adapters): string[] {
  const made = ['data_dir', 'work_dir', 'audit.file'];
  return pathsIn(settings, adapters).flatMap(({ key, path }) => {
    if (made.includes(key)) return [];
    try {
      accessSync(path, constants.R_OK);
      return [];
    } catch (error) {
      return [`${key}: cannot be read now: ${(error as Error).message}`];
    }
  });
}

import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeDirectory } from './make-directory';

/**
 * The name of this process among gateways, the same after every restart: from the settings, else made up once and kept in the
 * data directory. Leases and jobs that only this machine can reach carry it.
 */
export function instanceName(configured: string, dataDir: string): string {
  if (configured !== '') return configured;
  return keptIn(dataDir, 'instance', () => `${hostname().split('.', 1).join('')}-${randomBytes(4).toString('hex')}`);
}

/** Names a data directory, wherever it is mounted: made up once and kept in it. */
export function directoryId(dataDir: string): string {
  return keptIn(dataDir, 'directory-id', () => randomBytes(12).toString('base64url'));
}

function keptIn(directory: string, name: string, make: () => string): string {
  makeDirectory(directory);
  const path = join(directory, name);
  const known = readName(path);
  if (known !== undefined) return known;
  const made = make();
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${made}\n`, { flush: true });
  try {
    // A link fails where a rename would replace the name that another process has just made.
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary);
  }
  return readName(path) ?? made;
}

function readName(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { StoreError } from '../../ports/errors';
import { inspectFile } from './inspect-file';
import { toStoreError } from './sqlite-errors';

/** One step for the whole file: it is then one moment of the store, and a gateway that writes meanwhile does not start it over. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Copies a store, while a gateway may be using it, into one file that is a whole store by itself: checked, synced and only then given
 * its name. To restore, stop the gateway and put it in the place of the store's file, without the `-wal` and `-shm` files that were beside that.
 * Resolves with the size in bytes. Throws `StoreError` when there is no store, or `target` exists.
 */
export async function backupStore(path: string, target: string, onProgress: (line: string) => void): Promise<number> {
  if (!existsSync(path)) throw refusal(`there is no task store at ${path}`);
  if (existsSync(target)) throw refusal(`${target} exists; a backup replaces nothing`);
  inspectFile(path);
  const partial = `${resolve(target)}.partial`;
  removeStore(partial);
  // As closed as the store itself, from its first byte: SQLite fills the file that it finds.
  closeSync(openSync(partial, 'wx', 0o600));
  try {
    onProgress(`copying ${path}`);
    const source = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    try {
      await backup(source, partial, { rate: ALL_PAGES });
    } finally {
      source.close();
    }
    onProgress('checking the copy');
    check(partial);
    sync(partial);
    renameSync(partial, target);
    sync(dirname(resolve(target)));
    return statSync(target).size;
  } catch (error) {
    removeStore(partial);
    throw toStoreError(error);
  }
}

function check(path: string): void {
  const copy = new DatabaseSync(path);
  try {
    const found = copy.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (found !== 'ok') throw refusal(`the copy is damaged, and so may be the store: ${String(found)}`);
  } finally {
    copy.close();
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function removeStore(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
}

function refusal(what: string): StoreError {
  return new StoreError('The backup cannot be made', { retryable: false, internal: `The backup cannot be made: ${what}` });
}

import type { FileHandle } from 'node:fs/promises';
import { codeOf } from './file-errors';

interface OpenDirectory {
  readonly handle: FileHandle;
  readonly realPath: string;
}

interface Line {
  /** The fsync that runs now. */
  readonly running: Promise<void>;
  /** The one that everybody waits for who came since it began. */
  next: Promise<void> | undefined;
}

const lines = new Map<string, Line>();

/**
 * Makes the names in a directory durable. Many files stored into one directory at once share their fsyncs: who comes while one is
 * running waits for the next, which covers all that wait.
 */
export async function syncDirectory(directory: OpenDirectory): Promise<void> {
  const line = lines.get(directory.realPath);
  if (!line) return begin(directory);
  line.next ??= line.running.then(
    () => begin(directory),
    () => begin(directory),
  );
  return line.next;
}

async function begin(directory: OpenDirectory): Promise<void> {
  const line: Line = { running: sync(directory.handle), next: undefined };
  lines.set(directory.realPath, line);
  try {
    await line.running;
  } finally {
    if (lines.get(directory.realPath) === line && !line.next) lines.delete(directory.realPath);
  }
}

/** Some network file systems know no fsync of a directory; their renames are as durable as they make them. */
async function sync(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes(codeOf(error) ?? '')) throw error;
  }
}

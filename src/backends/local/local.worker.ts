/**
 * A thread for what would hold up every request: removing a workspace waits for the file system. In development Node runs this
 * file as it is, types stripped: it imports nothing of ours.
 */
import { rmSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

parentPort?.on('message', ({ id, remove }: { readonly id: number; readonly remove: string }) => {
  try {
    rmSync(remove, { recursive: true, force: true });
    parentPort?.postMessage({ id });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    parentPort?.postMessage({ id, failed: error instanceof Error ? error.message : 'unknown error', ...(code !== undefined && { code }) });
  }
});

/**
 * A thread for what would hold up every request: starting a process copies the page tables of the whole gateway, and removing a
 * workspace waits for the file system. In development Node runs this file as it is, types stripped: it imports nothing of ours.
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

type Order =
  | {
      readonly id: number;
      readonly start: { readonly script: string; readonly directory: string; readonly environment: Readonly<Record<string, string>> };
    }
  | { readonly id: number; readonly remove: string };

const answer = (id: number, what: 'done' | 'ended', error?: unknown): void => {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  parentPort?.postMessage({
    id,
    what,
    ...(error !== undefined && { failed: error instanceof Error ? error.message : 'unknown error', ...(code !== undefined && { code }) }),
  });
};

parentPort?.on('message', (order: Order) => {
  const { id } = order;
  try {
    if ('remove' in order) {
      rmSync(order.remove, { recursive: true, force: true });
      answer(id, 'done');
      return;
    }
    const { script, directory, environment } = order.start;
    const child = spawn('/bin/sh', [script, directory], { detached: true, stdio: 'ignore', cwd: '/', env: { ...environment } });
    child.once('error', (error) => answer(id, 'done', error));
    child.once('spawn', () => {
      child.unref();
      answer(id, 'done');
    });
    child.once('exit', () => answer(id, 'ended'));
  } catch (error) {
    answer(id, 'done', error);
  }
});

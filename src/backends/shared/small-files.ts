import { lstatSync, readFileSync } from 'node:fs';
import { isMissing } from './workspace-errors';

/**
 * The few small files around a job are looked at without the thread pool: a microsecond on a local disk, where the way through
 * the pool costs many times that and a short task consists of little else. Never for what a task itself reads or writes.
 */
export function existsNow(hostPath: string): boolean {
  try {
    return lstatSync(hostPath, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

export function readTextOrNothing(hostPath: string): string | undefined {
  try {
    return readFileSync(hostPath, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

import { isTaskId } from '../../engine/task-id';
import { TaskNotFound } from '../../ports/errors';
import { MethodNotServed } from '../http/method-not-served';

const CANCEL = ':cancel';
const RESTORE = ':restore-outputs';

/**
 * The id in a path that GET serves. Throws TaskNotFound for text that cannot be one, so that it never reaches the store,
 * and 405 for `{id}:cancel` and `{id}:restore-outputs`, which only POST (and DELETE) serve.
 */
export function taskId(text: string): string {
  if (isTaskId(text)) return text;
  if (text.endsWith(CANCEL) || text.endsWith(RESTORE)) throw new MethodNotServed('GET', ['POST']);
  throw notFound(text);
}

/**
 * The id in `{id}:cancel`. The router has already decoded `%3A`, so that every spelling arrives here as `:`.
 * Throws TaskNotFound where there is no such task, and 405 for a task without `:cancel`.
 */
export function cancelledTaskId(text: string): string {
  return idBefore(CANCEL, text);
}

/** The same in `{id}:restore-outputs`. */
export function restoredTaskId(text: string): string {
  return idBefore(RESTORE, text);
}

function idBefore(action: string, text: string): string {
  const id = text.endsWith(action) ? text.slice(0, -action.length) : text;
  if (!isTaskId(id)) throw notFound(text);
  if (id === text) throw new MethodNotServed('this method', ['GET']);
  return id;
}

function notFound(text: string): TaskNotFound {
  return new TaskNotFound(`there is no task ${text.slice(0, 100)}`);
}

import type { TaskEvent } from './task-events';
import type { TaskRecord } from './task-record';
import { isTerminal } from './task-state';

/**
 * Whether a change must survive a power failure before anybody acts on it: what was promised to a client (a cancel, an end), and what
 * stands before an effect outside that cannot be told from its repetition (a job that may be started next, one that is removed and
 * forgotten next). Anything else may be found out or done again, because every step
 * is idempotent; the store loses only its newest changes, and never one in the middle.
 */
export function isBinding(event: TaskEvent, after: TaskRecord): boolean {
  switch (event.type) {
    case 'cancelRequested':
    case 'abandoned':
    case 'rebound':
    case 'restoreRequested':
    case 'given':
    case 'expired':
    case 'stagedIn':
    case 'retreated':
    case 'awaitsStorage':
    case 'moved':
      return true;
    case 'submitted':
      // The last step says that the job was handed over: known again by asking the backend under the same job name.
      return event.handle.step !== 'submitted';
    case 'assigned':
    case 'refused':
    case 'judged':
    case 'limited':
    case 'deferred':
    case 'yielded':
    case 'postponed':
    case 'leftBehindEnded':
    case 'measured':
    case 'retried':
    case 'cleaned':
      return false;
    case 'observed':
    case 'stagedOut':
    case 'released':
    case 'failed':
      return isTerminal(after.state);
    default: {
      const never: never = event;
      return never;
    }
  }
}

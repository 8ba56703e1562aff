import type { Logger } from 'pino';
import type { TaskChange, TaskChanges } from '../engine/task-changes';
import { isTerminal } from '../task/task-state';

/** One line for every change of a task's state, with its id, attempt and backend; what changes inside a state is said at `debug`. */
export function logTasks(changes: TaskChanges, log: Logger): () => void {
  return changes.listen((change) => {
    const { before, after } = change;
    const level = before?.state === after.state ? 'debug' : 'info';
    if (log.isLevelEnabled(level)) log[level](fieldsOf(change), `task ${after.state.toLowerCase()}`);
  });
}

function fieldsOf({ before, after, event }: TaskChange): object {
  return {
    task: after.id,
    ...(after.attempt > 0 && { attempt: after.attempt }),
    ...(after.backend !== undefined && { backend: after.backend }),
    event,
    step: after.step,
    ...(before && isTerminal(after.state) && !isTerminal(before.state) && { ms: (after.endedAt ?? after.createdAt) - after.createdAt }),
  };
}

import type { TaskEvent } from '../task/task-events';
import type { TaskRecord } from '../task/task-record';

/** A change that is durable. `before` is absent for a new task. */
export interface TaskChange {
  readonly before?: TaskRecord;
  readonly after: TaskRecord;
  readonly event: TaskEvent['type'] | 'created';
}

export type TaskListener = (change: TaskChange) => void;

/**
 * Tells readers (loops that should look, metrics, the log) of committed changes made by this process. Hints only: a change made by
 * another process, or a crash after the commit, is never told, and every reader finds it by looking.
 */
export class TaskChanges {
  private readonly listeners = new Set<TaskListener>();

  constructor(private readonly onListenerError: (error: unknown) => void) {}

  /** Returns the way to stop listening. */
  listen(listener: TaskListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(change: TaskChange): void {
    for (const listener of this.listeners) {
      try {
        listener(change);
      } catch (error) {
        this.onListenerError(error);
      }
    }
  }
}

import type { ExecutionBackend } from '../ports/execution-backend';
import type { TaskRecords } from '../ports/store/task-records';
import { roomKey } from '../task/room';
import type { TaskEvent } from '../task/task-events';
import type { TaskRecord } from '../task/task-record';
import type { TesTaskRequest } from '../task/tes';

/**
 * What a backend has to say against a task that another gateway has admitted, where it was known by what it had published only; as the
 * event to apply instead of `assigned`. `undefined` = nothing. Reads the request, which whoever hands the task over needs next.
 */
export async function lateRefusal(
  task: TaskRecord,
  backend: ExecutionBackend,
  store: Pick<TaskRecords, 'getStored'>,
  instance: string,
): Promise<TaskEvent | undefined> {
  if (task.needs.admittedBy === undefined || task.needs.admittedBy === instance) return undefined;
  const stored = await store.getStored(task.id);
  const reasons = stored ? backend.check(JSON.parse(stored.requestJson) as TesTaskRequest, task.needs) : [];
  const by = roomKey(backend.name, backend.capabilities().boundToInstance ? instance : undefined);
  return reasons.length === 0 ? undefined : { type: 'refused', by, reasons };
}

import { type Amounts, amountsOf } from './amounts';
import type { TaskRecord, TaskStep } from './task-record';

/** States in which an assigned task uses room: what has ended does not, though its remains may still be there. */
export const ROOM_STATES = ['INITIALIZING', 'RUNNING', 'CANCELING'] as const;
const USES_ROOM: ReadonlySet<string> = new Set(ROOM_STATES);
/** Nothing runs, and it may take a day. */
export const ROOMLESS_STEP = 'await-storage' satisfies TaskStep;

/** Under which key room is counted: a backend's name, with the instance where each has its own. */
export function roomKey(backend: string, boundTo: string | undefined): string {
  return boundTo === undefined ? backend : `${backend}@${boundTo}`;
}

/** The room that a task uses now, if it uses any. */
export function roomOf(task: TaskRecord): { readonly key: string; readonly amounts: Amounts } | undefined {
  if (task.backend === undefined || !USES_ROOM.has(task.state) || task.step === ROOMLESS_STEP) return undefined;
  return { key: roomKey(task.backend, task.boundTo), amounts: amountsOf(task.given ?? task.needs) };
}

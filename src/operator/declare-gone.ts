import { AWAY_MS, awayInstance } from '../engine/away-instance';
import type { TaskWriter } from '../engine/task-writer';
import { Conflict } from '../ports/errors';
import type { StoreClock } from '../ports/store/store-clock';
import type { Upkeep } from '../ports/store/upkeep';
import type { TaskEvent } from '../task/task-events';
import type { TaskRecord } from '../task/task-record';

const BATCH = 200;

/**
 * An operator declares an instance gone: nobody waits for it any more. Its tasks go back to the queue for another attempt elsewhere, those
 * being cancelled are CANCELED, and what it had to clean up is forgotten. Repeating it is harmless. Resolves with the tasks that were
 * changed. Throws `Conflict` while that instance is alive, unless forced. If it comes back it ends what it has of them (`stale-attempts.ts`).
 */
export async function declareGone(
  store: StoreClock & Upkeep,
  writer: TaskWriter,
  instance: string,
  force: boolean,
): Promise<readonly TaskRecord[]> {
  if (!force && (await awayInstance(store, instance)) === undefined) {
    throw new Conflict(`gateway ${instance} is alive, or was a moment ago: stop it first, or wait ${AWAY_MS / 1000} s and try again`);
  }
  return abandonAll(store, writer, () => store.listBoundTo(instance, BATCH), { type: 'abandoned', instance });
}

/**
 * The same of a backend that no gateway has any more: nobody can fence, clean or even look at what it has. Throws `Conflict` while a
 * gateway that is alive has it, unless forced. A task that moved away from it and is cancelled later waits for it again.
 */
export async function declareBackendGone(
  store: StoreClock & Upkeep,
  writer: TaskWriter,
  backend: string,
  force: boolean,
): Promise<readonly TaskRecord[]> {
  const holder = [...(await store.published())].find(([, backends]) => backends.some(({ name }) => name === backend));
  if (!force && holder) throw new Conflict(`backend ${backend} is set up on gateway ${holder[0]}: take it out of the settings there first`);
  return abandonAll(store, writer, () => store.listOnBackend(backend, BATCH), { type: 'abandoned', backend });
}

/** Each task once, and only those that were there at the beginning: whoever goes on taking tasks meanwhile does not keep it busy. */
async function abandonAll(
  store: StoreClock & Upkeep,
  writer: TaskWriter,
  list: () => Promise<readonly TaskRecord[]>,
  event: TaskEvent,
): Promise<readonly TaskRecord[]> {
  const begun = store.now();
  const tried = new Set<string>();
  const changed: TaskRecord[] = [];
  for (;;) {
    const found = (await list()).filter(({ id, createdAt }) => !tried.has(id) && createdAt <= begun);
    if (found.length === 0) return changed;
    for (const { id } of found) {
      tried.add(id);
      const applied = await writer.apply(id, event);
      if (applied.kind === 'changed') changed.push(applied.task);
    }
  }
}

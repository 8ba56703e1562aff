import { Conflict, InvalidRequest, InvalidTask } from '../ports/errors';
import type { StoredTask } from '../ports/store/task-records';
import type { TaskStore } from '../ports/store/task-store';
import type { TaskRecord } from '../task/task-record';
import { endLine, type ExportScope, headerLine, parseHeader, parseLine, taskLine } from './export-format';
import { awayInstance } from '../engine/away-instance';

/** So many tasks, and so much of them, are in memory at once. */
const BATCH = 200;
const BATCH_BYTES = 8 * 2 ** 20;

/** Gives the lines of an export, without their ends. Throws `Conflict` for `all` while a gateway has the store open. */
export async function* exportTasks(store: TaskStore, scope: ExportScope): AsyncGenerator<string, void> {
  if (scope === 'all') await refuseWhileOpen(store, 'stop it, or export finished tasks only');
  yield headerLine(scope);
  let tasks = 0;
  let pageToken = '';
  do {
    const { items, nextPageToken } = await store.listOldest(pageToken, BATCH, BATCH_BYTES);
    for (const stored of items) {
      if (scope === 'finished' && stored.task.step !== 'done') continue;
      tasks += 1;
      yield taskLine(stored);
    }
    pageToken = nextPageToken;
  } while (pageToken !== '');
  yield endLine(tasks);
}

export interface Imported {
  readonly imported: number;
  /** In the store already, from an import that was cut off. */
  readonly present: number;
}

/**
 * Puts the tasks of an export into a store, in their order, those that are there already left alone; so it may be repeated after it was cut
 * off. Attempts under way go on when the gateway that began them opens this store. Throws `InvalidTask` naming the line that cannot be
 * read, with those before it imported; `Conflict` while a gateway has the store open and the export holds more than finished tasks.
 */
export async function importTasks(
  lines: AsyncIterable<Uint8Array>,
  store: TaskStore,
  onProgress: (tasks: number) => void = () => undefined,
): Promise<Imported> {
  const done = { imported: 0, present: 0 };
  let batch: StoredTask[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    const added = await importBatch(store, batch);
    done.imported += added;
    done.present += batch.length - added;
    batch = [];
    bytes = 0;
    onProgress(done.imported + done.present);
  };
  let number = 0;
  let isWhole = false;
  try {
    for await (const bytesOfLine of lines) {
      number += 1;
      const line = textOf(bytesOfLine);
      if (isWhole) throw new InvalidTask('there should be nothing after the end');
      if (number === 1) {
        if (parseHeader(line) === 'all') await refuseWhileOpen(store, 'stop it first');
        continue;
      }
      const parsed = parseLine(line);
      if (typeof parsed === 'number') {
        if (parsed !== number - 2) throw new InvalidTask(`there should be ${parsed} tasks before the end, there are ${number - 2}`);
        isWhole = true;
        continue;
      }
      batch.push(parsed);
      bytes += line.length;
      if (batch.length >= BATCH || bytes >= BATCH_BYTES) await flush();
    }
    if (!isWhole) throw new InvalidTask('the export was cut off after it');
  } catch (error) {
    if (!(error instanceof InvalidTask || error instanceof InvalidRequest)) throw error;
    await flush();
    throw new InvalidTask(`line ${number}: ${error.publicMessage}`);
  }
  await flush();
  return done;
}

/** Resolves with how many were not there yet. */
async function importBatch(store: TaskStore, batch: readonly StoredTask[]): Promise<number> {
  const states = await Promise.all(batch.map(({ task }) => store.getState(task.id)));
  const added = batch.filter((_, index) => states[index] === undefined);
  // Asked for in one turn, so that they are stored in this order.
  const taken = await Promise.allSettled(added.map(({ task, requestJson }) => store.insert(requestJson, asStored(task, store.now()))));
  taken.forEach((outcome, index) => {
    if (outcome.status === 'fulfilled') return;
    const reason: unknown = outcome.reason;
    if (reason instanceof InvalidTask) {
      throw new Conflict(`task ${added[index]?.task.id} cannot be in this store: ${reason.publicMessage}`);
    }
    throw reason;
  });
  return added.length;
}

function isUnderWay({ step }: TaskRecord): boolean {
  return step !== 'queued' && step !== 'done';
}

/** What was under way is looked at as soon as somebody can. */
function asStored(task: TaskRecord, now: number): TaskRecord {
  return isUnderWay(task) ? { ...task, dueAt: now } : task;
}

function textOf(line: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line);
  } catch {
    throw new InvalidTask('it is not UTF-8');
  }
}

async function refuseWhileOpen(store: TaskStore, advice: string): Promise<void> {
  for (const instance of (await store.seenGateways()).keys()) {
    if ((await awayInstance(store, instance)) === undefined) throw new Conflict(`gateway ${instance} has this store open: ${advice}`);
  }
}

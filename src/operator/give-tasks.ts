import type { TaskWriter } from '../engine/task-writer';
import { Conflict } from '../ports/errors';
import { isOwnerKey } from '../ports/principal';
import type { TaskRecords } from '../ports/store/task-records';
import { ownerScope } from '../task/scopes';

/** So many are changed at once. */
const BATCH = 500;

export interface Gift {
  /** Whose they are: `anonymous` = from before there was a login. */
  readonly from: string;
  /** As `/ext/v1/me` shows it to whoever gets them. */
  readonly owner: string;
  /** What people call the new owner. */
  readonly ownerName?: string;
}

/**
 * Gives tasks to somebody: all that their former owner has at the beginning, whatever becomes of them meanwhile. Each is changed by itself,
 * so that it may be cut off, and done again for the rest. Resolves with how many. Throws `Conflict` for what nobody can be called.
 */
export async function giveTasks(
  store: Pick<TaskRecords, 'listMinimal'>,
  writer: TaskWriter,
  gift: Gift,
  onProgress: (tasks: number) => void = () => undefined,
): Promise<number> {
  const { from, owner } = gift;
  if (!isOwnerKey(owner)) throw new Conflict(`nobody is called ${owner}: an owner is issuer|subject, as /ext/v1/me shows it`);
  if (from === owner) throw new Conflict(`the tasks of ${owner} are its own already`);
  let given = 0;
  // Newest first by creation: what comes meanwhile is on no later page, and what has gone from one page shifts no other.
  for (let pageToken: string | undefined; pageToken !== '';) {
    const page = await store.listMinimal({
      scopes: [ownerScope(from)],
      pageSize: BATCH,
      ...(pageToken !== undefined && { pageToken }),
    });
    const applied = await Promise.all(page.items.map(([id]) => writer.apply(id, { type: 'given', ...gift })));
    given += applied.filter(({ kind }) => kind === 'changed').length;
    onProgress(given);
    pageToken = page.nextPageToken;
  }
  return given;
}

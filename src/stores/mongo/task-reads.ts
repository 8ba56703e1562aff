import { isWithin, keysOf, type Scope, type Scopes } from '../../task/scopes';
import type { TesState } from '../../task/tes';
import { Batches } from './batches';
import type { MongoConnection } from './mongo-connection';
import type { TaskDocument } from './schemas';
import { RECORD_FIELDS, type RecordDocument } from './task-codec';
import { STORED_FIELDS, type StoredDocument } from './task-pages';
import { wellFormed } from './well-formed';

interface Wanted {
  readonly id: string;
  /** As the tasks' fields have them; absent = anyone's. */
  readonly scopes: Scopes;
}

/** Queries under way at once: the more wait for the next one, the less each of them costs. */
const AT_ONCE = 2;

/**
 * Tasks by id: those asked for in one turn of the event loop are one query, which costs both sides little more than one of them. A read
 * that comes while others are under way goes with the next query, never with one that was sent before it.
 */
export class TaskReads {
  private readonly states: Batches<Wanted, Pick<TaskDocument, '_id' | 'state'> | undefined>;
  private readonly records: Batches<Wanted, RecordDocument | undefined>;
  private readonly wholes: Batches<Wanted, StoredDocument | undefined>;

  constructor(private readonly connection: MongoConnection) {
    this.states = this.reads({ state: 1 }, 256);
    this.records = this.reads(RECORD_FIELDS, 64);
    this.wholes = this.reads(STORED_FIELDS, 32);
  }

  async state(id: string, scopes: Scopes): Promise<TesState | undefined> {
    return (await this.states.add(wanted(id, scopes), 0))?.state;
  }

  record(id: string, scopes: Scopes): Promise<RecordDocument | undefined> {
    return this.records.add(wanted(id, scopes), 0);
  }

  stored(id: string, scopes: Scopes): Promise<StoredDocument | undefined> {
    return this.wholes.add(wanted(id, scopes), 0);
  }

  private reads<Document extends { readonly _id: string }>(projection: object, items: number): Batches<Wanted, Document | undefined> {
    return new Batches<Wanted, Document | undefined>(
      async (all) => {
        const ids = [...new Set(all.map(({ id }) => id))];
        const found = await this.find<Document>(ids, scopesOfAll(all), { ...projection, owner: 1, groups: 1 });
        const byId = new Map(found.map((document) => [document._id, document]));
        return all.map(({ id, scopes }) => {
          const document = byId.get(id);
          return { value: document !== undefined && isWithin(document, scopes) ? document : undefined };
        });
      },
      { items, bytes: Infinity, atOnce: AT_ONCE },
    );
  }

  /** What nobody of them may see stays with the server: the time that a large task takes on the way would tell that it is there. */
  private find<Document>(
    ids: readonly string[],
    scopes: Scopes,
    projection: object,
  ): Promise<(Document & Pick<TaskDocument, 'owner' | 'groups'>)[]> {
    const { tasks } = this.connection.collections;
    const [first] = ids;
    const _id = ids.length === 1 && first !== undefined ? first : { $in: [...ids] };
    const visible = scopes === undefined ? {} : withinAny(scopes);
    // With no other condition the server takes a shorter way by itself.
    const hint = scopes === undefined ? {} : ({ hint: { _id: 1 } } as const);
    const options = { projection, ...hint, batchSize: ids.length + 1, ...this.connection.limit };
    return this.connection.call(() =>
      tasks.find<Document & Pick<TaskDocument, 'owner' | 'groups'>>({ _id, ...visible }, options).toArray(),
    );
  }
}

function scopesOfAll(all: readonly Wanted[]): Scopes {
  const each = all.map(({ scopes }) => scopes);
  return each.includes(undefined) ? undefined : [...new Set(each.flatMap((scopes = []) => scopes))];
}

function withinAny(scopes: readonly Scope[]): object {
  const { owners, groups } = keysOf(scopes);
  const owned = { owner: { $in: owners } };
  return groups.length === 0 ? owned : { $or: [owned, { groups: { $in: groups } }] };
}

function wanted(id: string, scopes: Scopes): Wanted {
  return { id, scopes: scopes?.map((scope) => wellFormed(scope) as Scope) };
}

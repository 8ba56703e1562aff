import type { mongo } from 'mongoose';
import type { ListQuery, MinimalRow, Page, StoredTask } from '../../ports/store/task-records';
import { keysOf } from '../../task/scopes';
import type { TesState } from '../../task/tes';
import type { MongoConnection } from './mongo-connection';
import type { PageTokens } from './page-token';
import { readParts } from './request-parts';
import { SameReads } from './same-reads';
import type { TaskDocument } from './schemas';
import { decodeRecord, RECORD_FIELDS, type RecordDocument } from './task-codec';
import { beginningTerm, groupTerm, nameKey, NAME_LENGTH, prefixEnd, tagTerm } from './search-terms';
import { wellFormed } from './well-formed';

type Row = Pick<TaskDocument, '_id' | 'state' | 'place' | 'requestBytes' | 'recordBytes'>;
export type StoredDocument = RecordDocument & Pick<TaskDocument, 'request' | 'requestParts'>;

/** A MINIMAL page as the server gives it: the places of its last two rows. */
interface MinimalPage {
  readonly ids: readonly string[];
  readonly states: readonly TesState[];
  readonly places: readonly mongo.ObjectId[];
}

const ROW_FIELDS = { state: 1, place: 1, requestBytes: 1, recordBytes: 1 } as const;
export const STORED_FIELDS = { ...RECORD_FIELDS, request: 1, requestParts: 1 } as const;

/** Pages of tasks, newest first, along `place`. */
export class TaskPages {
  private readonly same = new SameReads<Page<MinimalRow>>();

  constructor(
    private readonly connection: MongoConnection,
    private readonly tokens: PageTokens,
  ) {}

  minimal(query: ListQuery): Promise<Page<MinimalRow>> {
    return this.same.read(JSON.stringify(query), () => this.readMinimal(query));
  }

  private async readMinimal(query: ListQuery): Promise<Page<MinimalRow>> {
    const walk = await this.walk(query);
    if (walk === undefined) return { items: [], nextPageToken: '' };
    const { limit, filter, hint } = walk;
    const { tasks } = this.connection.collections;
    const options = { ...(hint !== undefined && { hint }), ...this.connection.limit };
    const [page] = await this.connection.call(() => tasks.aggregate<MinimalPage>(minimalStages(filter, limit), options).toArray());
    if (page === undefined) return { items: [], nextPageToken: '' };
    const { ids, states, places } = page;
    const more = ids.length === limit;
    const items = ids.slice(0, query.pageSize).map((id, index) => [id, states[index] as TesState] as const);
    const [last] = places;
    return { items, nextPageToken: more && last !== undefined ? this.tokens.encode(query, last) : '' };
  }

  async stored(query: ListQuery, maxBytes: number): Promise<Page<StoredTask>> {
    const { rows, more } = await this.rows(query);
    let bytes = 0;
    let fitting = rows.findIndex(({ requestBytes, recordBytes }) => (bytes += requestBytes + recordBytes) > maxBytes);
    fitting = fitting === -1 ? rows.length : Math.max(1, fitting);
    const page = rows.slice(0, fitting);
    const { tasks } = this.connection.collections;
    const ids = page.map(({ _id }) => _id);
    const found = await this.connection.call(() =>
      tasks
        .find<StoredDocument>({ _id: { $in: ids } }, { projection: STORED_FIELDS, batchSize: ids.length + 1, ...this.connection.limit })
        .toArray(),
    );
    const byId = new Map(found.map((document) => [document._id, document]));
    const items: StoredTask[] = [];
    for (const id of ids) {
      const document = byId.get(id);
      // One that was deleted meanwhile is left out; the page goes on from its place all the same.
      const stored = document === undefined ? undefined : await this.withRequest(document);
      if (stored !== undefined) items.push(stored);
    }
    return { items, nextPageToken: this.token(query, page, more || fitting < rows.length) };
  }

  async withRequest(document: StoredDocument): Promise<StoredTask | undefined> {
    const { _id, request, requestParts } = document;
    const { requests } = this.connection.collections;
    const requestJson = request ?? (await this.connection.call(() => readParts(requests, _id, requestParts ?? 0, this.connection.limit)));
    return requestJson === undefined ? undefined : { task: decodeRecord(document), requestJson };
  }

  private token(query: ListQuery, rows: readonly Row[], more: boolean): string {
    const last = rows.at(-1);
    return more && last !== undefined ? this.tokens.encode(query, last.place) : '';
  }

  /** The rows of a page, and whether others follow. */
  private async rows(query: ListQuery): Promise<{ rows: Row[]; more: boolean }> {
    const walk = await this.walk(query);
    if (walk === undefined) return { rows: [], more: false };
    const { limit, filter, hint } = walk;
    const { tasks } = this.connection.collections;
    const rows = await this.connection.call(() =>
      tasks.find<Row>(filter, { projection: ROW_FIELDS, ...pageOptions(limit, hint), ...this.connection.limit }).toArray(),
    );
    const more = rows.length === limit;
    if (more) rows.pop();
    return { rows, more };
  }

  /** How a page is found; `undefined` = there is none. */
  private async walk(query: ListQuery): Promise<(PageFilter & { readonly limit: number }) | undefined> {
    const before = this.tokens.decode(query);
    if (query.scopes?.length === 0) return undefined;
    // One more than the page holds tells whether there is another page.
    const limit = query.pageSize + 1;
    const prefix = query.namePrefix ?? '';
    const few = prefix === '' ? undefined : await this.placesOfNames(prefix, 2 * limit);
    const places = few?.filter((place) => before === undefined || place.toHexString() < before.toHexString());
    return places?.length === 0 ? undefined : { limit, ...pageFilter(query, before, places) };
  }

  /** Where the tasks with such names are, unless there are more than `most`. */
  private async placesOfNames(prefix: string, most: number): Promise<mongo.ObjectId[] | undefined> {
    const { tasks } = this.connection.collections;
    const found = await this.connection.call(() =>
      tasks.find(namesFilter(prefix), { ...namesOptions(most + 1), ...this.connection.limit }).toArray(),
    );
    return found.length > most ? undefined : found.map(({ place }) => place);
  }
}

/** Every index a page may walk along; they all are in the order of `place`, so that nothing is ever sorted. */
const HINTS = {
  all: { place: -1 },
  owner: { owner: 1, place: -1 },
  state: { state: 1, place: -1 },
  ownerState: { owner: 1, state: 1, place: -1 },
  terms: { terms: 1, place: -1 },
} as const;

export interface PageFilter {
  readonly filter: object;
  /** Absent: several indexes would do, and the server finds out which is the shortest way. */
  readonly hint: (typeof HINTS)[keyof typeof HINTS] | undefined;
}

/** `places` are those of the few tasks that have a name with the prefix; absent = the name's terms have to do. */
export function pageFilter(query: ListQuery, before: mongo.ObjectId | undefined, places?: readonly mongo.ObjectId[]): PageFilter {
  const { scopes, state, tags = [], namePrefix = '' } = query;
  const { owners, groups } = keysOf(scopes ?? []);
  // Terms of its own has an owner only: with groups the server finds out which index is the shortest way.
  const [owner] = groups.length === 0 && owners.length === 1 ? owners : [];
  const isMixed = scopes !== undefined && owner === undefined;
  const whose = [
    ...(owners.length > 0 ? [{ owner: { $in: owners.map(wellFormed) } }] : []),
    ...(groups.length > 0 ? [{ terms: { $in: groups.map(groupTerm) } }] : []),
  ];
  const terms = tags.map(({ key, value }) => (value === '' ? tagTerm(owner, key) : tagTerm(owner, key, value)));
  let range = {};
  if (namePrefix !== '') {
    const beginning = nameKey(namePrefix);
    const { term, exact } = beginningTerm(owner, beginning);
    if (places === undefined) terms.push(term);
    const whole = wellFormed(namePrefix);
    if (whole.length > NAME_LENGTH) range = { longName: between(whole) };
    else if (places === undefined && !exact) range = { name: between(beginning) };
  }
  const filter = {
    // A term is the owner's already, but only a hash says so.
    ...(owner !== undefined && { owner: wellFormed(owner) }),
    ...(isMixed && { $or: whose }),
    ...(state !== undefined && { state: typeof state === 'string' ? state : { $in: state } }),
    ...(terms.length > 0 && { terms: terms.length === 1 ? terms[0] : { $all: terms } }),
    ...range,
    ...(places !== undefined ? { place: { $in: [...places] } } : before !== undefined && { place: { $lt: before } }),
  };
  if (places !== undefined) return { filter, hint: HINTS.all };
  return { filter, hint: isMixed ? undefined : hintFor(owner !== undefined, state !== undefined, terms.length) };
}

function hintFor(byOwner: boolean, byState: boolean, terms: number): PageFilter['hint'] {
  if (terms === 0) return byOwner ? (byState ? HINTS.ownerState : HINTS.owner) : byState ? HINTS.state : HINTS.all;
  return terms === 1 && !byState ? HINTS.terms : undefined;
}

/** As one document of lists: 257 small documents take the driver four times as long to decode. */
export function minimalStages(filter: object, limit: number): object[] {
  return [
    { $match: filter },
    { $sort: { place: -1 } },
    { $limit: limit },
    { $group: { _id: null, ids: { $push: '$_id' }, states: { $push: '$state' }, places: { $push: '$place' } } },
    { $project: { _id: 0, ids: 1, states: 1, places: { $slice: ['$places', -2] } } },
  ];
}

export function pageOptions(limit: number, hint: PageFilter['hint']) {
  return { sort: { place: -1 }, limit, batchSize: limit + 1, ...(hint !== undefined && { hint }) } as const;
}

export function namesFilter(prefix: string): object {
  return { name: between(nameKey(prefix)) };
}
export function namesOptions(limit: number) {
  return { projection: { _id: 0, place: 1 }, hint: { name: 1, place: -1 }, limit, batchSize: limit + 1 } as const;
}

function between(prefix: string): object {
  const end = prefixEnd(prefix);
  return { $gte: prefix, ...(end !== undefined && { $lt: end }) };
}

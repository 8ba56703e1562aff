import type { SQLInputValue, StatementSync } from 'node:sqlite';
import type { ListQuery, MinimalRow, Page, StoredTask } from '../../ports/store/task-records';
import { keysOf, type Scope } from '../../task/scopes';
import { stateCode, stateOf } from './codes';
import type { PageTokens } from './page-token';
import { decodeRecord, groupTerm, NAME_KEY_LENGTH, nameKey, prefixEnd, type StoredRow, tagTerm } from './record-codec';
import { ArrayList, IndexList, intersect, NameScan, type SeekList, UnionList } from './seek-lists';
import { row, rows, type Statements } from './statements';

type StateRow = [id: string, state: number];

/** One filter that an index holds in order of creation. */
interface Filter {
  readonly page: StatementSync;
  readonly seek: StatementSync;
  readonly value: SQLInputValue;
}

export interface PageLimits {
  /** So many names with a prefix are sorted in memory; when there are more, the newest tasks are looked through instead. */
  readonly names: number;
  /** How many of those at a time. */
  readonly slice: number;
}
const LIMITS: PageLimits = { names: 16_384, slice: 16_384 };

/** Pages of tasks, newest first. A page of one filter is one statement; of several, a walk over their indexes together. */
export class TaskPages {
  constructor(
    private readonly statements: Statements,
    private readonly tokens: PageTokens,
    private readonly limits: PageLimits = LIMITS,
  ) {}

  async minimal(query: ListQuery): Promise<Page<MinimalRow>> {
    const { found, next } = await this.find(query);
    return { items: found.map(toMinimal), nextPageToken: next === undefined ? '' : this.tokens.encode(query, next) };
  }

  async stored(query: ListQuery, maxBytes: number): Promise<Page<StoredTask>> {
    const { found, next } = await this.find(query);
    const items: StoredTask[] = [];
    let bytes = 0;
    for (const [id] of found) {
      const stored = row<StoredRow>(this.statements.stored, id);
      if (stored === undefined) continue;
      const [recordJson, requestJson] = [stored[11], stored[12]];
      bytes += Buffer.byteLength(requestJson) + Buffer.byteLength(recordJson);
      const last = items.at(-1);
      if (last !== undefined && bytes > maxBytes) {
        return { items, nextPageToken: this.tokens.encode(query, this.seqOf(last.task.id) ?? 0) };
      }
      items.push({ task: decodeRecord(stored), requestJson });
    }
    return { items, nextPageToken: next === undefined ? '' : this.tokens.encode(query, next) };
  }

  /** The token is the place of the last one. */
  oldest(pageToken: string, limit: number, maxBytes: number): Page<StoredTask> {
    const found = rows<[number, string]>(this.statements.pageOldest, pageToken === '' ? 0 : Number(pageToken), limit);
    const items: StoredTask[] = [];
    let bytes = 0;
    let last = '';
    for (const [seq, id] of found) {
      const stored = row<StoredRow>(this.statements.stored, id);
      if (stored === undefined) continue;
      bytes += Buffer.byteLength(stored[11]) + Buffer.byteLength(stored[12]);
      if (items.length > 0 && bytes > maxBytes) return { items, nextPageToken: last };
      items.push({ task: decodeRecord(stored), requestJson: stored[12] });
      last = String(seq);
    }
    return { items, nextPageToken: found.length === limit ? last : '' };
  }

  private seqOf(id: string): number | undefined {
    return row<[number]>(this.statements.seq, id)?.[0];
  }

  /** The rows of a page, and the place of its last one when others follow. */
  private async find(query: ListQuery): Promise<{ found: StateRow[]; next: number | undefined }> {
    const before = this.tokens.decode(query);
    // One more than the page holds tells whether there is another page.
    const limit = query.pageSize + 1;
    const filters = this.filters(query);
    const prefix = query.namePrefix ?? '';
    const [first, ...others] = filters;
    const states = typeof query.state === 'object' ? query.state : [];
    const scopes = query.scopes?.length === 1 ? undefined : query.scopes;
    if (prefix === '' && others.length === 0 && states.length === 0 && scopes === undefined) {
      const found =
        first === undefined
          ? rows<StateRow>(this.statements.pageOfAll, before, limit)
          : rows<StateRow>(first.page, first.value, before, limit);
      if (found.length === limit) found.pop();
      else return { found, next: undefined };
      return { found, next: this.seqOf(found.at(-1)?.[0] ?? '') };
    }
    const lists: SeekList[] = filters.map((filter) => new IndexList(filter.seek, filter.value));
    if (states.length > 0) lists.push(new UnionList(states.map((state) => new IndexList(this.statements.seekState, stateCode(state)))));
    if (scopes !== undefined) lists.push(new UnionList(this.scopeFilters(scopes).map(({ seek, value }) => new IndexList(seek, value))));
    if (prefix !== '') lists.unshift(this.namesWith(prefix, before, limit));
    // The index knows only the beginning of a name.
    const accept = prefix.length <= NAME_KEY_LENGTH ? () => true : (seq: number) => this.nameAt(seq)?.startsWith(prefix) === true;
    const seqs = await intersect(lists, before - 1, limit, accept);
    const more = seqs.length === limit;
    if (more) seqs.pop();
    // A task deleted during the walk is left out; the page goes on from its place all the same.
    return { found: rows<StateRow>(this.statements.minimalAmong, JSON.stringify(seqs)), next: more ? seqs.at(-1) : undefined };
  }

  private filters(query: ListQuery): Filter[] {
    const { pageOfTerm, pageOfState, seekTerm, seekState } = this.statements;
    const filters: Filter[] = [];
    for (const { key, value } of query.tags ?? []) {
      filters.push({ page: pageOfTerm, seek: seekTerm, value: value === '' ? tagTerm(key) : tagTerm(key, value) });
    }
    if (typeof query.state === 'string') filters.push({ page: pageOfState, seek: seekState, value: stateCode(query.state) });
    if (query.scopes?.length === 1) filters.push(...this.scopeFilters(query.scopes));
    return filters;
  }

  private scopeFilters(scopes: readonly Scope[]): Filter[] {
    const { pageOfOwner, pageOfTerm, seekOwner, seekTerm } = this.statements;
    const { owners, groups } = keysOf(scopes);
    return [
      ...owners.map((owner) => ({ page: pageOfOwner, seek: seekOwner, value: owner })),
      ...groups.map((group) => ({ page: pageOfTerm, seek: seekTerm, value: groupTerm(group) })),
    ];
  }

  private namesWith(prefix: string, before: number, limit: number): SeekList {
    const start = nameKey(prefix) ?? '';
    const end = prefixEnd(start);
    const { seqsOfName, seqsOfNameFrom, namesBetween, newest } = this.statements;
    const within = (most: number, offset: number): [seq: number][] =>
      end === undefined ? rows(seqsOfNameFrom, start, before, most, offset) : rows(seqsOfName, start, end, before, most, offset);
    const { names, slice } = this.limits;
    if (within(1, names).length === 0) return new ArrayList(within(names, 0).map(([seq]) => seq));
    return new NameScan(namesBetween, row<[number | null]>(newest)?.[0] ?? 0, start, end, limit, slice);
  }

  private nameAt(seq: number): string | undefined {
    const json = row<[string]>(this.statements.jsonAt, seq)?.[0];
    return json === undefined ? undefined : (JSON.parse(json) as { name?: string }).name;
  }
}

function toMinimal(found: StateRow): MinimalRow {
  return [found[0], stateOf(found[1])];
}

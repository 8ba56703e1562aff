import type { SQLInputValue, StatementSync } from 'node:sqlite';
import type { ListQuery, MinimalRow, Page, StoredTask } from '../../ports/task-store';
import { stateCode, stateOf } from './codes';
import type { PageTokens } from './page-token';
import { decodeRecord, NAME_KEY_LENGTH, nameKey, prefixEnd, type RecordRow, tagTerm } from './record-codec';
import { ArrayList, IndexList, intersect, NameScan, type SeekList } from './seek-lists';
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
      const record = row<RecordRow>(this.statements.record, id);
      const request = row<[string]>(this.statements.request, id);
      if (record === undefined || request === undefined) continue;
      const [requestJson] = request;
      bytes += Buffer.byteLength(requestJson) + Buffer.byteLength(record[11]);
      const last = items.at(-1);
      if (last !== undefined && bytes > maxBytes) {
        return { items, nextPageToken: this.tokens.encode(query, this.seqOf(last.task.id) ?? 0) };
      }
      items.push({ task: decodeRecord(record), requestJson });
    }
    return { items, nextPageToken: next === undefined ? '' : this.tokens.encode(query, next) };
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
    if (prefix === '' && others.length === 0) {
      const found =
        first === undefined
          ? rows<StateRow>(this.statements.pageOfAll, before, limit)
          : rows<StateRow>(first.page, first.value, before, limit);
      if (found.length === limit) found.pop();
      else return { found, next: undefined };
      return { found, next: this.seqOf(found.at(-1)?.[0] ?? '') };
    }
    const lists: SeekList[] = filters.map((filter) => new IndexList(filter.seek, filter.value));
    const accepts = prefix === '' ? [] : this.addName(lists, prefix, before, limit);
    const seqs = await intersect(lists, before - 1, limit, (seq) => accepts.every((accept) => accept(seq)));
    const more = seqs.length === limit;
    if (more) seqs.pop();
    // A task deleted during the walk is left out; the page goes on from its place all the same.
    return { found: this.rowsAt(seqs), next: more ? seqs.at(-1) : undefined };
  }

  private rowsAt(seqs: readonly number[]): StateRow[] {
    const found: StateRow[] = [];
    for (const seq of seqs) {
      const each = row<StateRow>(this.statements.minimalAt, seq);
      if (each !== undefined) found.push(each);
    }
    return found;
  }

  private filters(query: ListQuery): Filter[] {
    const { pageOfTerm, pageOfState, pageOfOwner, seekTerm, seekState, seekOwner } = this.statements;
    const filters: Filter[] = [];
    for (const { key, value } of query.tags ?? []) {
      filters.push({ page: pageOfTerm, seek: seekTerm, value: value === '' ? tagTerm(key) : tagTerm(key, value) });
    }
    if (query.state !== undefined) filters.push({ page: pageOfState, seek: seekState, value: stateCode(query.state) });
    if (query.owner !== undefined) filters.push({ page: pageOfOwner, seek: seekOwner, value: query.owner });
    return filters;
  }

  /** Adds the list of the names, or, where it would be long and another list is there to lead, answers how to test each hit. */
  private addName(lists: SeekList[], prefix: string, before: number, limit: number): ((seq: number) => boolean)[] {
    const start = nameKey(prefix) ?? '';
    const end = prefixEnd(start);
    const { seqsOfName, seqsOfNameFrom, namesBetween, newest } = this.statements;
    const accepts: ((seq: number) => boolean)[] = [];
    const seqs =
      end === undefined
        ? rows<[number]>(seqsOfNameFrom, start, before, this.limits.names + 1)
        : rows<[number]>(seqsOfName, start, end, before, this.limits.names + 1);
    if (seqs.length <= this.limits.names) lists.unshift(new ArrayList(seqs.map(([seq]) => seq)));
    else if (lists.length > 0) accepts.push((seq) => this.nameKeyAt(seq)?.startsWith(start) === true);
    else lists.push(new NameScan(namesBetween, row<[number | null]>(newest)?.[0] ?? 0, start, end, limit, this.limits.slice));
    if (prefix.length > NAME_KEY_LENGTH) accepts.push((seq) => this.fullNameAt(seq)?.startsWith(prefix) === true);
    return accepts;
  }

  private nameKeyAt(seq: number): string | undefined {
    return row<[string | null]>(this.statements.nameKeyAt, seq)?.[0] ?? undefined;
  }

  private fullNameAt(seq: number): string | undefined {
    const json = row<[string]>(this.statements.jsonAt, seq)?.[0];
    return json === undefined ? undefined : (JSON.parse(json) as { name?: string }).name;
  }
}

function toMinimal(found: StateRow): MinimalRow {
  return [found[0], stateOf(found[1])];
}

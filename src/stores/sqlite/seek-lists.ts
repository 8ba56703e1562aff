import { setImmediate } from 'node:timers/promises';
import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { row, rows } from './statements';

/** Sequence numbers in descending order, as one filter of a query allows them. */
export interface SeekList {
  /**
   * The largest number <= `from` in the list; `undefined` when there is none. When not `exact`, it may also be a smaller number
   * that is not in the list but below which the search has to go on: a number equal to `from` is always in the list.
   */
  seek(from: number): number | undefined;
  readonly exact: boolean;
}

/** A list that an index holds in order: one look-up per seek. */
export class IndexList implements SeekList {
  readonly exact = true;
  constructor(
    private readonly statement: StatementSync,
    private readonly key: SQLInputValue,
  ) {}

  seek(from: number): number | undefined {
    return row<[number | null]>(this.statement, this.key, from)?.[0] ?? undefined;
  }
}

/** A short list, in memory. */
export class ArrayList implements SeekList {
  readonly exact = true;
  private readonly ascending: Float64Array;
  constructor(seqs: readonly number[]) {
    this.ascending = Float64Array.from(seqs).sort();
  }

  seek(from: number): number | undefined {
    let low = 0;
    let high = this.ascending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.ascending[middle] ?? 0) <= from) low = middle + 1;
      else high = middle;
    }
    return this.ascending[low - 1];
  }
}

/** Tasks whose name is in a range that very many are in: read from the newest, slice by slice, so that one seek stays short. */
export class NameScan implements SeekList {
  readonly exact = false;
  private found: number[] = [];
  /** Everything above this has been read. */
  private floor = Number.MAX_SAFE_INTEGER;

  constructor(
    private readonly statement: StatementSync,
    private readonly newest: number,
    private readonly start: string,
    private readonly end: string | undefined,
    private readonly wanted: number,
    /** Sequence numbers looked through at a time. */
    private readonly slice: number,
  ) {}

  seek(from: number): number | undefined {
    const top = Math.min(from, this.newest);
    while ((this.found[0] ?? -1) > top) this.found.shift();
    const next = this.found[0];
    if (next !== undefined) return next;
    const start = Math.min(top, this.floor);
    if (start <= 0) return undefined;
    const bottom = start - this.slice;
    this.found = rows<[number]>(this.statement, start, bottom, this.start, this.end ?? null, this.wanted).map(([seq]) => seq);
    const last = this.found.at(-1);
    this.floor = last !== undefined && this.found.length === this.wanted ? last - 1 : bottom;
    return this.found[0] ?? (bottom > 0 ? bottom : undefined);
  }
}

/** The event loop is given back after so long, ms. */
const TURN_MS = 5;

/**
 * The first `limit` numbers <= `from` that are in every list and accepted, in descending order. Each list in turn names its next
 * candidate and the others jump to it: the work is that of the shortest list, whatever the others hold.
 */
export async function intersect(
  lists: readonly SeekList[],
  from: number,
  limit: number,
  accept: (seq: number) => boolean,
): Promise<number[]> {
  const hits: number[] = [];
  let at = from;
  let agreed = 0;
  let turn = performance.now();
  for (let index = 0; hits.length < limit; index = (index + 1) % lists.length) {
    const place = lists[index]?.seek(at);
    if (place === undefined) break;
    if (place < at) {
      at = place;
      agreed = lists[index]?.exact === true ? 1 : 0;
    } else {
      agreed += 1;
    }
    if (agreed >= lists.length) {
      if (accept(at)) hits.push(at);
      at -= 1;
      agreed = 0;
    }
    const now = performance.now();
    if (now - turn > TURN_MS) {
      await setImmediate();
      turn = performance.now();
    }
  }
  return hits;
}

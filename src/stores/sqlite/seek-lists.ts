import { setImmediate } from 'node:timers/promises';
import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { rows } from './statements';

/** Sequence numbers in descending order, as one filter of a query allows them. */
export interface SeekList {
  /**
   * The largest number <= `from` in the list; `undefined` when there is none. When not `exact`, it may also be a smaller number
   * that is not in the list but below which the search has to go on: a number equal to `from` is always in the list.
   */
  seek(from: number): number | undefined;
  readonly exact: boolean;
}

const FIRST_AHEAD = 16;
const MOST_AHEAD = 256;

/** A list that an index holds in order, read a little ahead, and more so where the search goes through it step by step. */
export class IndexList implements SeekList {
  readonly exact = true;
  /** Numbers read, descending; all of the list between the first and the last of them. */
  private ahead: [seq: number][] = [];
  private at = 0;
  private size = FIRST_AHEAD;
  private ended = false;

  constructor(
    private readonly statement: StatementSync,
    private readonly key: SQLInputValue,
  ) {}

  seek(from: number): number | undefined {
    while ((this.ahead[this.at]?.[0] ?? -1) > from) this.at += 1;
    const known = this.ahead[this.at];
    if (known !== undefined || this.ended) return known?.[0];
    const passed = this.ahead.at(-1)?.[0] ?? Infinity;
    this.size = passed - from <= MOST_AHEAD ? Math.min(this.size * 2, MOST_AHEAD) : FIRST_AHEAD;
    this.ahead = rows<[number]>(this.statement, this.key, from, this.size);
    this.ended = this.ahead.length < this.size;
    this.at = 0;
    return this.ahead[0]?.[0];
  }
}

/** What is in any of some lists. */
export class UnionList implements SeekList {
  readonly exact = true;
  constructor(private readonly lists: readonly IndexList[]) {}

  seek(from: number): number | undefined {
    const found = this.lists.map((list) => list.seek(from)).filter((seq) => seq !== undefined);
    return found.length === 0 ? undefined : Math.max(...found);
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

const FIRST_SLICE = 64;

/**
 * Tasks whose name is in a range that very many are in: looked through from the newest, slice by slice. Slices grow while the search goes
 * on without a jump, and stay so short that one seek never holds up the event loop.
 */
export class NameScan implements SeekList {
  readonly exact = false;
  private found: number[] = [];
  private at = 0;
  /** Everything from `from` of the last reading down to here, excluded, has been read. */
  private floor = Infinity;
  private size: number;

  constructor(
    private readonly statement: StatementSync,
    private readonly newest: number,
    private readonly start: string,
    private readonly end: string | undefined,
    private readonly wanted: number,
    /** Most sequence numbers looked through at a time. */
    private readonly slice: number,
  ) {
    this.size = Math.min(FIRST_SLICE, slice);
  }

  seek(from: number): number | undefined {
    const top = Math.min(from, this.newest);
    while ((this.found[this.at] ?? -1) > top) this.at += 1;
    const known = this.found[this.at];
    if (known !== undefined) return known;
    if (top > this.floor && this.floor > 0) return this.floor;
    if (top <= 0 || this.floor <= 0) return undefined;
    this.size = this.floor - top <= this.size ? Math.min(this.size * 2, this.slice) : Math.min(FIRST_SLICE, this.slice);
    const bottom = Math.max(0, top - this.size);
    this.found = rows<[number]>(this.statement, top, bottom, this.start, this.end ?? null, this.wanted).map(([seq]) => seq);
    this.at = 0;
    const last = this.found.at(-1);
    this.floor = last !== undefined && this.found.length === this.wanted ? last - 1 : bottom;
    return this.found[0] ?? (this.floor > 0 ? this.floor : undefined);
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

/** How many and how much one batch takes, and how many batches are under way at once. */
export interface BatchLimits {
  readonly items: number;
  readonly bytes: number;
  readonly atOnce: number;
}

/** Fewer than this are not divided among several batches. */
const SMALL = 16;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly bytes: number;
  /** Items with the same one never share a batch, and go in the order in which they came. */
  readonly apart: string | undefined;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** What became of one item; a failure of its own does not touch its neighbours. */
export type Outcome<Result> = { readonly value: Result } | { readonly error: unknown };

/**
 * What is asked for in one turn of the event loop is sent to the database together, divided among the batches that may be under way, so
 * that the next is made while the server is at work on the one before; while none may, the next one grows.
 */
export class Batches<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private readonly busy = new Set<string>();
  private underWay = 0;
  private scheduled = false;
  private idle: (() => void)[] = [];
  private readonly unsettled = new Set<Promise<unknown>>();

  constructor(
    /** One outcome for each item, in their order. If it throws, all of them fail with that. */
    private readonly send: (items: readonly Item[]) => Promise<readonly Outcome<Result>[]>,
    private readonly limits: BatchLimits,
  ) {}

  add(item: Item, bytes: number, apart?: string): Promise<Result> {
    const result = new Promise<Result>((resolve, reject) => {
      this.waiting.push({ item, bytes, apart, resolve, reject });
      this.schedule();
    });
    const settled = (): void => void this.unsettled.delete(result);
    this.unsettled.add(result);
    result.then(settled, settled);
    return result;
  }

  /** Resolves when everything asked for so far has settled, whatever is asked for meanwhile. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.unsettled);
  }

  /** Resolves when nothing is under way any more. */
  async drained(): Promise<void> {
    while (this.waiting.length > 0 || this.underWay > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  private schedule(): void {
    if (this.scheduled || this.waiting.length === 0 || this.underWay >= this.limits.atOnce) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      const batch = this.take();
      if (batch.length > 0) void this.run(batch);
      this.schedule();
    });
  }

  private take(): Waiting<Item, Result>[] {
    const batch: Waiting<Item, Result>[] = [];
    const later: Waiting<Item, Result>[] = [];
    const passed = new Set<string>();
    const share = Math.ceil(this.waiting.length / (this.limits.atOnce - this.underWay));
    const most = Math.min(this.limits.items, Math.max(SMALL, share));
    let bytes = 0;
    for (const each of this.waiting) {
      const { apart } = each;
      const isFull = batch.length >= most || (batch.length > 0 && bytes + each.bytes > this.limits.bytes);
      if (isFull || (apart !== undefined && (this.busy.has(apart) || passed.has(apart)))) {
        if (apart !== undefined) passed.add(apart);
        later.push(each);
        continue;
      }
      if (apart !== undefined) this.busy.add(apart);
      bytes += each.bytes;
      batch.push(each);
    }
    this.waiting = later;
    return batch;
  }

  private async run(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    this.underWay += 1;
    try {
      const outcomes = await this.send(batch.map(({ item }) => item));
      batch.forEach(({ resolve, reject }, index) => {
        const outcome = outcomes[index];
        if (outcome !== undefined && 'value' in outcome) resolve(outcome.value);
        else reject(outcome?.error ?? new Error('A batch gave no outcome for one of its items'));
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.underWay -= 1;
      for (const { apart } of batch) if (apart !== undefined) this.busy.delete(apart);
      const idle = this.idle;
      this.idle = [];
      for (const each of idle) each();
      this.schedule();
    }
  }
}

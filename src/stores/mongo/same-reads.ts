/**
 * Reads that are the same: while one is under way, all that are asked for are the next one, which is sent after each of them. What many
 * clients look at costs what one of them costs.
 */
export class SameReads<Result> {
  private readonly next = new Map<string, Promise<Result>>();
  private readonly underWay = new Map<string, Promise<unknown>>();

  read(what: string, send: () => Promise<Result>): Promise<Result> {
    const asked = this.next.get(what) ?? this.after(this.underWay.get(what), what, send);
    this.next.set(what, asked);
    return asked;
  }

  private async after(before: Promise<unknown> | undefined, what: string, send: () => Promise<Result>): Promise<Result> {
    // Those of one turn of the event loop go together.
    await (before?.catch(() => undefined) ?? new Promise<void>((resolve) => setImmediate(resolve)));
    this.next.delete(what);
    const sent = send();
    this.underWay.set(what, sent);
    try {
      return await sent;
    } finally {
      if (this.underWay.get(what) === sent) this.underWay.delete(what);
    }
  }
}

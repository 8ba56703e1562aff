import { createHmac, randomBytes } from 'node:crypto';

const MOST = 10_000;

/** What was found out about tokens, for a while. A token is kept as an HMAC only, under a key of this process. */
export class Remembered<T> {
  private readonly key = randomBytes(32);
  /** The oldest first. */
  private readonly found = new Map<string, { readonly value: T; readonly until: number }>();

  constructor(private readonly now: () => number) {}

  /** `isFresh`: it still counts; what does not any more is what was found out last. */
  get(token: string): { readonly value: T; readonly isFresh: boolean } | undefined {
    const one = this.found.get(this.markOf(token));
    return one && { value: one.value, isFresh: this.now() < one.until };
  }

  put(token: string, value: T, until: number): void {
    const mark = this.markOf(token);
    this.found.delete(mark);
    this.found.set(mark, { value, until });
    const [oldest] = this.found.size > MOST ? this.found.keys() : [];
    if (oldest !== undefined) this.found.delete(oldest);
  }

  private markOf(token: string): string {
    return createHmac('sha256', this.key).update(token).digest('base64');
  }
}

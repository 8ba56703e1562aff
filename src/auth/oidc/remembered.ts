import { createHmac, randomBytes } from 'node:crypto';

const MOST = 10_000;

/** What was found out about tokens, for a while. A token is kept as an HMAC only, under a key of this process. */
export class Remembered<T> {
  private readonly key = randomBytes(32);
  /** The oldest first. */
  private readonly found = new Map<string, { readonly value: T; readonly until: number }>();

  constructor(private readonly now: () => number) {}

  get(token: string): T | undefined {
    const mark = this.markOf(token);
    const one = this.found.get(mark);
    if (one === undefined || this.now() < one.until) return one?.value;
    this.found.delete(mark);
    return undefined;
  }

  put(token: string, value: T, until: number): void {
    this.found.set(this.markOf(token), { value, until });
    const [oldest] = this.found.size > MOST ? this.found.keys() : [];
    if (oldest !== undefined) this.found.delete(oldest);
  }

  private markOf(token: string): string {
    return createHmac('sha256', this.key).update(token).digest('base64');
  }
}

import { SecretMarks } from '../shared/secret-marks';

const MOST = 10_000;

/** What was found out about tokens, for a while. A token is kept as an HMAC only, under a key of this process. */
export class Remembered<T> {
  private readonly marks = new SecretMarks();
  /** The oldest first. */
  private readonly found = new Map<string, { readonly value: T; readonly until: number }>();

  constructor(private readonly now: () => number) {}

  /** `isFresh`: it still counts; what does not any more is what was found out last. */
  get(token: string): { readonly value: T; readonly isFresh: boolean } | undefined {
    const one = this.found.get(this.marks.of(token));
    return one && { value: one.value, isFresh: this.now() < one.until };
  }

  put(token: string, value: T, until: number): void {
    const mark = this.marks.of(token);
    this.found.delete(mark);
    this.found.set(mark, { value, until });
    const [oldest] = this.found.size > MOST ? this.found.keys() : [];
    if (oldest !== undefined) this.found.delete(oldest);
  }
}

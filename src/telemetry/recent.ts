/** An answer that is made when it is asked for, one at a time, and given to everybody who asks within `ms` of its making. */
export class Recent<Answer> {
  private made: { readonly answer: Promise<Answer>; until: number } | undefined;

  constructor(
    private readonly make: () => Promise<Answer>,
    private readonly ms: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Rejects as `make` does; what failed is made again for the next one. */
  get(): Promise<Answer> {
    if (this.made && this.now() < this.made.until) return this.made.answer;
    const made = { answer: this.make(), until: Infinity };
    this.made = made;
    made.answer.then(
      () => (made.until = this.now() + this.ms),
      () => (made.until = -Infinity),
    );
    return made.answer;
  }
}

/**
 * A process that can die at any await: everything it does to the outside goes through `guard`. After its death no call has an
 * effect any more and none ever answers, as with `kill -9`.
 */
export class Mortal {
  dead = false;
  /** Calls left until it dies by itself; Infinity = it does not. */
  callsLeft = Infinity;
  calls = 0;

  /** The same object, mortal: every method that gives a promise is guarded before and after its effect. Others are passed on. */
  guard<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, key) => {
        const member: unknown = Reflect.get(object, key, object);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => this.call(() => Reflect.apply(member, object, args) as unknown);
      },
    });
  }

  private call(effect: () => unknown): unknown {
    this.calls += 1;
    if (this.dead) return new Promise(() => undefined);
    // Odd counts die before the effect, even ones after it: both sides of every call are tried.
    if (this.callsLeft <= 0) {
      this.dead = true;
      return new Promise(() => undefined);
    }
    this.callsLeft -= 0.5;
    const result = effect();
    if (!(result instanceof Promise)) return result;
    return result.then(
      (value: unknown) => this.answer(() => value),
      (error: unknown) =>
        this.answer(() => {
          throw error;
        }),
    );
  }

  private answer(give: () => unknown): unknown {
    if (!this.dead && this.callsLeft <= 0) this.dead = true;
    if (this.dead) return new Promise(() => undefined);
    this.callsLeft -= 0.5;
    return give();
  }
}

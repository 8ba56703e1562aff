/** A class of waiting tasks that could go on now. What a fair share needs (weights, what was used lately) comes in beside `place`. */
export interface WaitingClass {
  /** Of its oldest task that may be next; compared as text. */
  readonly place: string;
}

/** Whose turn it is: the class with the oldest task. Pure; of equals, the first. */
export function nextClass<Class extends WaitingClass>(waiting: readonly Class[]): Class | undefined {
  let next: Class | undefined;
  for (const one of waiting) if (next === undefined || one.place < next.place) next = one;
  return next;
}

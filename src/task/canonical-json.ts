/**
 * JSON text that is the same for every way of writing one document: members in the order of their names, at every level.
 * Two bodies under one `Idempotency-Key` are compared by it, because clients write maps in any order. Lists keep their order.
 */
export function canonicalJson(document: unknown): string {
  return JSON.stringify(document, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const members = Object.entries(value);
    return Object.fromEntries(members.sort(([one], [other]) => (one < other ? -1 : 1)));
  });
}

/**
 * Whose tasks: all of one principal, or all that were created by members of one group. A task has one of its owner and one of each of its
 * groups; what a query may find is said as a set of them.
 */
export type Scope = `owner ${string}` | `group ${string}`;
/** Absent = everybody's; empty = nobody's. */
export type Scopes = readonly Scope[] | undefined;

/** Whose a task is (`TaskRecord`). */
interface Belonging {
  readonly owner: string;
  readonly groups?: readonly string[];
}

export function ownerScope(key: string): Scope {
  return `owner ${key}`;
}

export function groupScope(key: string): Scope {
  return `group ${key}`;
}

/** The keys in some scopes, by kind. */
export function keysOf(scopes: readonly Scope[]): { readonly owners: readonly string[]; readonly groups: readonly string[] } {
  const keys = (kind: 'owner ' | 'group '): readonly string[] =>
    scopes.filter((scope) => scope.startsWith(kind)).map((scope) => scope.slice(kind.length));
  return { owners: keys('owner '), groups: keys('group ') };
}

export function scopesOf({ owner, groups = [] }: Belonging): readonly Scope[] {
  return [ownerScope(owner), ...groups.map(groupScope)];
}

export function isWithin(task: Belonging, scopes: Scopes): boolean {
  return scopes === undefined || scopesOf(task).some((scope) => scopes.includes(scope));
}

import type { Principal } from '../ports/authenticator';
import { groupScope, isWithin, ownerScope, type Scopes } from '../task/scopes';
import type { TaskRecord } from '../task/task-record';

/** Whose tasks a principal reads: its own, also those of its groups, or everybody's. */
export type Access = 'owner' | 'group' | 'all';

/** Groups of one principal that count, the first in the order of their keys: each is an entry of an index, and a walk along one. */
const MOST_GROUPS = 31;

/** Which tasks a principal may read and cancel, and whose those are that it creates. Decided here alone; stores only filter. */
export class AccessPolicy {
  constructor(private readonly access: Access = 'owner') {}

  /** Everybody's tasks, and what is for administrators. */
  isAdmin({ roles }: Principal): boolean {
    return roles.includes('admin');
  }

  mayCreate({ roles }: Principal): boolean {
    return roles.includes('admin') || roles.includes('user');
  }

  /** Who sees everybody's tasks is shown whose each is. Without a login all are one's. */
  showsOwner(principal: Principal): boolean {
    return this.isAdmin(principal) && principal.kind !== 'anonymous';
  }

  mayRead(principal: Principal): Scopes {
    if (principal.roles.length === 0) return [];
    return this.access === 'all' ? undefined : this.own(principal);
  }

  /** Of a task that it may read. Where everybody reads everything, each cancels its own. */
  mayCancel(principal: Principal, task: TaskRecord): boolean {
    return this.mayCreate(principal) && isWithin(task, this.own(principal));
  }

  /** For ever: whoever joins a group later is let see what its members created since it is theirs, and who leaves it keeps its own. */
  created(principal: Principal): Pick<TaskRecord, 'owner' | 'ownerName' | 'groups'> {
    const { owner, name } = principal;
    const groups = groupsOf(principal);
    return { owner, ...(name !== owner && { ownerName: name }), ...(groups.length > 0 && { groups }) };
  }

  /** Whose quota its tasks count for. Without a login everybody is one principal: nobody's. */
  counted(principal: Principal): Pick<TaskRecord, 'owner' | 'groups'> | undefined {
    return principal.kind === 'anonymous' ? undefined : this.created(principal);
  }

  private own(principal: Principal): Scopes {
    if (this.isAdmin(principal)) return undefined;
    return [ownerScope(principal.owner), ...(this.access === 'group' ? groupsOf(principal).map(groupScope) : [])];
  }
}

/** Always in the same order: page tokens are bound to it. */
function groupsOf({ groups }: Principal): readonly string[] {
  return [...new Set(groups)].sort().slice(0, MOST_GROUPS);
}

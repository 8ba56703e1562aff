import type { TaskRecord } from './task-record';

/** Whose task it is, for what acts for a task: a backend, or a storage that uses the owner's own credentials. */
export interface Owner {
  /** `Principal.owner`: the same principal always has the same, no other one ever has it. Credentials are found by it. */
  readonly key: string;
  /** As people call it; never to be compared. Absent = nobody said. */
  readonly name?: string;
  readonly groups?: readonly string[];
}

export function ownerOf({ owner, ownerName, groups }: Pick<TaskRecord, 'owner' | 'ownerName' | 'groups'>): Owner {
  return { key: owner, name: ownerName ?? owner, groups: groups ?? [] };
}

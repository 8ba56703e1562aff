import type { TaskRecord } from './task-record';

/** Whose task it is, as far as what acts for a task has to know: a storage that uses the owner's own credentials. */
export interface Owner {
  /** `Principal.owner`, by which credentials are found. */
  readonly key: string;
  /** As people call it. */
  readonly name?: string;
  readonly groups?: readonly string[];
}

export function ownerOf({ owner, groups }: Pick<TaskRecord, 'owner' | 'groups'>): Owner {
  return { key: owner, ...(groups && { groups }) };
}

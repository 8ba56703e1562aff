import type { AccessTokens } from './access-tokens';
import type { SealedCredentials } from './sealed-credentials';
import type { StoreClock } from './store-clock';
import type { TaskRecords } from './task-records';
import type { DueTasks } from './due-tasks';
import type { TaskQueue } from './task-queue';
import type { Upkeep } from './upkeep';

/**
 * The store of record. No permission logic, no state logic: filters come in the query, transitions from the reducer.
 *
 * The store owns the time: `dueAt`, `notBefore`, leases and key expiry are in `now()`, which never steps back while the
 * process lives and survives clock changes (SQLite: wall time at start advanced by the monotonic clock; MongoDB: the server's).
 * At start any `dueAt` further ahead than `maxDueMs` becomes now; a store that only one process can have open ends all leases then.
 *
 * `insert`, `deleteFinished` and, unless told otherwise, `update` resolve only after the write is durable (fsync, or w:majority
 * j:true). Leases are `relaxed`: after a power failure nobody holds them. A store may make everything durable.
 * A write that cannot be made throws `StoreError`.
 */
export type TaskStore = StoreClock &
  TaskRecords &
  DueTasks &
  TaskQueue &
  Upkeep & { readonly accessTokens: AccessTokens; readonly credentials: SealedCredentials };

import { queueClass } from '../../task/queue-class';
import { type Amounts, amountsBy, SIZES } from '../../task/amounts';
import { roomOf } from '../../task/room';
import type { TaskRecord } from '../../task/task-record';
import type { TesState } from '../../task/tes';
import type { MongoConnection } from './mongo-connection';
import type { TaskDocument } from './schemas';
import { wellFormed } from './well-formed';

const MOST = 50_000;

/** What counters and sums have to know of a task that changes. */
export interface KnownState {
  readonly revision: number;
  /** As the tasks' field has it. */
  readonly owner: string;
  readonly groups?: readonly string[];
  readonly state: TesState;
  /** While QUEUED. */
  readonly queueClass?: string;
  /** While it uses some. */
  readonly room?: { readonly key: string; readonly amounts: Amounts };
}

/** Of the tasks that this process has lately seen, by revision: counters and sums have to know what a task is leaving. */
export class KnownStates {
  private readonly known = new Map<string, KnownState>();

  constructor(private readonly connection: MongoConnection) {}

  know(task: TaskRecord): TaskRecord {
    this.known.delete(task.id);
    if (task.step !== 'done') this.known.set(task.id, stateOf(task));
    const [oldest] = this.known.size > MOST ? this.known.keys() : [];
    if (oldest !== undefined) this.known.delete(oldest);
    return task;
  }

  /** `undefined` when the task is not at that revision (any more). */
  async at(id: string, revision: number): Promise<KnownState | undefined> {
    const known = this.known.get(id);
    if (known?.revision === revision) return known;
    const { tasks } = this.connection.collections;
    const found = await this.connection.call(() => tasks.findOne({ _id: id }, { projection: FIELDS, ...this.connection.limit }));
    return found?.revision === revision ? stateIn(found) : undefined;
  }
}

const FIELDS = { revision: 1, owner: 1, groups: 1, state: 1, class: 1, room: 1, cpu: 1, ram: 1, disk: 1, gpus: 1 } as const;

export function stateOf(task: TaskRecord): KnownState {
  const room = roomOf(task);
  return {
    revision: task.revision,
    owner: wellFormed(task.owner),
    ...(task.groups && { groups: task.groups.map(wellFormed) }),
    state: task.state,
    ...(task.state === 'QUEUED' && { queueClass: queueClass(task.needs) }),
    ...(room !== undefined && { room }),
  };
}

function stateIn({ revision, owner, groups, state, class: key, room, ...sizes }: Pick<TaskDocument, keyof typeof FIELDS>): KnownState {
  const amounts = amountsBy((name) => (name === 'slots' ? 1 : sizes[SIZES[name].key]));
  return {
    revision,
    owner,
    ...(groups && { groups }),
    state,
    ...(key !== undefined && { queueClass: key }),
    ...(room !== undefined && { room: { key: room, amounts } }),
  };
}

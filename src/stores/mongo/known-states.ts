import type { TaskRecord } from '../../task/task-record';
import type { TesState } from '../../task/tes';
import type { MongoConnection } from './mongo-connection';

const MOST = 50_000;

/** The states of the tasks that this process has lately seen, by revision: a counter has to know what a task is leaving. */
export class KnownStates {
  private readonly known = new Map<string, readonly [revision: number, state: TesState]>();

  constructor(private readonly connection: MongoConnection) {}

  know(task: TaskRecord): TaskRecord {
    this.known.delete(task.id);
    if (task.step !== 'done') this.known.set(task.id, [task.revision, task.state]);
    const [oldest] = this.known.size > MOST ? this.known.keys() : [];
    if (oldest !== undefined) this.known.delete(oldest);
    return task;
  }

  /** `undefined` when the task is not at that revision (any more). */
  async at(id: string, revision: number): Promise<TesState | undefined> {
    const known = this.known.get(id);
    if (known?.[0] === revision) return known[1];
    const { tasks } = this.connection.collections;
    const found = await this.connection.call(() =>
      tasks.findOne({ _id: id }, { projection: { revision: 1, state: 1 }, ...this.connection.limit }),
    );
    return found?.revision === revision ? found.state : undefined;
  }
}

import { SqliteTaskStore } from '../../../../src/stores/sqlite/sqlite-task-store';
import { queuedTask, requestOf } from '../../../contract/store/task-store.fixture';

/** A process that writes until it is killed, saying each id only after its write was acknowledged: `new ID` and `moved ID`. */
async function writeForever(path: string): Promise<void> {
  const store = await SqliteTaskStore.open({ path, maxDueMs: 60_000 });
  const client = async (name: string): Promise<never> => {
    for (let index = 0; ; index += 1) {
      const task = queuedTask({ id: `${process.pid}-${name}-${index}`, tags: { client: name } });
      await store.insert(requestOf(task), task);
      process.stdout.write(`new ${task.id}\n`);
      await store.update({ ...task, revision: 2, state: 'RUNNING', step: 'run', backend: 'b', dueAt: store.now() }, 1);
      process.stdout.write(`moved ${task.id}\n`);
    }
  };
  await Promise.all(['a', 'b', 'c', 'd'].map(client));
}

void writeForever(process.argv[2] ?? '');

import { capacityKey } from '../../../src/engine/job';
import { ReservationCheck } from '../../../src/engine/reservation-check';
import { BackendRegistry } from '../../../src/ports/registries';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import { queuedTask } from '../../engine/records';
import { ScriptedBackend } from '../../engine/scripted-backend';
import { SILENT } from '../../engine/settings';

const SETTINGS = { instance: 'here', leaseMs: 3_600_000 };

/** A store in which a crash came between reserving and assigning, and what is reserved after the check was started on it. */
async function reservedAfterStart(boundToInstance: boolean): Promise<number> {
  const store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: 3_600_000 });
  const backend = new ScriptedBackend(undefined, { capabilities: { boundToInstance } });
  const key = capacityKey(backend.name, backend.capabilities(), SETTINGS.instance);
  const task = queuedTask();
  await store.insert('{}', task);
  await store.reserve(key, { taskId: task.id, attempt: 1, cpuCores: 1, ramGb: 1 }, { cpuCores: 1, ramGb: 1 });
  const check = new ReservationCheck(store, new BackendRegistry([backend]), SETTINGS, SILENT, () => undefined);
  await check.start();
  const left = (await store.reservations(key)).length;
  await check.stop();
  await store.close();
  return left;
}

describe('room that a crash left reserved', () => {
  it('is free again at the start where only this instance reserves', async () => {
    expect(await reservedAfterStart(true)).toBe(0);
  });

  it('waits for a lease where another instance may be about to assign', async () => {
    expect(await reservedAfterStart(false)).toBe(1);
  });
});

import { accessTokensSuite } from './access-tokens.suite';
import { sealedCredentialsSuite } from './sealed-credentials.suite';
import { dueTasksSuite } from './due-tasks.suite';
import { giveTasksSuite } from './give-tasks.suite';
import { storeClockSuite } from './store-clock.suite';
import { taskListsSuite } from './task-lists.suite';
import { taskQueueSuite } from './task-queue.suite';
import { taskRecordsSuite } from './task-records.suite';
import type { TaskStoreFactory, TaskStoreHarness } from './task-store.fixture';
import { upkeepSuite } from './upkeep.suite';
import { userListSuite } from './user-list.suite';

/** What every `TaskStore` does, role by role. Run it on each adapter, with a factory of empty stores. */
export function taskStoreSuite(name: string, factory: TaskStoreFactory): void {
  describe(`${name} as a TaskStore`, () => {
    let harness: TaskStoreHarness;
    beforeEach(async () => {
      harness = await factory();
    });
    afterEach(() => harness.remove());

    for (const suite of [
      taskRecordsSuite,
      taskListsSuite,
      dueTasksSuite,
      taskQueueSuite,
      upkeepSuite,
      storeClockSuite,
      accessTokensSuite,
      giveTasksSuite,
      sealedCredentialsSuite,
      userListSuite,
    ])
      suite(() => harness);
  });
}

import type { Claim } from '../../../src/engine/claim';
import { DueLoop, type DueLoopSettings } from '../../../src/engine/due-loop';
import { TaskChanges } from '../../../src/engine/task-changes';
import { TaskWriter } from '../../../src/engine/task-writer';
import { BackendRegistry } from '../../../src/ports/registries';
import { SqliteTaskStore } from '../../../src/stores/sqlite/sqlite-task-store';
import type { TaskEvent } from '../../../src/task/task-events';
import { jobName } from '../../../src/task/task-record';
import { queuedTask } from '../../support/records';
import { ScriptedBackend } from '../../support/scripted-backend';

/** Longer than any test: what waits for a lease or a tick never comes. */
const NEVER_MS = 3_600_000;

const SETTINGS: DueLoopSettings = {
  name: 'test',
  instance: 'here',
  steps: ['run', 'cleanup'],
  leaseMs: NEVER_MS,
  places: 4,
  most: 8,
  tickMs: NEVER_MS,
  peekMs: NEVER_MS,
  gatherMs: () => 0,
};
const throwIt = (error: unknown): never => {
  throw error;
};

describe('a due loop', () => {
  it('gives a task back that it claimed again before its own work on it had ended', async () => {
    const store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: NEVER_MS });
    const changes = new TaskChanges(throwIt);
    const writer = new TaskWriter(store, new BackendRegistry([new ScriptedBackend()]), changes, Date.now);
    const works: { claim: Claim; end: () => void }[] = [];
    let reachable = true;
    const loop = new DueLoop(SETTINGS, store, writer, changes, {
      reachable: () => ({ backends: reachable ? ['scripted'] : [], boundBackends: [] }),
      work: (claim) => new Promise<void>((resolve) => works.push({ claim, end: resolve })),
      failed: throwIt,
    });
    const { id } = await writer.create('{}', queuedTask()).then(() => queuedTask());
    const handle = { backend: 'scripted', version: 1, step: 'submitted', data: {} };
    const ended: TaskEvent = {
      type: 'observed',
      attempt: 1,
      observation: { jobName: jobName(id, 1), phase: 'succeeded', executors: [{ exitCode: 0 }], systemLogs: [] },
    };
    await writer.apply(id, { type: 'assigned', backend: 'scripted', droppedParameters: [], warnings: [] });
    await writer.apply(id, { type: 'submitted', attempt: 1, handle });
    const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
      for (let tries = 0; !(await condition()); tries += 1) {
        if (tries === 1000) throw new Error('it does not come');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };

    try {
      loop.start();
      await until(() => works.length === 1);
      reachable = false;
      await writer.apply(id, ended); // A nudge was quicker ...
      await works[0]?.claim.release(ended); // ... than the look under way, which has nothing to add.
      reachable = true;
      loop.nudge();
      await until(async () => (await store.getTask(id))?.lease !== undefined);
      works[0]?.end();
      await until(() => works.length === 2);
      expect(works[1]?.claim.task).toMatchObject({ id, state: 'COMPLETE', step: 'cleanup' });
    } finally {
      for (const { end } of works) end();
      await loop.stop(0);
      await store.close();
    }
  });

  it('looks once for what falls due while it gathers, and not again before there is a reason to', async () => {
    const store = await SqliteTaskStore.open({ path: ':memory:', maxDueMs: NEVER_MS });
    const changes = new TaskChanges(throwIt);
    const writer = new TaskWriter(store, new BackendRegistry([new ScriptedBackend()]), changes, Date.now);
    const claiming = jest.spyOn(store, 'claimDue');
    const due = store.now() + 200;
    const tasks = Array.from({ length: 8 }, (_, number) =>
      queuedTask({ id: `task-${number}`, state: 'RUNNING', step: 'run', backend: 'scripted', attempt: 1, dueAt: due + number * 10 }),
    );
    for (const task of tasks) await store.insert('{}', task);
    const worked: string[] = [];
    let allSeen: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => (allSeen = resolve));
    const loop = new DueLoop({ ...SETTINGS, places: 64, most: 64, gatherMs: () => 600 }, store, writer, changes, {
      reachable: () => ({ backends: ['scripted'], boundBackends: [] }),
      work: async (claim) => {
        worked.push(claim.task.id);
        await claim.release({ type: 'postponed', attempt: 1, delayMs: NEVER_MS });
        if (worked.length === tasks.length) allSeen?.();
      },
      failed: throwIt,
    });

    try {
      loop.start();
      await ended;
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(worked).toEqual(tasks.map(({ id }) => id));
      // At the start, and when they had gathered.
      expect(claiming).toHaveBeenCalledTimes(2);
    } finally {
      await loop.stop(0);
      await store.close();
    }
  });
});

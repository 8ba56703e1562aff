import { AWAY_MS } from '../../../src/engine/away-instance';
import { LeftoverJobs } from '../../../src/engine/leftover-jobs';
import { StaleAttempts } from '../../../src/engine/stale-attempts';
import type { ExecutionBackend } from '../../../src/ports/execution-backend';
import { BackendRegistry } from '../../../src/ports/registries';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { jobName } from '../../../src/task/task-record';
import { queuedTask } from '../../support/records';
import { SILENT } from '../../support/settings';

/** How often a gateway says to the others that it is there: their last word of it may be so much older than its last touch. */
const WORD_MS = 10_000;

const NOBODY = { apply: () => Promise.resolve({ kind: 'gone' as const }) };

describe('a gateway that finds thousands of stale jobs', () => {
  it('ends a few at a time, reads their tasks in batches, and tries all although one fails', async () => {
    const tasks = Array.from({ length: 3000 }, (_, at) => ({ ...queuedTask({ id: `t${at}` }), step: 'run' as const, attempt: 2 }));
    const asked: number[] = [];
    let [atOnce, busiest, ended] = [0, 0, 0];
    const backend = {
      name: 'local',
      capabilities: () => ({ boundToInstance: true }),
      list: () => Promise.resolve(tasks.map(({ id }) => ({ name: jobName(id, 1), ageMs: 0 }))),
      cancel: async (name: string) => {
        busiest = Math.max(busiest, ++atOnce);
        await new Promise((resolve) => setImmediate(resolve));
        atOnce -= 1;
        if (name === jobName('t7', 1)) throw new Error('not now');
        ended += 1;
      },
      cleanup: () => Promise.resolve(),
    } as unknown as ExecutionBackend;
    const store = {
      isShared: true,
      now: () => 0,
      getTasks: (ids: readonly string[]) => {
        asked.push(ids.length);
        return Promise.resolve(tasks.filter(({ id }) => ids.includes(id)));
      },
    } as unknown as TaskStore;
    const warned: string[] = [];
    const log = { ...SILENT, warn: (message: string) => void warned.push(message) };
    const jobs = new LeftoverJobs({ store, backends: new BackendRegistry([backend]), writer: NOBODY, log }, { callTimeoutMs: 1000 });
    await new StaleAttempts(jobs, 'back').endStale();
    expect([busiest, ended]).toEqual([8, 2999]);
    expect([Math.max(...asked), asked.length]).toEqual([64, 47]);
    expect(warned.at(-1)).toContain('cannot check for stale jobs');
  });
});

describe('a gateway that stood still', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  const task = { ...queuedTask(), attempt: 1 };
  /** The job of an attempt that was given to another gateway meanwhile. */
  const stale = jobName(task.id, 1);

  /** Resolves with the jobs it ended within half a minute after it had stood still for so long. */
  async function endedAfter(standstillMs: number): Promise<readonly string[]> {
    let left: readonly string[] = [];
    const ended: string[] = [];
    let asleepMs = 0;
    const backend = {
      name: 'local',
      capabilities: () => ({ boundToInstance: true }),
      list: () => Promise.resolve(left.map((name) => ({ name, ageMs: 60_000 }))),
      cancel: (name: string) => Promise.resolve(void ended.push(name)),
      cleanup: () => Promise.resolve(void (left = [])),
    } as unknown as ExecutionBackend;
    const store = {
      isShared: true,
      now: () => Date.now() + asleepMs,
      seenGateways: () => Promise.resolve(new Map()),
      getTasks: () => Promise.resolve([{ ...task, step: 'run', attempt: 2 }]),
    } as unknown as TaskStore;
    const jobs = new LeftoverJobs(
      { store, backends: new BackendRegistry([backend]), writer: NOBODY, log: SILENT },
      { callTimeoutMs: 1000 },
    );
    const attempts = new StaleAttempts(jobs, 'lost');
    await attempts.endStale();
    attempts.start();
    await jest.advanceTimersByTimeAsync(20_000);
    asleepMs = standstillMs;
    left = [stale];
    await jest.advanceTimersByTimeAsync(30_000);
    await attempts.stop();
    return ended;
  }

  it('as short as it may have been declared gone in ends what it has of attempts that went on elsewhere', async () => {
    expect(await endedAfter(AWAY_MS - WORD_MS)).toEqual([stale]);
  });

  it('for a moment looks for nothing', async () => {
    expect(await endedAfter(1000)).toEqual([]);
  });
});

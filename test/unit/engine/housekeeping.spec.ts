import { Housekeeping } from '../../../src/engine/housekeeping';
import { AWAY_MS } from '../../../src/engine/instance-gone';
import type { ExecutionBackend } from '../../../src/ports/execution-backend';
import { BackendRegistry } from '../../../src/ports/registries';
import type { TaskStore } from '../../../src/ports/task-store';
import { jobName } from '../../../src/task/task-record';
import { queuedTask } from '../../engine/records';
import { SILENT } from '../../engine/settings';

/** How often a gateway says to the others that it is there: their last word of it may be so much older than its last touch. */
const WORD_MS = 10_000;

describe('a gateway that stood still', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  const task = { ...queuedTask(), attempt: 1 };
  /** The job of an attempt that was given to another gateway meanwhile. */
  const stale = jobName(task.id, 1);

  /** Resolves with the jobs it ended within half a minute after it had stood still for so long. */
  async function endedAfter(standstillMs: number): Promise<readonly string[]> {
    let jobs: readonly string[] = [];
    const ended: string[] = [];
    let asleepMs = 0;
    const backend = {
      name: 'local',
      capabilities: () => ({ boundToInstance: true }),
      list: () => Promise.resolve(jobs.map((name) => ({ name, ageMs: 60_000 }))),
      cancel: (name: string) => Promise.resolve(void ended.push(name)),
      cleanup: () => Promise.resolve(void (jobs = [])),
    } as unknown as ExecutionBackend;
    const store = {
      isShared: true,
      now: () => Date.now() + asleepMs,
      seenGateways: () => Promise.resolve(new Map()),
      getTask: () => Promise.resolve({ ...task, step: 'run', attempt: 2 }),
    } as unknown as TaskStore;
    const settings = { instance: 'lost', sweepMs: 3_600_000, callTimeoutMs: 1000 };
    const housekeeping = new Housekeeping(store, new BackendRegistry([backend]), settings, SILENT);
    await housekeeping.endStale();
    housekeeping.start();
    await jest.advanceTimersByTimeAsync(20_000);
    asleepMs = standstillMs;
    jobs = [stale];
    await jest.advanceTimersByTimeAsync(30_000);
    await housekeeping.stop();
    return ended;
  }

  it('as short as it may have been declared gone in ends what it has of attempts that went on elsewhere', async () => {
    expect(await endedAfter(AWAY_MS - WORD_MS)).toEqual([stale]);
  });

  it('for a moment looks for nothing', async () => {
    expect(await endedAfter(1000)).toEqual([]);
  });
});

import { EndWaits, type EndWaitSettings } from '../../../src/engine/end-waits';
import { TaskChanges } from '../../../src/engine/task-changes';
import type { TaskRecord } from '../../../src/task/task-record';
import type { TesState } from '../../../src/task/tes';

const HOUR = 3_600_000;

describe('a request that waits for the end of a task', () => {
  let changes: TaskChanges;
  let looks: TesState[];
  const waits = (settings: Partial<EndWaitSettings> = {}, isShared = false): EndWaits => {
    changes = new TaskChanges(() => undefined);
    const getState = (): Promise<TesState | undefined> => Promise.resolve(looks.shift());
    return new EndWaits(changes, { isShared, getState }, { waitMs: HOUR, lookMs: HOUR, most: 10, ...settings });
  };
  const becomes = (id: string, state: TesState): void => changes.emit({ after: { id, state } as TaskRecord, event: 'released' });
  const soon = (): Promise<{ mayEndSoon: boolean }> => Promise.resolve({ mayEndSoon: true });

  beforeEach(() => {
    looks = [];
  });

  it("is answered by the writer's own change, without a look at the store", async () => {
    const both = waits();
    const answered = Promise.all([both.after('a', soon), both.after('a', soon)]);
    becomes('b', 'CANCELED');
    becomes('a', 'CANCELING');
    becomes('a', 'CANCELED');
    await answered;
  });

  it('does not miss an end that comes while its change is made', async () => {
    const one = waits();
    await one.after('a', () => {
      becomes('a', 'CANCELED');
      return soon();
    });
  });

  it('waits for nothing where no end is to come, and hands a failure on', async () => {
    const one = waits();
    await one.after('a', () => Promise.resolve({ mayEndSoon: false }));
    await expect(one.after('a', () => Promise.reject(new Error('the store is away')))).rejects.toThrow('the store is away');
  });

  it('is answered after its time when the end does not come', async () => {
    await waits({ waitMs: 1 }).after('a', soon);
  });

  it('is one of at most so many: one more is answered at once, and the places are given back', async () => {
    const two = waits({ most: 2 });
    const waiting = [two.after('a', soon), two.after('b', soon)];
    for (let n = 0; n < 10_000; n += 1) await two.after(`c${n}`, soon);
    becomes('a', 'CANCELED');
    becomes('b', 'CANCELED');
    await Promise.all(waiting);
    const again = two.after('d', soon);
    becomes('d', 'CANCELED');
    await again;
  });

  it('hears of what another gateway did from the shared store', async () => {
    looks = ['CANCELING', 'CANCELED'];
    await waits({ lookMs: 1 }, true).after('a', soon);
    expect(looks).toEqual([]);
  });

  it('is answered when the gateway stops', async () => {
    const one = waits();
    const answered = one.after('a', soon);
    await new Promise(setImmediate);
    one.release();
    await answered;
  });
});

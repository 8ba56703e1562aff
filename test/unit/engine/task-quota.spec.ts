import { TaskQuota } from '../../../src/engine/task-quota';
import { TooManyRequests } from '../../../src/ports/errors';
import type { Scope } from '../../../src/task/scopes';
import type { TesState } from '../../../src/task/tes';

/** The counters of a store. */
class Counters {
  time = 0;
  reads = 0;
  readonly isShared = false;
  readonly states: Record<Scope, Partial<Record<TesState, number>>> = {};
  /** Called when a read is under way. */
  during: () => Promise<void> = () => Promise.resolve();

  now(): number {
    return this.time;
  }

  async counts(scope?: Scope): Promise<Partial<Record<TesState, number>>> {
    this.reads += 1;
    const found = { ...this.states[scope ?? 'owner '] };
    await Promise.resolve();
    await this.during();
    return found;
  }

  add(scope: Scope, state: TesState, count = 1): void {
    const states = (this.states[scope] ??= {});
    states[state] = (states[state] ?? 0) + count;
  }
}

const ANN = { owner: 'ann' };
const OF_ANN = 'owner ann';
const OF_LAB = 'group lab';

describe('the quota of tasks', () => {
  let store: Counters;
  beforeEach(() => {
    store = new Counters();
  });
  const made = (quota: TaskQuota, creator: { owner: string; groups?: string[] }): Promise<'made' | TooManyRequests> =>
    quota
      .within(creator, () => {
        store.add(`owner ${creator.owner}`, 'QUEUED');
        for (const group of creator.groups ?? []) store.add(`group ${group}`, 'QUEUED');
        return Promise.resolve('made' as const);
      })
      .catch((error: unknown) => {
        if (error instanceof TooManyRequests) return error;
        throw error;
      });
  const sequence = async (quota: TaskQuota, creator: Parameters<typeof made>[1], times: number): Promise<number> => {
    let count = 0;
    for (let at = 0; at < times; at += 1) if ((await made(quota, creator)) === 'made') count += 1;
    return count;
  };

  it('counts waiting and active tasks of one user together, not those that have ended, and takes nothing from others', async () => {
    for (const state of ['QUEUED', 'INITIALIZING', 'RUNNING', 'CANCELING'] as const) store.add(OF_ANN, state);
    for (const state of ['COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED'] as const) store.add(OF_ANN, state, 100);
    const quota = new TaskQuota(store, { ofUser: 6 });
    expect(await sequence(quota, ANN, 9)).toBe(2);
    const over = await made(quota, ANN);
    expect(over).toMatchObject({ retryAfterSeconds: 30 });
    expect((over as TooManyRequests).publicMessage).toBe(
      'you have 6 tasks that have not ended, as many as there may be (setting limits.max_tasks_of_user): wait until some have ended, or cancel some',
    );
    expect(await sequence(quota, { owner: 'bob' }, 9)).toBe(6);
  });

  it('takes the next one as soon as one has ended, also within the second for which counts are kept', async () => {
    const quota = new TaskQuota(store, { ofUser: 2 });
    expect(await sequence(quota, ANN, 3)).toBe(2);
    store.add(OF_ANN, 'QUEUED', -1);
    expect(await sequence(quota, ANN, 3)).toBe(1);
  });

  it('is never passed by creates that come at once, nor by those that come while it is read', async () => {
    const quota = new TaskQuota(store, { ofUser: 5 });
    const some = (): Promise<unknown[]> => Promise.all(Array.from({ length: 20 }, () => made(quota, ANN)));
    await some();
    expect(store.states[OF_ANN]?.QUEUED).toBe(5);
    store.add(OF_ANN, 'QUEUED', -3);
    store.time = 5000;
    let late: Promise<unknown> | undefined;
    store.during = async () => {
      store.during = () => Promise.resolve();
      late = some();
      await Promise.resolve();
    };
    await some();
    await late;
    expect(store.states[OF_ANN]?.QUEUED).toBe(5);
  });

  it('gives the place back of what could not be made', async () => {
    const quota = new TaskQuota(store, { ofUser: 1 });
    const failing = (): Promise<never> => quota.within(ANN, () => Promise.reject(new Error('the disk is full')));
    for (let at = 0; at < 3; at += 1) await expect(failing()).rejects.toThrow('the disk is full');
    expect(await sequence(quota, ANN, 3)).toBe(1);
  });

  it('of a group is that of all its members, and each of them has its own as well', async () => {
    const quota = new TaskQuota(store, { ofUser: 3, ofGroup: 4 });
    expect(await sequence(quota, { owner: 'ann', groups: ['lab'] }, 9)).toBe(3);
    expect(await sequence(quota, { owner: 'bob', groups: ['lab', 'other'] }, 9)).toBe(1);
    expect(await made(quota, { owner: 'bob', groups: ['lab', 'other'] })).toMatchObject({
      publicMessage: expect.stringMatching(/^the group lab has 4 tasks .*limits\.max_tasks_of_group/) as string,
    });
    expect(await sequence(quota, { owner: 'bob', groups: ['other'] }, 9)).toBe(2);
    expect(store.states[OF_LAB]).toEqual({ QUEUED: 4 });
  });

  it('asks the store once a second, however many tasks are made, and hears of what other gateways made', async () => {
    const quota = new TaskQuota(store, { ofUser: 1000 });
    expect(await sequence(quota, ANN, 500)).toBe(500);
    expect(store.reads).toBe(1);
    store.add(OF_ANN, 'RUNNING', 499);
    store.time = 1000;
    expect(await sequence(quota, ANN, 9)).toBe(1);
  });

  it('holds for all gateways on a store together, but for what each makes within a second', async () => {
    const gateways = [new TaskQuota(store, { ofUser: 5 }), new TaskQuota(store, { ofUser: 5 })] as const;
    for (let at = 0; at < 10; at += 1) {
      await made(gateways[at % 2 === 0 ? 0 : 1], ANN);
      store.time += 1000;
    }
    expect(store.states[OF_ANN]).toEqual({ QUEUED: 5 });
    store.add(OF_ANN, 'QUEUED', -5);
    store.time += 1000;
    // Both have asked when the first of them makes one.
    await Promise.all(gateways.map((quota) => quota.of(ANN)));
    expect([await sequence(gateways[0], ANN, 9), await sequence(gateways[1], ANN, 9)]).toEqual([5, 5]);
    expect(await made(gateways[0], ANN)).toBeInstanceOf(TooManyRequests);
  });

  it('asks nothing where there is no limit, and of nobody', async () => {
    expect(await sequence(new TaskQuota(store, {}), ANN, 9)).toBe(9);
    const quota = new TaskQuota(store, { ofUser: 1, ofGroup: 1 });
    for (let at = 0; at < 3; at += 1) expect(await quota.within(undefined, () => Promise.resolve('made'))).toBe('made');
    expect([store.reads, await quota.of(undefined)]).toEqual([0, []]);
  });

  it('shows what is used of it', async () => {
    store.add(OF_ANN, 'RUNNING', 2);
    store.add(OF_LAB, 'RUNNING', 7);
    expect(await new TaskQuota(store, { ofUser: 5, ofGroup: 6 }).of({ owner: 'ann', groups: ['lab'] })).toEqual([
      { setting: 'limits.max_tasks_of_user', kind: 'user', of: 'ann', most: 5, used: 2 },
      { setting: 'limits.max_tasks_of_group', kind: 'group', of: 'lab', most: 6, used: 7 },
    ]);
  });
});

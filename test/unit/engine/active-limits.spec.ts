import { ActiveLimits } from '../../../src/engine/active-limits';
import type { Principal } from '../../../src/ports/authenticator';
import type { TesTaskRequest } from '../../../src/task/tes';
import { EngineBench, REQUEST } from '../../support/engine-bench';
import { queuedTask } from '../../support/records';

const person = (name: string, ...groups: string[]): Principal => ({ kind: 'user', owner: name, name, groups, roles: ['user'] });
const [ANN, BOB, CAT] = [person('ann', 'lab'), person('bob', 'lab'), person('cat')] as const;
const ROOMY = { capacity: { cpuCores: 1000, ramGb: 1000 } };

let bench: EngineBench;
const create = (who: Principal, request: TesTaskRequest = REQUEST): Promise<string> =>
  bench.service.create(who, request, { basePath: '/v1' });
const several = async (who: Principal, count: number): Promise<readonly string[]> => {
  const ids: string[] = [];
  for (let at = 0; at < count; at += 1) ids.push(await create(who));
  return ids;
};
const waitingOf = async (who: Principal, id: string): Promise<string | undefined> => {
  const { logs } = JSON.parse(await bench.service.get(who, id, 'FULL')) as { logs?: { system_logs?: string[] }[] };
  return logs?.[0]?.system_logs?.join('\n');
};
const statesOf = async (ids: readonly string[]): Promise<string> =>
  (await Promise.all(ids.map((id) => bench.task(id))))
    .map(({ state }) => (state === 'QUEUED' ? 'q' : state === 'COMPLETE' ? 'c' : 'a'))
    .join('');

describe('the limit of active tasks', () => {
  afterEach(() => bench.stop());

  it('of one user lets others past, says why a task waits, and lets the oldest go on when one has ended', async () => {
    bench = await EngineBench.start(ROOMY, { active: { ofUser: 2 } });
    const own = await several(ANN, 5);
    const other = await create(BOB);
    await bench.state(other, 'RUNNING');
    expect(await statesOf(own)).toBe('aaqqq');
    expect(await waitingOf(ANN, own[3] ?? '')).toBe(
      'waiting: its owner has 2 active tasks, as many as there may be (setting limits.max_active_of_user): it goes on when one of them has ended',
    );
    expect(await bench.service.quotaOf(ANN)).toContainEqual({
      setting: 'limits.max_active_of_user',
      kind: 'user',
      of: 'ann',
      most: 2,
      used: 2,
    });
    await bench.state(own[0] ?? '', 'RUNNING');
    bench.backend.finish(own[0] ?? '', 1);
    await bench.state(own[2] ?? '', 'RUNNING');
    expect(await statesOf(own)).toBe('caaqq');
  });

  it('holds for tasks that were in the queue together before any of them could go on, and moves each out of the way once', async () => {
    bench = await EngineBench.start({ capacity: { cpuCores: 1, ramGb: 1000 } }, { active: { ofUser: 2 } });
    const before = await create(CAT);
    await bench.state(before, 'RUNNING');
    const own = await several(ANN, 200);
    const other = await create(BOB);
    const limited: string[] = [];
    bench.engine.changes.listen(({ after, event }) => {
      if (event === 'limited') limited.push(after.id);
    });
    bench.backend.script.capabilities = { capacity: { cpuCores: 1000, ramGb: 1000 } };
    bench.engine.scheduler.nudge();
    await bench.state(other, 'RUNNING');
    expect(await statesOf(own)).toBe('aa' + 'q'.repeat(198));
    expect(limited).toEqual(own.slice(2));
    const head = jest.spyOn(bench.store, 'queueHead');
    const after = await create(BOB);
    await bench.state(after, 'RUNNING');
    expect(head.mock.calls.filter(([{ queueClass }]) => queueClass.includes('limitedBy'))).toEqual([]);
    expect(limited).toHaveLength(198);
  });

  it('of a group is that of all its members', async () => {
    bench = await EngineBench.start(ROOMY, { active: { ofUser: 3, ofGroup: 4 } });
    const [ofAnn, ofBob, ofCat] = [await several(ANN, 4), await several(BOB, 4), await several(CAT, 4)];
    await bench.state(ofCat[2] ?? '', 'RUNNING');
    expect(await Promise.all([ofAnn, ofBob, ofCat].map(statesOf))).toEqual(['aaaq', 'aqqq', 'aaaq']);
    expect(await waitingOf(BOB, ofBob[1] ?? '')).toMatch(/^waiting: the group lab has 4 active tasks, .*limits\.max_active_of_group/);
    await bench.state(ofAnn[0] ?? '', 'RUNNING');
    bench.backend.finish(ofAnn[0] ?? '', 1);
    await bench.state(ofAnn[3] ?? '', 'RUNNING');
    expect(await statesOf(ofBob)).toBe('aqqq');
  });

  it('keeps no backend free for a big task whose owner has reached it', async () => {
    bench = await EngineBench.start({ capacity: { cpuCores: 2, ramGb: 8 } }, { active: { ofUser: 1 }, bigTaskWaitMs: 0 });
    const first = await create(ANN);
    await bench.state(first, 'RUNNING');
    const big = await create(ANN, { ...REQUEST, resources: { cpu_cores: 2 } });
    await bench.until(big, ({ createdAt }) => bench.store.now() > createdAt);
    await bench.state(await create(BOB), 'RUNNING');
    expect(await statesOf([big])).toBe('q');
  });

  it('asks nothing of the store where there is none', async () => {
    bench = await EngineBench.start(ROOMY);
    const counts = jest.spyOn(bench.store, 'counts');
    await bench.state(await create(ANN), 'RUNNING');
    expect(counts).not.toHaveBeenCalled();
  });
});

describe('what is known of active tasks', () => {
  it('is nothing where the limit was taken away meanwhile, and nothing is in its way', async () => {
    const counts = jest.fn(() => Promise.resolve({ RUNNING: 9 }));
    const limits = new ActiveLimits({ now: () => 0, isShared: false, counts }, { ofGroup: 1 });
    expect(await limits.turn().reached(['owner ann'])).toBeUndefined();
    expect(counts).not.toHaveBeenCalled();
    expect(await limits.turn().reached(['owner ann', 'group lab'])).toBe('group lab');
  });

  it('is read anew of some at a time, however many users have reached a limit', async () => {
    let time = 0;
    const counts = jest.fn(() => Promise.resolve({ RUNNING: 1 }));
    const limits = new ActiveLimits({ now: () => time, isShared: false, counts }, { ofUser: 1 });
    const scopes = Array.from({ length: 200 }, (_, user) => `owner ${user}` as const);
    const look = async (): Promise<number> => {
      const before = counts.mock.calls.length;
      const turn = limits.turn();
      for (const scope of scopes) expect(await turn.reached([scope])).toBe(scope);
      return counts.mock.calls.length - before;
    };
    expect(await look()).toBe(200);
    time = 1000;
    expect([await look(), await look(), await look(), await look(), await look()]).toEqual([64, 64, 64, 8, 0]);
    const running = queuedTask({ owner: '199', state: 'RUNNING' });
    limits.heard({ before: running, after: { ...running, state: 'COMPLETE' } });
    expect(await look()).toBe(1);
  });

  it('is read at most once a second, but at once when a task has ended here, and what is given away here counts meanwhile', async () => {
    let reads = 0;
    let time = 0;
    const stored = { RUNNING: 1, CANCELING: 1, QUEUED: 50, COMPLETE: 50 };
    const counts = (): Promise<typeof stored> => {
      reads += 1;
      return Promise.resolve(stored);
    };
    const limits = new ActiveLimits({ now: () => time, isShared: false, counts }, { ofUser: 3 });
    const met = async (): Promise<boolean> => (await limits.metBy({ owner: 'ann' })) !== undefined;
    const [waiting, running] = [queuedTask({ owner: 'ann' }), queuedTask({ owner: 'ann', state: 'RUNNING' })];
    expect([await met(), await met(), reads]).toEqual([false, false, 1]);
    limits.heard({ before: waiting, after: running });
    expect([await met(), reads]).toEqual([true, 1]);
    limits.heard({ before: running, after: { ...running, state: 'COMPLETE' } });
    expect([await met(), reads]).toEqual([false, 2]);
    stored.RUNNING = 2;
    time = 999;
    expect([await met(), reads]).toEqual([false, 2]);
    time = 1000;
    expect([await met(), await met(), reads]).toEqual([true, true, 3]);
  });
});

import { added, fits, freeOf, loadOf, NOTHING } from '../../../src/task/amounts';
import { roomKey, roomOf } from '../../../src/task/room';
import { TES_STATES } from '../../../src/task/tes';
import { queuedTask } from '../../support/records';

describe('room', () => {
  it('is used by a task that a backend has and that has not ended', () => {
    const using = TES_STATES.filter((state) => roomOf(queuedTask({ state, backend: 'b' })) !== undefined);
    expect(using.toSorted()).toEqual(['CANCELING', 'INITIALIZING', 'RUNNING']);
    expect(roomOf(queuedTask({ state: 'RUNNING' }))).toBeUndefined();
    expect(roomOf(queuedTask({ state: 'RUNNING', step: 'await-storage', backend: 'b' }))).toBeUndefined();
  });

  it('is counted for each instance that has its own, by what the task was given', () => {
    const task = queuedTask({ state: 'RUNNING', backend: 'b', boundTo: 'i', given: { cpuCores: 0.5, ramGb: 0.25 } });
    expect(roomOf(task)).toEqual({ key: roomKey('b', 'i'), amounts: { cpuCores: 0.5, ramGb: 0.25, slots: 1 } });
    expect(roomKey('b', undefined)).toBe('b');
  });

  it('is what is left of each amount; what a backend does not limit is never short', () => {
    const used = added(NOTHING, { cpuCores: 3, ramGb: 1e300, slots: 1 });
    const one = { cpuCores: 1, ramGb: 1, slots: 1 };
    expect([
      fits(used, one, { cpuCores: 4 }),
      fits(used, one, { cpuCores: 3.5 }),
      fits(used, one, {}),
      fits(used, one, { slots: 1 }),
    ]).toEqual([true, false, true, false]);
    expect(freeOf(used, { cpuCores: 2, slots: 4 })).toEqual({ cpuCores: 0, slots: 3 });
  });

  it('tells how much of a backend is in use, a number whatever it has', () => {
    const used = { cpuCores: 2, ramGb: 9, slots: 3 };
    expect(loadOf(used, { cpuCores: 4, slots: 4 })).toBe(0.75);
    expect([loadOf(used, { cpuCores: 0 }), loadOf(used, { slots: 0 }), loadOf(NOTHING, {})]).toEqual([1, 1, 0]);
    expect(loadOf(used, {})).toBeGreaterThan(loadOf(NOTHING, {}));
    expect(loadOf({ ...used, slots: 1e9 }, {})).toBeLessThan(1);
  });
});

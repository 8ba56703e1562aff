import { queueClass, rangeOf } from '../../../src/task/queue-class';
import type { TaskNeeds } from '../../../src/task/task-record';
import { NEEDS } from '../../support/records';

const of = (changes: Partial<TaskNeeds>): string => queueClass({ ...NEEDS, ...changes });

describe('the class of a waiting task', () => {
  it('is the same for tasks that may go to the same backends, in whatever order they say so', () => {
    const [one, other] = [
      of({ labels: { a: '1', b: '2' }, strict: true, parameterKeys: ['x', 'y'], refusedBy: ['n', 'm'], reaches: { p: true, q: false } }),
      of({ labels: { b: '2', a: '1' }, strict: true, parameterKeys: ['y', 'x'], refusedBy: ['m', 'n'], reaches: { q: false, p: true } }),
    ];
    expect(one).toBe(other);
  });

  it.each<Partial<TaskNeeds>>([
    { backend: 'b' },
    { labels: { site: 'north' } },
    { labels: { site: 'south' } },
    { strict: true, parameterKeys: ['gpus'] },
    { refusedBy: ['b'] },
    { reaches: { near: true } },
    { reaches: { near: false } },
    { cpuCores: 2 },
    { ramGb: 2 },
    { diskGb: 1 },
    { gpus: 1 },
  ])('tells %j from the rest', (changes) => {
    expect(of(changes)).not.toBe(of({}));
  });

  it('does not hold what decides nothing, and what a client may invent', () => {
    for (const changes of [{ parameterKeys: ['gpus'] }, { strict: true }, { refusedBy: [] }]) {
      expect(of(changes)).toBe(of({}));
    }
    // Which folders is for the settings to judge; that there are some is not.
    expect(of({ folders: ['s3://mine/'] })).toBe(of({ folders: ['s3://yours/'] }));
    expect(of({ folders: ['s3://mine/'] })).not.toBe(of({}));
  });

  it('puts sizes together by powers of two, a bounded number of them', () => {
    expect(new Set([1.1, 1.5, 2].map((cpuCores) => of({ cpuCores }))).size).toBe(1);
    expect(of({ cpuCores: 2.1 })).not.toBe(of({ cpuCores: 2 }));
    const sizes = Array.from({ length: 2000 }, (_, index) => 2 ** (index / 2 - 500));
    expect(new Set(sizes.map((ramGb) => of({ ramGb }))).size).toBe(15);
    for (const ramGb of sizes) {
      const { least, most } = rangeOf({ ...NEEDS, ramGb }, 'ramGb');
      expect([least < ramGb, ramGb <= most]).toEqual([true, true]);
    }
  });
});

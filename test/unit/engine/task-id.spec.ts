import { isTaskId, taskId } from '../../../src/engine/task-id';

describe('task ids', () => {
  it('sort by age, fit names of Kubernetes, and are recognised', () => {
    const ids = [1, 1_000, 1_800_000_000_000, 2 ** 48 - 1].map((now) => taskId(now, new Uint8Array(10).fill(255)));
    expect(ids).toEqual([...ids].sort());
    for (const id of ids) {
      expect(id).toMatch(/^[a-z0-9]{26}$/);
      expect(isTaskId(id)).toBe(true);
    }
  });

  it('carry all 80 random bits', () => {
    const one = taskId(5, Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]));
    const other = taskId(5, new Uint8Array(10));
    expect(one).not.toBe(other);
    expect(one.slice(0, 25)).toBe(other.slice(0, 25));
  });

  it.each(['', 'x', '../../etc/passwd', '01TEST0000000000000000000A', '01test0000000000000000000u', '01test0000000000000000000a\n'])(
    'are not %j',
    (text) => {
      expect(isTaskId(text)).toBe(false);
    },
  );
});

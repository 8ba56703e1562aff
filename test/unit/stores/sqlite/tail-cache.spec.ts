import { TailCache } from '../../../../src/stores/sqlite/tail-cache';

const tail = (text: string) => ({ attempt: 1, executor: 0, stdout: { text, totalBytes: text.length } });

describe('TailCache', () => {
  it('forgets the tails not written for longest when it is full', () => {
    const cache = new TailCache(10);
    for (const id of ['a', 'b', 'a', 'c']) cache.put(id, tail('12345'));
    expect(['a', 'b', 'c'].map((id) => cache.get(id) !== undefined)).toEqual([true, false, true]);
  });

  it('keeps a single tail, however long, and gets its room back', () => {
    const cache = new TailCache(10);
    cache.put('a', tail('x'.repeat(50)));
    expect(cache.get('a')).toBeDefined();
    cache.put('a', undefined);
    cache.put('b', tail('12345'));
    cache.put('c', tail('12345'));
    expect(cache.get('b')).toBeDefined();
  });
});

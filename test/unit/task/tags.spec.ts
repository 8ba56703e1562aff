import { matchesTags, tagFilters } from '../../../src/task/tags';

type Tags = Record<string, string>;

describe('the tag filter (fine print 78 to 80)', () => {
  const table: [filter: Tags, tags: Tags, expected: boolean][] = [
    [{ foo: 'bar' }, { foo: 'bar' }, true],
    [{ foo: 'bar' }, { foo: 'bat' }, false],
    [{ foo: '' }, { foo: '' }, true],
    [{ foo: 'bar', baz: 'bat' }, { foo: 'bar', baz: 'bat' }, true],
    [{ foo: 'bar' }, { foo: 'bar', baz: 'bat' }, true],
    [{ foo: 'bar', baz: 'bat' }, { foo: 'bar' }, false],
    [{ foo: '' }, { foo: 'bar' }, true],
    [{ foo: '' }, {}, false],
    [{ foo: 'bar' }, { FOO: 'bar' }, false],
    [{ foo: 'bar' }, { foo: 'BAR' }, false],
    [{ foo: 'ba' }, { foo: 'bar' }, false],
    [{ foo: 'bar' }, { foo: '' }, false],
    [{}, { foo: 'bar' }, true],
  ];
  it.each(table)('%j against a task with %j: %s', (filter, tags, expected) => {
    expect(matchesTags(tags, tagFilters(Object.keys(filter), Object.values(filter)))).toBe(expected);
  });
  it('zips keys and values by position; a missing value matches any, a surplus one is ignored', () => {
    expect(tagFilters(['a', 'b'], ['1'])).toEqual([
      { key: 'a', value: '1' },
      { key: 'b', value: '' },
    ]);
    expect(tagFilters(['a'], ['1', '2'])).toEqual([{ key: 'a', value: '1' }]);
    expect(tagFilters([], ['1'])).toEqual([]);
  });
  it('wants both values of a key that is asked for twice', () => {
    expect(matchesTags({ a: '1' }, tagFilters(['a', 'a'], ['1', '2']))).toBe(false);
  });
  it('takes no inherited member for a tag', () => {
    for (const key of ['__proto__', 'constructor', 'toString']) expect(matchesTags({}, [{ key, value: '' }])).toBe(false);
    expect(matchesTags(JSON.parse('{"__proto__":"x"}') as Tags, [{ key: '__proto__', value: 'x' }])).toBe(true);
  });
});

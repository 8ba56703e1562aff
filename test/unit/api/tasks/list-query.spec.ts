import { countOf, listRequestOf, type Query, switchOf, viewOf } from '../../../../src/api/tasks/list-query';
import { InvalidRequest } from '../../../../src/ports/errors';

function refusedPaths(read: (query: Query) => unknown, query: Query): string[] {
  try {
    read(query);
  } catch (error) {
    if (error instanceof InvalidRequest) return (error.details ?? []).map(({ path }) => path);
    throw error;
  }
  return [];
}

describe('listRequestOf', () => {
  it('asks for 256 tasks in the MINIMAL view when nothing is said', () => {
    expect(listRequestOf({})).toEqual({ view: 'MINIMAL', pageSize: 256 });
  });

  it('ignores keys that TES does not know', () => {
    expect(listRequestOf({ order: 'desc', '': '', __proto__x: '1' })).toEqual({ view: 'MINIMAL', pageSize: 256 });
  });

  it('takes what web forms leave empty as absent', () => {
    const empty = { view: '', state: '', name_prefix: '', page_token: '', tag_key: '', tag_value: '' };
    expect(listRequestOf(empty)).toEqual({ view: 'MINIMAL', pageSize: 256 });
  });

  it('takes every filter', () => {
    const query = { view: 'FULL', state: 'PREEMPTED', name_prefix: 'a%', page_token: 't', page_size: '10', tag_key: 'k', tag_value: 'v' };
    expect(listRequestOf(query)).toEqual({
      view: 'FULL',
      state: 'PREEMPTED',
      namePrefix: 'a%',
      pageToken: 't',
      pageSize: 10,
      tags: [{ key: 'k', value: 'v' }],
    });
  });

  it.each([
    ['1', 1],
    ['2047', 2047],
    ['2048', 2047],
    ['007', 7],
    ['99999999999999999999999', 2047],
  ])('serves page_size=%s as %i', (text, size) => {
    expect(listRequestOf({ page_size: text }).pageSize).toBe(size);
  });

  it.each(['0', '-1', '1.5', '1e3', ' 5', '+5', '0x10', 'ten', '', '٣'])('refuses page_size=%j', (text) => {
    expect(refusedPaths(listRequestOf, { page_size: text })).toEqual(['page_size']);
  });

  it.each([
    ['view', 'minimal'],
    ['view', 'ALL'],
    ['state', 'COMPLETED'],
    ['state', 'queued'],
    ['state', 'constructor'],
  ])('refuses %s=%s', (key, value) => {
    expect(refusedPaths(listRequestOf, { [key]: value })).toEqual([key]);
  });

  it('names every bad parameter at once', () => {
    const query = { view: 'X', state: 'Y', page_size: 'Z', name_prefix: ['a', 'b'] };
    expect(refusedPaths(listRequestOf, query).sort()).toEqual(['name_prefix', 'page_size', 'state', 'view']);
  });

  it.each<[string, Query, { key: string; value: string }[]]>([
    ['one pair', { tag_key: 'a', tag_value: '1' }, [{ key: 'a', value: '1' }]],
    ['pairs by position', { tag_key: ['a', 'b'], tag_value: ['1', '2'] }, [{ key: 'a', value: '1' }, { key: 'b', value: '2' }]], // prettier-ignore
    ['a missing value as any', { tag_key: ['a', 'b'], tag_value: '1' }, [{ key: 'a', value: '1' }, { key: 'b', value: '' }]], // prettier-ignore
    ['an empty value in its place', { tag_key: ['a', 'b'], tag_value: ['', '2'] }, [{ key: 'a', value: '' }, { key: 'b', value: '2' }]], // prettier-ignore
    ['surplus values as nothing', { tag_key: 'a', tag_value: ['1', '2', '3'] }, [{ key: 'a', value: '1' }]],
    ['the same key twice as two conditions', { tag_key: ['a', 'a'], tag_value: ['1', '2'] }, [{ key: 'a', value: '1' }, { key: 'a', value: '2' }]], // prettier-ignore
    ['key and value exactly', { tag_key: ' A%', tag_value: '*' }, [{ key: ' A%', value: '*' }]],
  ])('takes %s', (_what, query, tags) => {
    expect(listRequestOf(query).tags).toEqual(tags);
  });

  it('takes values without keys as no filter', () => {
    expect(listRequestOf({ tag_value: ['1', '2'] }).tags).toBeUndefined();
  });

  it('refuses more pairs than any client needs', () => {
    const keys = Array.from({ length: 33 }, (_, index) => `k${index}`);
    expect(listRequestOf({ tag_key: keys.slice(1) }).tags).toHaveLength(32);
    expect(refusedPaths(listRequestOf, { tag_key: keys })).toEqual(['tag_key']);
  });
});

describe('viewOf', () => {
  it.each(['MINIMAL', 'BASIC', 'FULL'] as const)('takes %s', (view) => {
    expect(viewOf({ view })).toBe(view);
  });

  it('refuses another word, and two views', () => {
    expect(refusedPaths(viewOf, { view: 'full' })).toEqual(['view']);
    expect(refusedPaths(viewOf, { view: ['FULL', 'FULL'] })).toEqual(['view']);
  });
});

describe('countOf', () => {
  it('takes whole numbers, and the fallback when there is none', () => {
    expect(countOf({ offset: '1048576' }, 'offset', 0)).toBe(1048576);
    expect(countOf({}, 'offset', 7)).toBe(7);
  });

  it.each(['-1', '1.5', '', 'x', '1e3', '9999999999999999'])('refuses %j', (text) => {
    expect(refusedPaths((query) => countOf(query, 'offset', 0), { offset: text })).toEqual(['offset']);
  });
});

describe('switchOf', () => {
  it.each([
    ['', true],
    ['true', true],
    ['1', true],
    ['false', false],
    ['0', false],
  ])('takes %j as %s', (text, on) => {
    expect(switchOf({ follow: text }, 'follow')).toBe(on);
  });

  it('is off when absent and refuses another word', () => {
    expect(switchOf({}, 'follow')).toBe(false);
    expect(refusedPaths((query) => switchOf(query, 'follow'), { follow: 'maybe' })).toEqual(['follow']);
  });
});

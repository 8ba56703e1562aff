import { InvalidRequest } from '../../../src/ports/errors';
import type { ListQuery } from '../../../src/ports/store/task-records';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { groupScope, ownerScope } from '../../../src/task/scopes';
import type { TaskRecord } from '../../../src/task/task-record';
import { insertAll, queuedTask, requestOf, type TaskStoreHarness } from './task-store.fixture';

type Filter = Omit<ListQuery, 'pageSize' | 'pageToken'>;

/** Every id of a query, page by page. */
async function walk(store: TaskStore, filter: Filter, pageSize: number): Promise<string[]> {
  const ids: string[] = [];
  for (let pageToken: string | undefined; ;) {
    const page = await store.listMinimal({ ...filter, pageSize, ...(pageToken !== undefined && { pageToken }) });
    ids.push(...page.items.map(([id]) => id));
    if (page.nextPageToken === '') return ids;
    expect(page.nextPageToken).toMatch(/^[A-Za-z0-9._~-]+$/);
    expect(page.items).toHaveLength(pageSize);
    pageToken = page.nextPageToken;
  }
}

const newestFirst = (tasks: readonly TaskRecord[]): string[] => tasks.map((task) => task.id).reverse();

/** The lists of `TaskRecords`; part of `taskStoreSuite`. */
export function taskListsSuite(harness: () => TaskStoreHarness): void {
  let store: TaskStore;
  beforeEach(() => {
    store = harness().store;
  });

  describe('pages', () => {
    it('are newest first, whatever the size, with "" after the last', async () => {
      const tasks = Array.from({ length: 12 }, () => queuedTask());
      for (const task of tasks) await store.insert(requestOf(task), task);
      for (const pageSize of [1, 5, 6, 12, 13, 2047]) expect(await walk(store, {}, pageSize)).toEqual(newestFirst(tasks));
      expect((await store.listMinimal({ pageSize: 12 })).nextPageToken).toBe('');
    });

    it('are empty, and the last, where there is nothing', async () => {
      for (const filter of [
        {},
        { scopes: [] },
        { scopes: [ownerScope('x'), groupScope('x')] },
        { state: 'RUNNING' as const },
        { namePrefix: 'x' },
        { tags: [{ key: 'x', value: '' }] },
      ]) {
        expect(await store.listMinimal({ ...filter, pageSize: 5 })).toEqual({ items: [], nextPageToken: '' });
        expect(await store.listStored({ ...filter, pageSize: 5 }, 1000)).toEqual({ items: [], nextPageToken: '' });
      }
    });

    it('neither repeat nor skip while tasks are added and change', async () => {
      const tasks = Array.from({ length: 30 }, () => queuedTask({ tags: { t: 'v' } }));
      await insertAll(store, tasks);
      const seen: string[] = [];
      for (let pageToken: string | undefined; pageToken !== '';) {
        const page = await store.listMinimal({
          tags: [{ key: 't', value: 'v' }],
          pageSize: 4,
          ...(pageToken !== undefined && { pageToken }),
        });
        seen.push(...page.items.map(([id]) => id));
        await insertAll(store, [queuedTask({ tags: { t: 'v' } }), queuedTask()]);
        const [moved] = tasks.filter((task) => !seen.includes(task.id));
        if (moved !== undefined) await store.update({ ...moved, revision: moved.revision + 1, state: 'RUNNING' }, moved.revision);
        pageToken = page.nextPageToken;
      }
      expect(seen).toEqual(newestFirst(tasks));
    });

    it('show the state as it is', async () => {
      const task = queuedTask();
      await store.insert(requestOf(task), task);
      await store.update({ ...task, revision: 2, state: 'CANCELING', step: 'cancel' }, 1);
      expect((await store.listMinimal({ pageSize: 1 })).items).toEqual([[task.id, 'CANCELING']]);
    });

    it('with records end when their texts reach the limit, with at least one', async () => {
      const tasks = Array.from({ length: 6 }, (_, index) => queuedTask({ name: `n${index}` }));
      for (const task of tasks) await store.insert(JSON.stringify({ pad: 'ä'.repeat(5000) }), task);
      const seen: string[] = [];
      const sizes: number[] = [];
      for (let pageToken: string | undefined; pageToken !== '';) {
        const page = await store.listStored({ pageSize: 5, ...(pageToken !== undefined && { pageToken }) }, 25_000);
        for (const { task, requestJson } of page.items)
          expect([task.name, requestJson.length]).toEqual([tasks.find(({ id }) => id === task.id)?.name, 5010]);
        seen.push(...page.items.map(({ task }) => task.id));
        sizes.push(page.items.length);
        pageToken = page.nextPageToken;
      }
      expect(sizes).toEqual([2, 2, 2]);
      expect(seen).toEqual(newestFirst(tasks));
      expect((await store.listStored({ pageSize: 5 }, 1)).items).toHaveLength(1);
      expect((await store.listStored({ pageSize: 3 }, 1e9)).items).toHaveLength(3);
    });

    it('with records walk like minimal ones', async () => {
      const tasks = Array.from({ length: 7 }, (_, index) => queuedTask({ tags: { even: String(index % 2) } }));
      await insertAll(store, tasks);
      const filter = { tags: [{ key: 'even', value: '0' }] };
      const first = await store.listStored({ ...filter, pageSize: 3 }, 1e9);
      const second = await store.listMinimal({ ...filter, pageSize: 3, pageToken: first.nextPageToken });
      expect([...first.items.map(({ task }) => task.id), ...second.items.map(([id]) => id)]).toEqual(
        newestFirst(tasks.filter((_, index) => index % 2 === 0)),
      );
    });
  });

  describe('page token', () => {
    it('is refused when made up, damaged, or from another query', async () => {
      await insertAll(store, [queuedTask({ name: 'a' }), queuedTask({ name: 'ab' }), queuedTask({ name: 'abc' })]);
      const { nextPageToken: token } = await store.listMinimal({ pageSize: 1 });
      const changed = `${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`;
      for (const bad of [
        '',
        'x',
        '0',
        '-1',
        'null',
        '../',
        '%00',
        token.slice(1),
        `${token}A`,
        changed,
        'A'.repeat(token.length),
        'A'.repeat(10_000),
      ]) {
        await expect(store.listMinimal({ pageSize: 1, pageToken: bad })).rejects.toBeInstanceOf(InvalidRequest);
        await expect(store.listStored({ pageSize: 1, pageToken: bad }, 1000)).rejects.toBeInstanceOf(InvalidRequest);
      }
      const others: Filter[] = [
        { scopes: [ownerScope('owner-1')] },
        { scopes: [] },
        { state: 'QUEUED' },
        { namePrefix: 'a' },
        { tags: [{ key: 'a', value: '' }] },
      ];
      for (const filter of others)
        await expect(store.listMinimal({ ...filter, pageSize: 1, pageToken: token })).rejects.toBeInstanceOf(InvalidRequest);
    });

    it('serves pages of another size, and again', async () => {
      const tasks = Array.from({ length: 5 }, () => queuedTask());
      await insertAll(store, tasks);
      const { nextPageToken } = await store.listMinimal({ pageSize: 1 });
      for (let time = 0; time < 2; time += 1) {
        const page = await store.listMinimal({ pageSize: 10, pageToken: nextPageToken });
        expect(page.items.map(([id]) => id)).toEqual(newestFirst(tasks).slice(1));
      }
    });

    it('outlives a restart', async () => {
      const tasks = Array.from({ length: 4 }, () => queuedTask());
      await insertAll(store, tasks);
      const { nextPageToken } = await store.listMinimal({ pageSize: 2 });
      const again = await harness().reopen();
      const page = await again.listMinimal({ pageSize: 2, pageToken: nextPageToken });
      expect(page.items.map(([id]) => id)).toEqual(newestFirst(tasks).slice(2));
    });
  });

  describe('filters', () => {
    // Fine print 79: the task's tags, the filter, whether it matches.
    it.each([
      [{ foo: 'bar' }, [['foo', 'bar']], true],
      [{ foo: 'bar' }, [['foo', 'bat']], false],
      [{ foo: '' }, [['foo', '']], true],
      [
        { foo: 'bar', baz: 'bat' },
        [
          ['foo', 'bar'],
          ['baz', 'bat'],
        ],
        true,
      ],
      [{ foo: 'bar', baz: 'bat' }, [['foo', 'bar']], true],
      [
        { foo: 'bar' },
        [
          ['foo', 'bar'],
          ['baz', 'bat'],
        ],
        false,
      ],
      [{ foo: 'bar' }, [['foo', '']], true],
      [{}, [['foo', '']], false],
      [{ foo: '' }, [['foo', 'bar']], false],
      [
        { foo: 'bar' },
        [
          ['foo', 'bar'],
          ['foo', 'other'],
        ],
        false,
      ],
      [
        { foo: 'bar' },
        [
          ['foo', 'bar'],
          ['foo', ''],
        ],
        true,
      ],
      [{ foo: 'bar' }, [['FOO', 'bar']], false],
      [{ fo: 'obar' }, [['foo', 'bar']], false],
      [{ foo: 'bar' }, [['foobar', '']], false],
      [{ foo: 'bar' }, [['foo', 'ba']], false],
      [{ 'foo","bar': '' }, [['foo', 'bar']], false],
    ] as [Record<string, string>, string[][], boolean][])('tags %j with %j: %j', async (tags, pairs, matches) => {
      const task = queuedTask({ tags });
      await insertAll(store, [task, queuedTask()]);
      const filter = pairs.map(([key = '', value = '']) => ({ key, value }));
      const page = await store.listMinimal({ tags: filter, pageSize: 5 });
      expect(page.items.map(([id]) => id)).toEqual(matches ? [task.id] : []);
    });

    it('take a name prefix literally and case-sensitively', async () => {
      const names = [
        'a',
        'a%',
        'a%b',
        'a_b',
        'axb',
        'A%',
        'b',
        '%',
        'ä',
        'äa',
        '\u{10ffff}',
        '\u{10ffff}z',
        '\ud7ff',
        '\ue000',
        "a'",
        'a\u0000b',
        '',
      ];
      const tasks = names.map((name) => queuedTask({ name }));
      for (const task of [...tasks, queuedTask()]) await store.insert(requestOf(task), task);
      for (const prefix of ['a', 'a%', 'a_', 'A', '%', '_', 'ä', '\u{10ffff}', '\ud7ff', 'axbc', "a'", '*', 'a\u0000']) {
        const expected = newestFirst(tasks.filter((task) => task.name?.startsWith(prefix) === true));
        expect([prefix, await walk(store, { namePrefix: prefix }, 2)]).toEqual([prefix, expected]);
      }
    });

    it('compare all of a very long name', async () => {
      const tasks = ['x', 'y', 'yz', ''].map((end) => queuedTask({ name: 'long'.repeat(40) + end }));
      await insertAll(store, tasks);
      expect(await walk(store, { namePrefix: `${'long'.repeat(40)}y` }, 1)).toEqual([tasks[2]?.id, tasks[1]?.id]);
      expect(await walk(store, { namePrefix: 'long'.repeat(39) }, 3)).toEqual(newestFirst(tasks));
    });

    it('do not match a task without a name', async () => {
      await insertAll(store, [queuedTask()]);
      for (const namePrefix of ['n', 'u', 'null', 'undefined', '{']) expect(await walk(store, { namePrefix }, 5)).toEqual([]);
    });

    it('hold all together, in every combination and with paging', async () => {
      const tasks = Array.from({ length: 120 }, (_, index) =>
        queuedTask({
          owner: `owner-${index % 3}`,
          ...(index % 8 < 3 && { groups: ['all', ...(index % 8 === 0 ? ['some'] : [])] }),
          state: index % 2 === 0 ? 'RUNNING' : index % 4 === 1 ? 'QUEUED' : 'COMPLETE',
          tags: { five: String(index % 5), ...(index % 7 === 0 && { seven: '' }) },
          ...(index % 4 > 0 && { name: `n${index % 4}-${index}` }),
        }),
      );
      for (const task of tasks) await store.insert(requestOf(task), task);
      const parts: [Filter, (task: TaskRecord) => boolean][] = [
        [{ scopes: [ownerScope('owner-1')] }, (task) => task.owner === 'owner-1'],
        [{ state: 'RUNNING' }, (task) => task.state === 'RUNNING'],
        [{ state: ['RUNNING', 'QUEUED', 'PAUSED'] }, (task) => task.state !== 'COMPLETE'],
        [{ namePrefix: 'n2' }, (task) => task.name?.startsWith('n2') === true],
        [{ tags: [{ key: 'five', value: '3' }] }, (task) => task.tags['five'] === '3'],
        [
          { scopes: [ownerScope('owner-2'), groupScope('some'), groupScope('none')] },
          (task) => task.owner === 'owner-2' || task.groups?.includes('some') === true,
        ],
        [{ scopes: [groupScope('all')] }, (task) => task.groups !== undefined],
      ];
      for (let mask = 0; mask < 128; mask += 1) {
        // The one state is one of the several; scopes are one set.
        if ((mask & 6) === 6 || [33, 65, 96].some((both) => (mask & both) === both)) continue;
        const chosen = parts.filter((_, bit) => (mask & (1 << bit)) !== 0);
        const filter = Object.assign({}, ...chosen.map(([part]) => part)) as Filter;
        const expected = newestFirst(tasks.filter((task) => chosen.every(([, matches]) => matches(task))));
        expect([filter, await walk(store, filter, 3)]).toEqual([filter, expected]);
      }
      const both = {
        tags: [
          { key: 'five', value: '0' },
          { key: 'seven', value: '' },
        ],
      };
      expect(await walk(store, both, 2)).toEqual(newestFirst(tasks.filter((_, index) => index % 35 === 0)));
    });

    it('know an owner exactly', async () => {
      const task = queuedTask({ owner: 'https://issuer\u0000subject' });
      await store.insert(requestOf(task), task);
      expect(await walk(store, { scopes: [ownerScope(task.owner)] }, 5)).toEqual([task.id]);
      for (const owner of ['https://issuer', 'HTTPS://ISSUER\u0000subject', ''])
        expect(await walk(store, { scopes: [ownerScope(owner)] }, 5)).toEqual([]);
    });
  });
}

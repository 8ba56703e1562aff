import fc from '../../../support/property';
import type { ListQuery } from '../../../../src/ports/store/task-records';
import { openDatabase } from '../../../../src/stores/sqlite/open-database';
import { PageTokens } from '../../../../src/stores/sqlite/page-token';
import { prefixEnd } from '../../../../src/stores/sqlite/record-codec';
import { prepareStatements } from '../../../../src/stores/sqlite/statements';
import { TaskPages } from '../../../../src/stores/sqlite/task-pages';
import { insertTask, prepareInsert } from '../../../../src/stores/sqlite/task-writes';
import { groupScope, ownerScope, scopesOf } from '../../../../src/task/scopes';
import type { TaskRecord } from '../../../../src/task/task-record';
import { queuedTask } from '../../../contract/store/task-store.fixture';

const word = fc.constantFrom('a', 'b', 'ab', 'abc', 'ä', '');
const task = fc.record({
  owner: fc.constantFrom('x', 'y'),
  groups: fc.uniqueArray(fc.constantFrom('x', 'g'), { maxLength: 2 }),
  state: fc.constantFrom('RUNNING', 'COMPLETE'),
  name: fc.option(word),
  t: word,
  u: fc.option(word),
});
const filter = fc.record(
  {
    scopes: fc.uniqueArray(fc.constantFrom(ownerScope('x'), ownerScope('z'), groupScope('x'), groupScope('g'), groupScope('h'))),
    state: fc.constantFrom('RUNNING', 'COMPLETE', 'QUEUED'),
    namePrefix: fc.constantFrom('a', 'ab', 'ä', 'c'),
    tags: fc.array(fc.record({ key: fc.constantFrom('t', 'u', 'v'), value: word }), { maxLength: 2 }),
  },
  { requiredKeys: [] },
);

function matches(record: TaskRecord, { scopes, state, namePrefix, tags }: Omit<ListQuery, 'pageSize'>): boolean {
  return (
    (scopes === undefined || scopesOf(record).some((scope) => scopes.includes(scope))) &&
    (state === undefined || record.state === state) &&
    (namePrefix === undefined || record.name?.startsWith(namePrefix) === true) &&
    (tags ?? []).every(({ key, value }) => key in record.tags && (value === '' || record.tags[key] === value))
  );
}

describe('TaskPages', () => {
  // Small limits, so that every way of looking for a name is taken, in many slices.
  it.each([
    { names: 1000, slice: 1000 },
    { names: 0, slice: 3 },
    { names: 3, slice: 1 },
  ])('gives for any filter and page size what a look at every task gives, in order (%j)', async (limits) => {
    await fc.assert(
      fc.asyncProperty(fc.array(task, { maxLength: 40 }), filter, fc.integer({ min: 1, max: 9 }), async (drafts, wanted, pageSize) => {
        const db = openDatabase(':memory:', () => undefined);
        try {
          const statements = prepareStatements(db);
          const tasks = drafts.map(({ owner, groups, state, name, t, u }) =>
            queuedTask({ owner, groups, state, tags: { t, ...(u !== null && { u }) }, ...(name !== null && { name }) }),
          );
          for (const each of tasks) insertTask(statements, prepareInsert('{}', each, undefined), 0);
          const pages = new TaskPages(statements, new PageTokens('id'), limits);
          const found: string[] = [];
          for (let pageToken = ''; ;) {
            const page = await pages.minimal({ ...wanted, pageSize, ...(pageToken !== '' && { pageToken }) });
            found.push(...page.items.map(([id]) => id));
            pageToken = page.nextPageToken;
            if (pageToken === '') break;
          }
          expect(found).toEqual(
            tasks
              .filter((each) => matches(each, wanted))
              .map((each) => each.id)
              .reverse(),
          );
        } finally {
          db.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('prefixEnd', () => {
  it('is after every string with the prefix and not after any other, in the order of UTF-8 bytes', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 4 });
    fc.assert(
      fc.property(text, text, text, (prefix, rest, other) => {
        const end = prefixEnd(prefix);
        const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
        if (end === undefined) return;
        expect(order(prefix + rest, end)).toBeLessThan(0);
        if (!other.startsWith(prefix) && order(other, prefix) > 0) expect(order(other, end)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('steps over the last character of all and over the surrogates', () => {
    expect(prefixEnd('a\u{10ffff}')).toBe('b');
    expect(prefixEnd('\ud7ff')).toBe('\ue000');
    expect(prefixEnd('\u{10ffff}')).toBeUndefined();
  });
});

import { openDatabase } from '../../../../src/stores/sqlite/open-database';
import { SQL } from '../../../../src/stores/sqlite/statements';

/** A few rows each, whatever the number of tasks; or read once, at start, from an index of live tasks only. */
const MAY_SCAN = ['counts', 'backendCounts', 'queueClasses', 'dueTooFar', 'leased'];

describe('query plans', () => {
  const db = openDatabase(':memory:', () => undefined);
  afterAll(() => db.close());

  function planOf(sql: string): string[] {
    const plan = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
    return plan.map((step) => String(step['detail']));
  }

  const statements = Object.entries(SQL).filter(([, sql]) => !sql.startsWith('PRAGMA'));

  it.each(statements)('%s reads by an index and sorts nothing', (name, sql) => {
    for (const step of planOf(sql)) {
      expect(step).not.toMatch(/TEMP B-TREE|AUTOMATIC/);
      // From a place on through the tasks: a scan by another name, right where every task is wanted, or a bounded slice of them.
      if (!['pageOfAll', 'pageOldest', 'namesBetween'].includes(name)) expect(step).not.toMatch(/INTEGER PRIMARY KEY \(rowid[<>]/);
      if (!MAY_SCAN.includes(name)) expect(step).not.toMatch(/^SCAN (?!CONSTANT ROW|chosen(_step)? VIRTUAL TABLE|(ranges|queued)$)/);
    }
  });

  it.each(['counts', 'backendCounts'])('%s scans a counter, not the tasks', (name) => {
    expect(planOf(SQL[name as 'counts'])).toEqual([expect.stringMatching(/^SCAN (state|backend)_count$/)]);
  });

  it('pages come from the narrow rows alone', () => {
    for (const name of ['pageOfAll', 'pageOfState', 'pageOfOwner', 'pageOfTerm'] as const) {
      expect(planOf(SQL[name]).join()).not.toMatch(/record|request/);
    }
  });

  it('tasks of an owner are a range of an index', () => {
    for (const name of ['pageOfOwner', 'seekOwner'] as const)
      expect(planOf(SQL[name])).toContainEqual(expect.stringMatching(/^SEARCH task USING (COVERING )?INDEX \w+ \(owner=\? AND /));
  });

  it('a class is passed over without touching a task, and the classes are jumps in the same index', () => {
    for (const name of ['queueHead', 'queueSkip'] as const)
      expect(planOf(SQL[name]).join()).toMatch(/COVERING INDEX task_queue \(class=\? AND not_before=\?/);
    expect(planOf(SQL.queueClasses)).toEqual([
      'SCAN c',
      expect.stringMatching(/^SEARCH t USING INTEGER PRIMARY KEY \(rowid=\?\)/),
      expect.stringContaining('SUBQUERY'),
      expect.stringMatching(/COVERING INDEX task_queue \(class=\? AND not_before=\?\)/),
    ]);
  });
});

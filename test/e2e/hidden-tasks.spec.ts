import { StatementSync } from 'node:sqlite';
import { taskId } from '../../src/engine/task-id';
import { as, GuardedGateway } from './guarded-gateway';

/** How long an answer takes would tell what bodies do not: whose task it is, or how large. So the store does the same for either. */
describe('for somebody else’s task the store is asked what it is asked for one that is not there', () => {
  let gateway: GuardedGateway;
  let hidden: string;
  const absent = taskId(Date.now(), Buffer.alloc(10, 7));
  beforeAll(async () => {
    gateway = await GuardedGateway.start(
      ['ann', 'bob'],
      '--auth.access=group',
      '--auth.basic.users=[{name: ann, groups: [one]}, {name: bob, groups: [two]}]',
    );
    hidden = await gateway.create('ann', { description: 'x'.repeat(1e6) });
    const path = `/v1/tasks/${hidden}`;
    while (!(await gateway.send('GET', path, { headers: as('ann') })).text.includes('COMPLETE'));
  });
  afterAll(() => gateway.stop());

  /** Reads of this id, while somebody asked. */
  const asked = async (method: string, path: string, id: string): Promise<{ status: number; text: string; statements: string[] }> => {
    const statements: string[] = [];
    const spies = (['get', 'all', 'run'] as const).map((how) => {
      const original = StatementSync.prototype[how] as (...values: unknown[]) => unknown;
      return jest.spyOn(StatementSync.prototype, how).mockImplementation(function (this: StatementSync, ...values: unknown[]) {
        if (values.includes(id) && this.sourceSQL.startsWith('SELECT')) statements.push(this.sourceSQL);
        return original.apply(this, values);
      } as never);
    });
    try {
      const { status, text } = await gateway.send(method, path.replace('ID', id), { headers: as('bob') });
      return { status, text: text.replaceAll(id, 'ID'), statements };
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  };

  it.each([
    ['GET', '/v1/tasks/ID'],
    ['GET', '/v1/tasks/ID?view=BASIC'],
    ['GET', '/v1/tasks/ID?view=FULL'],
    ['POST', '/v1/tasks/ID:cancel'],
    ['GET', '/ext/v1/tasks/ID'],
    ['GET', '/ext/v1/tasks/ID/logs/0/stdout'],
    ['POST', '/ext/v1/tasks/ID:restore-outputs'],
  ])('%s %s', async (method, path) => {
    const [other, none] = [await asked(method, path, hidden), await asked(method, path, absent)];
    expect(other).toEqual(none);
    expect([none.status, none.statements.length]).toEqual([404, 1]);
    // Not what it holds, whose size takes time.
    expect(none.statements[0]).not.toMatch(/json/);
  });
});

import { sharedGateway } from './app';
import { Client, TRUE_TASK } from './client';

describe('members that TES does not know', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port);
  const lines = async (id: string): Promise<readonly string[]> => (await client.until(id, 'COMPLETE')).logs?.[0]?.system_logs ?? [];

  it('are left out and named in system_logs, each with its place', async () => {
    const id = await client.create({
      executors: [{ ...TRUE_TASK.executors[0], work_dir: '/w' }],
      inputs: [{ path: '/i', content: 'x', size: 1 }],
      'odd\nname\u202e': 1,
    });
    expect(await lines(id)).toContain('ignored: executors[0].work_dir, inputs[0].size, ["odd\\nname\\u202e"]');
    expect(JSON.stringify(await client.task(id))).not.toContain('"work_dir"');
  });

  it('are not spoken of when there are none', async () => {
    const id = await client.create({ id: 'x', state: 'QUEUED', logs: [], creation_time: 'x', unknown: null });
    expect((await lines(id)).join()).not.toContain('ignored');
  });

  it('do not make another request of one with the same Idempotency-Key', async () => {
    const key = { 'idempotency-key': 'ignored' };
    expect(await client.create({ comment: 1 }, key)).toBe(await client.create({ remark: 2 }, key));
  });
});

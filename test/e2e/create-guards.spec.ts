import { sharedGateway, TestGateway } from './app';
import { Client, TES_BASE, TRUE_TASK, V1 } from './client';

const key = (value: string): Record<string, string> => ({ 'idempotency-key': value });

describe('Idempotency-Key', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port, TES_BASE);
  const v1 = new Client(() => gateway().port, V1);

  it('answers the same id for the same key and body, on any base', async () => {
    const id = await client.create({ name: 'same' }, key('k1'));
    expect(await client.create({ name: 'same' }, key('k1'))).toBe(id);
    expect(await v1.create({ name: 'same' }, key('k1'))).toBe(id);
    expect((await client.page('name_prefix=same')).ids).toEqual([id]);
  });

  it('answers the same id for as many as come at once', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => client.create({ name: 'burst' }, key('k2'))));
    expect(new Set(ids).size).toBe(1);
    expect((await client.page('name_prefix=burst')).ids).toHaveLength(1);
  });

  it('compares bodies as what they mean, not as text', async () => {
    const body = '{"tags":{"a":"1","b":"2"},"executors":[{"image":"busybox","command":["true"]}]}';
    const other =
      '{ "executors": [ {"command":["tr\\u0075e"], "image":"busybox", "workdir":"", "unknown":1} ], "name":null, "tags":{"b":"2","a":"1"} }';
    const first = await client.send('POST', `${TES_BASE}/tasks`, { body, headers: key('k3') });
    const second = await client.send('POST', `${TES_BASE}/tasks`, { body: other, headers: key('k3') });
    expect([second.status, second.text]).toEqual([200, first.text]);
  });

  it('answers 409 to another body under the key', async () => {
    await client.create({ name: 'one' }, key('k4'));
    expect(await client.post({ ...TRUE_TASK, name: 'two' }, key('k4'))).toMatchObject({ status: 409, json: { code: 'CONFLICT' } });
  });

  it('takes another key for another task', async () => {
    expect(await client.create({}, key('k5'))).not.toBe(await client.create({}, key('k6')));
  });

  it('keeps no key for a body that was refused', async () => {
    expect((await client.post({ executors: [] }, key('k7'))).status).toBe(400);
    await client.create({}, key('k7'));
  });

  it.each(['x', 'x'.repeat(255), '!"#~', '550e8400-e29b-41d4-a716-446655440000'])('takes the key %s', async (value) => {
    await client.create({}, key(value));
  });

  it.each(['', ' ', 'a b', 'x'.repeat(256), 'ä', '\t'])('refuses the key %j', async (value) => {
    const answer = await client.send('POST', `${TES_BASE}/tasks`, {
      body: JSON.stringify(TRUE_TASK),
      headers: key(Buffer.from(value).toString('latin1')),
    });
    expect(answer).toMatchObject({ status: 400, json: { code: 'INVALID_REQUEST', details: [{ path: 'Idempotency-Key' }] } });
  });

  it('makes two tasks of two equal bodies without a key', async () => {
    expect(await client.create({ name: 'twice' })).not.toBe(await client.create({ name: 'twice' }));
  });
});

describe('creates that must wait', () => {
  async function during(
    options: Parameters<typeof TestGateway.start>[0],
    act: (gateway: TestGateway, client: Client) => Promise<void>,
  ): Promise<void> {
    const gateway = await TestGateway.start(options);
    try {
      await act(gateway, new Client(() => gateway.port));
    } finally {
      await gateway.stop();
    }
  }

  it('answers 503 with Retry-After when the queue is full, and takes tasks again when it is not', async () => {
    await during({ service: { quota: { queued: 2 } } }, async (_gateway, client) => {
      const big = { resources: { cpu_cores: 64 }, tags: { life: 'run' } };
      const running = await client.create(big);
      await client.until(running, 'RUNNING');
      const queued = [await client.create(big), await client.create(big)];
      const answer = await client.post(TRUE_TASK);
      expect(answer).toMatchObject({ status: 503, json: { code: 'UNAVAILABLE' } });
      expect(answer.text).toContain('limits.max_queued');
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      for (const id of queued) await client.cancel(id);
      await client.create();
      await client.cancel(running);
    });
  });

  it('answers 507 when the disk is short, and goes on reading and cancelling', async () => {
    let shortage: string | undefined;
    await during({ shortage: () => shortage }, async (_gateway, client) => {
      const id = await client.create({ tags: { life: 'run' } });
      shortage = 'less than 5 GB are free (setting limits.min_free_disk)';
      expect(await client.post(TRUE_TASK)).toMatchObject({ status: 507, json: { code: 'INSUFFICIENT_STORAGE', message: shortage } });
      expect((await client.task(id)).id).toBe(id);
      expect((await client.cancel(id)).status).toBe(200);
    });
  });

  it('answers 503 to creates while stopping, and goes on reading', async () => {
    await during({}, async (gateway, client) => {
      const id = await client.create();
      gateway.tasks.stopTaking();
      const answer = await client.post(TRUE_TASK);
      expect([answer.status, Number(answer.headers['retry-after']) > 0]).toEqual([503, true]);
      expect((await client.task(id)).id).toBe(id);
    });
  });
});

import { sharedGateway } from './app';
import { Client, TES_BASE, TRUE_TASK, V1 } from './client';
import { faultsOf } from './official';

/** Lines 1 to 5 of what clients rely on. */
describe('routing', () => {
  const gateway = sharedGateway();
  const tes = new Client(() => gateway().port, TES_BASE);
  const v1 = new Client(() => gateway().port, V1);

  it.each([TES_BASE, V1, ''])('contract 1: service-info answers under %j', async (base) => {
    const answer = await tes.send('GET', `${base}/service-info`);
    expect([answer.status, faultsOf(answer.json, 'tesServiceInfo')]).toEqual([200, []]);
  });

  it('contract 1: both bases serve the same tasks', async () => {
    const id = await v1.create();
    expect((await tes.task(id)).id).toBe(id);
    expect((await tes.page('page_size=1')).ids).toEqual((await v1.page('page_size=1')).ids);
    expect((await tes.cancel(id)).status).toBe(200);
  });

  it('contract 2: a create answers 200, not 201', async () => {
    expect((await tes.post(TRUE_TASK)).status).toBe(200);
    expect((await v1.post(TRUE_TASK)).status).toBe(200);
  });

  it.each([':', '%3A', '%3a'])('contract 3: cancel is served with %j', async (colon) => {
    const id = await tes.create({ tags: { life: 'run' } });
    expect(await tes.send('POST', `${V1}/tasks/${id}${colon}cancel`)).toMatchObject({ status: 200, text: '{}' });
    await tes.until(id, 'CANCELED');
  });

  it('contract 3: ids need no escaping in a URL', async () => {
    const id = await tes.create();
    expect(encodeURIComponent(id)).toBe(id);
    expect(id).toMatch(/^[0-9a-z]+$/);
  });

  it('contract 4: the legacy service-info has only name, doc and storage', async () => {
    const answer = await v1.get('/tasks/service-info');
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ name: 'tes-gateway', doc: expect.any(String) as string, storage: ['mem://'] });
  });

  it.each([
    '0123456789abcdefghjkmnpqrs',
    'job-0012345',
    'service-inf',
    'x'.repeat(5000),
    '%F0%9F%92%A9',
    '%2e%2e%2fetc',
    '%00',
    "'--",
    'a b',
  ])('contract 5: an unknown id (%s) is 404 with JSON, on every base', async (id) => {
    const target = encodeURI(decodeURI(id));
    for (const base of [TES_BASE, V1]) {
      const answer = await tes.send('GET', `${base}/tasks/${target}`);
      expect([answer.status, answer.json]).toEqual([404, { code: 'TASK_NOT_FOUND', message: expect.any(String) as string }]);
      expect((await tes.send('POST', `${base}/tasks/${target}:cancel`)).status).toBe(404);
    }
    expect((await tes.send('GET', `/tasks/${target}`)).status).toBe(404);
  });
});

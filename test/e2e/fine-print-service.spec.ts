import { FileStorage } from '../../src/storage/file/file.storage';
import { ScriptedBackend } from '../support/scripted-backend';
import { SERVICE_INFO, sharedGateway } from './app';
import { Client, TES_BASE, TRUE_TASK, V1 } from './client';
import { faultsOf, OFFICIAL } from './official';

describe('transport', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port);

  it('fine print 1: requests and answers are JSON', async () => {
    const posted = await client.post(TRUE_TASK);
    expect(posted.headers['content-type']).toMatch(/^application\/json/);
    expect((await client.get('/tasks')).headers['content-type']).toMatch(/^application\/json/);
  });

  it('fine print 2: every official path is served under the official server', async () => {
    const id = await client.create();
    for (const [path, operations] of Object.entries(OFFICIAL.paths)) {
      for (const method of Object.keys(operations)) {
        const body = path === '/tasks' && method === 'post' ? { body: JSON.stringify(TRUE_TASK) } : {};
        const answer = await client.send(method.toUpperCase(), `${TES_BASE}${path.replace('{id}', id)}`, body);
        expect([method, path, answer.status]).toEqual([method, path, 200]);
      }
    }
  });

  it('fine print 3: errors are JSON objects with the status of their kind', async () => {
    expect(await client.post({})).toMatchObject({ status: 400, json: { code: 'INVALID_TASK' } });
    expect(await client.get('/tasks/nope')).toMatchObject({ status: 404, json: { code: 'TASK_NOT_FOUND' } });
  });

  it('fine print 5: without the CORS setting no page of another domain is let in', async () => {
    const answer = await client.send('GET', `${TES_BASE}/tasks`, { headers: { origin: 'https://elsewhere.example' } });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('service-info', () => {
  const files = new FileStorage({ allowed: ['/srv/data'] });
  const backends = [
    new ScriptedBackend(undefined, { capabilities: { parameterKeys: ['vmsize', 'queue'] } }, 'one'),
    new ScriptedBackend(undefined, { capabilities: { parameterKeys: ['queue', 'gpus'] } }, 'two'),
  ];
  const gateway = sharedGateway({ storage: [files], backends });
  const client = new Client(() => gateway().port);

  it('fine print 8, 9, 10: has what GA4GH requires, and type tes 1.1.0', async () => {
    const { json } = await client.get('/service-info');
    expect(faultsOf(json, 'tesServiceInfo')).toEqual([]);
    expect(json).toMatchObject({ ...SERVICE_INFO, type: { group: 'org.ga4gh', artifact: 'tes', version: '1.1.0' } });
  });

  it('fine print 13: lists the storage that can really be reached', async () => {
    expect((await client.get('/service-info')).json).toMatchObject({ storage: ['mem://', 'file:///srv/data'] });
  });

  it('fine print 14: lists every backend parameter that some backend supports', async () => {
    expect((await client.get('/service-info')).json).toMatchObject({
      tesResources_backend_parameters: ['backend', 'gpus', 'max_runtime_seconds', 'max_transfer_seconds', 'queue', 'vmsize'],
    });
  });

  it('leaves file storage out of the legacy answer, which Toil would take for a live mount', async () => {
    expect((await client.send('GET', `${V1}/tasks/service-info`)).json).toMatchObject({ storage: ['mem://'] });
  });

  it('lists the backends with what each can do', async () => {
    const { status, json } = await client.send('GET', '/ext/v1/backends');
    expect(status).toBe(200);
    expect(json).toMatchObject({
      backends: [{ name: 'one', cpu_cores: 4, ram_gb: 16, backend_parameters: ['vmsize', 'queue'] }, { name: 'two' }],
    });
  });
});

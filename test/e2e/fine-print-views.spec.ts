import type { TesTask } from '../../src/task/tes';
import { sharedGateway } from './app';
import { Client } from './client';
import { OFFICIAL } from './official';

const DOCUMENT = {
  name: 'views',
  description: 'all of it',
  inputs: [
    { name: 'i', description: 'd', path: '/in', content: 'SECRET-CONTENT', type: 'FILE' as const, streamable: true },
    { path: '/in2', url: 'mem://in', type: 'FILE' as const },
  ],
  outputs: [{ path: '/in2', url: 'mem://out', name: 'o', description: 'd', path_prefix: '/x', type: 'FILE' as const }],
  resources: { cpu_cores: 1, ram_gb: 1, zones: ['z'], preemptible: false, backend_parameters: { queue: 'q' } },
  executors: [
    { image: 'busybox', command: ['a'], stdout: '/o', stderr: '/e', stdin: '/in', workdir: '/w', env: { A: 'b' }, ignore_error: true },
    { image: 'busybox', command: ['b'] },
  ],
  volumes: ['/vol'],
  tags: { a: 'b' },
};

describe('GetTask', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port);
  let full: TesTask;
  beforeAll(async () => {
    gateway().storage.objects.set('mem://in', 'input');
    full = await client.until(await client.create(DOCUMENT), 'COMPLETE');
  });

  it('fine print 52: only official states are shown', async () => {
    const words = OFFICIAL.components.schemas['tesState']?.enum;
    for (const life of ['run', 'fail', 'done'])
      expect(words).toContain((await client.task(await client.create({ tags: { life } }), 'MINIMAL')).state);
  });

  it('fine print 59 and 60: cancel is by exact id and may be repeated', async () => {
    const id = await client.create({ tags: { life: 'run' } });
    expect((await client.cancel(id.slice(0, -1))).status).toBe(404);
    expect((await client.cancel(id.toUpperCase())).status).toBe(404);
    for (const answer of await Promise.all([client.cancel(id), client.cancel(id), client.cancel(id)]))
      expect(answer).toMatchObject({ status: 200, text: '{}' });
    await client.until(id, 'CANCELED');
  });

  it('fine print 61: the logs of a cancelled task stay readable', async () => {
    const id = await client.create({ tags: { life: 'run' } });
    await client.until(id, 'RUNNING');
    await client.cancel(id);
    const task = await client.until(id, 'CANCELED');
    expect(task.logs?.[0]?.start_time).toBeDefined();
  });

  it('fine print 62: the view is MINIMAL when nothing is said, and another word is refused', async () => {
    expect((await client.get(`/tasks/${full.id}`)).json).toEqual({ id: full.id, state: 'COMPLETE' });
    const list = (await client.get('/tasks')).json as { tasks: object[] };
    expect(list.tasks.map((task) => Object.keys(task))).toEqual(list.tasks.map(() => ['id', 'state']));
    for (const path of [`/tasks/${full.id}?view=minimal`, '/tasks?view=ALL']) expect((await client.get(path)).status).toBe(400);
  });

  it('fine print 63: MINIMAL has only id and state', async () => {
    expect((await client.get(`/tasks/${full.id}?view=MINIMAL`)).json).toEqual({ id: full.id, state: 'COMPLETE' });
  });

  it('fine print 64: BASIC is FULL without stdout, stderr, content and system_logs', async () => {
    const basic = await client.task(full.id, 'BASIC');
    const expected = structuredClone(full);
    for (const input of expected.inputs ?? []) delete input.content;
    for (const log of expected.logs ?? []) {
      delete log.system_logs;
      for (const executor of log.logs) {
        delete executor.stdout;
        delete executor.stderr;
      }
    }
    expect(basic).toEqual(expected);
  });

  it('fine print 65: FULL has the content, the streams and the paths of the streams', () => {
    expect(full.inputs?.[0]?.content).toBe('SECRET-CONTENT');
    expect(full.logs?.[0]?.logs[0]?.stdout).toBe('out');
    expect(full.executors[0]).toMatchObject({ stdout: '/o', stderr: '/e' });
  });

  it('fine print 66: BASIC and FULL have the document as submitted', () => {
    expect(full).toMatchObject(DOCUMENT);
  });

  it('fine print 66: the same holds in a list', async () => {
    for (const view of ['BASIC', 'FULL'] as const) {
      const { tasks } = (await client.get(`/tasks?view=${view}&name_prefix=views`)).json as { tasks: TesTask[] };
      expect(tasks).toEqual([await client.task(full.id, view)]);
    }
  });

  it('fine print 67: another attempt appends an entry, the oldest first', async () => {
    const id = await client.create({ tags: { life: 'run' } });
    await client.until(id, 'RUNNING');
    gateway().backend.finish(id, 1, { phase: 'system-error' });
    let attempt: number | undefined;
    for (let turn = 0; turn < 1000 && attempt !== 2; turn++) {
      if (gateway().backend.world.started.includes(`tes-${id}-2`)) attempt = 2;
      else await new Promise((resolve) => setTimeout(resolve, 10));
    }
    gateway().backend.finish(id, 2);
    const task = await client.until(id, 'COMPLETE');
    // An attempt without an ended executor is a line in the next one's system_logs: Nextflow reads the first entry.
    expect(task.logs).toHaveLength(1);
    expect(task.logs?.[0]?.system_logs?.join('\n')).toContain('the node went away');
  });

  it('fine print 68 and 69: a task log has logs and outputs, one executor log per executor, in order', () => {
    expect(full.logs).toHaveLength(1);
    expect(full.logs?.[0]).toMatchObject({
      logs: [{ exit_code: 0 }, { exit_code: 0 }],
      outputs: [{}],
      start_time: expect.any(String) as string,
    });
  });

  it('fine print 69: executors that were not started have no entry', async () => {
    const failed = await client.until(await client.create({ ...DOCUMENT, tags: { life: 'fail' } }), 'EXECUTOR_ERROR');
    expect(failed.logs?.[0]?.logs).toHaveLength(1);
  });

  it('fine print 72: every output file has url, path and size_bytes as text', () => {
    expect(full.logs?.[0]?.outputs).toEqual([{ url: 'mem://out', path: '/in2', size_bytes: '5' }]);
  });

  it('fine print 73: creation_time is RFC 3339 and never changes', async () => {
    const id = await client.create();
    const { creation_time } = await client.task(id);
    expect(new Date(creation_time).toISOString()).toBe(creation_time);
    expect((await client.until(id, 'COMPLETE')).creation_time).toBe(creation_time);
  });

  it('fine print 95: keys of TES 1.1 are returned only when the client sent them', async () => {
    const id = await client.create({
      inputs: [{ path: '/in', content: 'x' }],
      outputs: [{ path: '/o', url: 'mem://o' }],
      resources: { cpu_cores: 1 },
    });
    const { text } = await client.get(`/tasks/${id}?view=FULL`);
    expect(text).not.toMatch(/path_prefix|streamable|ignore_error|backend_parameters/);
  });
});

describe('ext/v1/tasks/{id}', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port);

  it('tells why a task waits, as the FULL view does', async () => {
    const big = await client.create({ resources: { cpu_cores: 64 }, tags: { life: 'run' } });
    await client.until(big, 'RUNNING');
    const id = await client.create({ resources: { cpu_cores: 64 } });
    const answer = await client.send('GET', `/ext/v1/tasks/${id}`);
    expect(answer).toMatchObject({ status: 200, json: { id, state: 'QUEUED', step: 'queued', attempt: 0 } });
    const { waiting } = answer.json as { waiting: string[] };
    expect(waiting.length).toBeGreaterThan(0);
    const lines = (await client.task(id)).logs?.flatMap(({ system_logs }) => system_logs ?? []);
    expect(lines).toEqual(expect.arrayContaining(waiting));
    await client.cancel(id);
    await client.cancel(big);
  });

  it('tells where a running task is', async () => {
    const id = await client.create({ tags: { life: 'run' } });
    await client.until(id, 'RUNNING');
    expect((await client.send('GET', `/ext/v1/tasks/${id}`)).json).toMatchObject({
      state: 'RUNNING',
      step: 'run',
      attempt: 1,
      backend: 'scripted',
    });
    await client.cancel(id);
  });

  it('gives the log of a running executor', async () => {
    const id = await client.create({ tags: { life: 'run' } });
    await client.until(id, 'RUNNING');
    gateway().backend.world.jobs.get(`tes-${id}-1`)?.files.set('@stdout', 'hello\nworld\n');
    const log = await client.send('GET', `/ext/v1/tasks/${id}/logs/0/stdout?offset=6`);
    expect([log.status, log.text, log.headers['content-type']]).toEqual([200, 'world\n', 'text/plain; charset=utf-8']);
    expect((await client.send('GET', `/ext/v1/tasks/${id}/logs/1/stdout`)).status).toBe(400);
    await client.cancel(id);
  });
});

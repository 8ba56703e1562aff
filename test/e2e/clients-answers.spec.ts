import type { TesTask } from '../../src/task/tes';
import { sharedGateway } from './app';
import { Client, TRUE_TASK, V1 } from './client';
import { faultsOf } from './official';

const RICH = {
  name: 'rich',
  inputs: [{ path: '/in', url: 'mem://in' }],
  outputs: [{ path: '/in', url: 'mem://out' }],
  executors: [
    { image: 'busybox', command: ['one'] },
    { image: 'busybox', command: ['two'], stdout: '/o' },
  ],
};

/** Lines 14 to 28 of what clients rely on: what they read. `Client.task` holds every task against the official schema, closed. */
describe('answers', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port, V1);
  let ended: TesTask;
  beforeAll(async () => {
    gateway().storage.objects.set('mem://in', 'input');
    ended = await client.until(await client.create(RICH), 'COMPLETE');
  });

  it('contract 14: a create answers the id and nothing else', async () => {
    const { json, text } = await client.post(TRUE_TASK);
    expect(Object.keys(json as object)).toEqual(['id']);
    expect(text).toMatch(/^\{"id":"[0-9a-z]{26}"\}$/);
  });

  it('contract 15: no answer has a key that TES 1.1 does not know', async () => {
    for (const view of ['MINIMAL', 'BASIC', 'FULL'] as const) await client.task(ended.id, view);
    for (const view of ['MINIMAL', 'BASIC', 'FULL']) {
      const { json } = await client.get(`/tasks?view=${view}&page_size=5`);
      expect(Object.keys(json as object).sort()).toEqual(['next_page_token', 'tasks']);
      for (const task of (json as { tasks: unknown[] }).tasks)
        expect(faultsOf(task, view === 'MINIMAL' ? 'minimalTask' : 'tesTask')).toEqual([]);
    }
    expect(faultsOf((await client.get('/service-info')).json, 'tesServiceInfo')).toEqual([]);
  });

  it('contract 16: what is absent is left out, in every state', async () => {
    const running = await client.create({ tags: { life: 'run' } });
    for (const task of [ended, await client.until(running, 'RUNNING'), await client.task(await client.create())]) {
      const { tags: _tags, ...rest } = task;
      expect(JSON.stringify(rest)).not.toMatch(/:null|_time":""|"":|"type":""/);
    }
    await client.cancel(running);
  });

  it('contract 17: type is always there', () => {
    expect([ended.inputs?.[0]?.type, ended.outputs?.[0]?.type]).toEqual(['FILE', 'FILE']);
  });

  it('contract 18: size_bytes is a string of digits', () => {
    expect(ended.logs?.[0]?.outputs).toEqual([{ url: 'mem://out', path: '/in', size_bytes: '5' }]);
  });

  it('contract 19: every executor that ended has an integer exit code, one that has not is not listed', async () => {
    expect(ended.logs?.[0]?.logs.map(({ exit_code }) => exit_code)).toEqual([0, 0]);
    const failed = await client.until(await client.create({ ...RICH, tags: { life: 'fail' } }), 'EXECUTOR_ERROR');
    expect(failed.logs?.[0]?.logs.map(({ exit_code }) => exit_code)).toEqual([1]);
    const running = await client.until(await client.create({ tags: { life: 'run' } }), 'RUNNING');
    expect(running.logs?.flatMap(({ logs }) => logs) ?? []).toEqual([]);
    await client.cancel(running.id);
  });

  it('contract 20: metadata is flat text', () => {
    for (const { metadata } of ended.logs ?? []) {
      for (const value of Object.values(metadata ?? {})) expect(typeof value).toBe('string');
    }
  });

  it('contract 21: times are RFC 3339 with a zone, and numbers are numbers', async () => {
    const times = [
      ended.creation_time,
      ...(ended.logs ?? []).flatMap((log) => [log.start_time, log.end_time, ...log.logs.map(({ end_time }) => end_time)]),
    ];
    for (const time of times) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    const id = await client.create({ resources: { cpu_cores: 2, ram_gb: 0.5, disk_gb: 1.25 } });
    expect((await client.task(id)).resources).toEqual({ cpu_cores: 2, ram_gb: 0.5, disk_gb: 1.25 });
  });

  it('a fraction of a core is given back as it was sent, and charged as that (TES 1.2)', async () => {
    const id = await client.create({ resources: { cpu_cores: 0.5 } });
    expect((await client.until(id, 'COMPLETE')).resources).toEqual({ cpu_cores: 0.5 });
    expect((await gateway().store.getTask(id))?.needs.cpuCores).toBe(0.5);
  });

  it('contract 22: a terminal state is never seen without its logs', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, (_, index) => client.create({ tags: { life: index % 2 ? 'fail' : 'done' } })));
    await Promise.all(
      ids.map(async (id) => {
        let task: TesTask;
        do task = await client.task(id);
        while (!['COMPLETE', 'EXECUTOR_ERROR'].includes(task.state));
        expect([task.logs?.[0]?.logs.length, typeof task.logs?.[0]?.logs[0]?.exit_code, typeof task.logs?.[0]?.end_time]).toEqual([
          1,
          'number',
          'string',
        ]);
      }),
    );
  });

  it('contract 25: MINIMAL has id and state', async () => {
    expect(await client.task(ended.id, 'MINIMAL')).toEqual({ id: ended.id, state: 'COMPLETE' });
  });

  it('contract 26: cancel answers {}', async () => {
    expect((await client.cancel(ended.id)).text).toBe('{}');
  });

  it('contract 27: tasks is always a list, and the last page says ""', async () => {
    expect((await client.get('/tasks?name_prefix=nobody')).json).toEqual({ tasks: [], next_page_token: '' });
    const { json } = await client.get('/tasks?page_size=2047');
    expect(json).toMatchObject({ next_page_token: '' });
  });

  it.each<[string, string, string]>([
    ['POST', '/v1/tasks', JSON.stringify(TRUE_TASK)],
    ['POST', '/v1/tasks', '{'],
    ['POST', '/v1/tasks', '{"executors":1}'],
    ['POST', '/v1/tasks', ''],
    ['PUT', '/v1/tasks', '{}'],
    ['GET', '/v1/tasks', ''],
    ['GET', '/v1/tasks?view=x', ''],
    ['GET', '/v1/tasks?page_token=x', ''],
    ['GET', '/v1/tasks/nope', ''],
    ['GET', '/v1/tasks/%zz', ''],
    ['POST', '/v1/tasks/nope:cancel', ''],
    ['GET', '/v1/service-info', ''],
    ['GET', '/v1/tasks/service-info', ''],
    ['GET', '/nowhere', ''],
    ['GET', '/ext/v1/tasks/nope', ''],
    ['GET', '/ext/v1/tasks/nope/logs/0/stdout', ''],
  ])('contract 28: %s %s answers application/json (%j)', async (method, target, body) => {
    const answer = await client.send(method, target, method === 'GET' ? {} : { body });
    expect(answer.headers['content-type']).toMatch(/^application\/json(;|$)/);
    expect(answer.json).toBeInstanceOf(Object);
    expect(answer.status).toBeLessThan(500);
  });
});

describe('states that old readers do not know', () => {
  const gateway = sharedGateway({ service: { views: { showCancelingAs: 'CANCELED', showQueuedAs: 'INITIALIZING' } } });
  const client = new Client(() => gateway().port, V1);

  it('contract 23: PREEMPTED is never final: the task is tried again', async () => {
    const id = await client.create({ tags: { life: 'run' } });
    await client.until(id, 'RUNNING');
    gateway().backend.finish(id, 1, { phase: 'preempted' });
    const giveUpAt = performance.now() + 10_000;
    while (!gateway().backend.world.started.includes(`tes-${id}-2`)) {
      expect((await client.task(id, 'MINIMAL')).state).not.toMatch(/PREEMPTED|ERROR/);
      if (performance.now() > giveUpAt) throw new Error('no second attempt');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    gateway().backend.finish(id, 2);
    await client.until(id, 'COMPLETE');
  });

  it('contract 23 and 24: CANCELING and QUEUED can be shown as states that a client knows', async () => {
    const big = await client.create({ resources: { cpu_cores: 64 }, tags: { life: 'run' } });
    await client.until(big, 'RUNNING');
    const waiting = await client.create({ resources: { cpu_cores: 64 } });
    expect((await gateway().store.getTask(waiting))?.state).toBe('QUEUED');
    for (const view of ['MINIMAL', 'BASIC', 'FULL'] as const) expect((await client.task(waiting, view)).state).toBe('INITIALIZING');
    const listed = async (state: string) => {
      const ids: string[] = [];
      for (let token = ''; ;) {
        const answer = await fetch(`http://127.0.0.1:${gateway().port}/v1/tasks?state=${state}&page_size=1&page_token=${token}`);
        const page = (await answer.json()) as { tasks: { id: string; state: string }[]; next_page_token: string };
        for (const task of page.tasks) expect(task.state).toBe(state);
        ids.push(...page.tasks.map(({ id }) => id));
        token = page.next_page_token;
        if (token === '') return ids;
      }
    };
    expect(await listed('INITIALIZING')).toEqual([waiting]);
    expect(await listed('QUEUED')).toEqual([]);
    await client.cancel(waiting);
    await client.cancel(big);
    expect((await client.task(big, 'MINIMAL')).state).toBe('CANCELED');
    expect(await listed('CANCELED')).toEqual([waiting, big]);
    expect(await listed('CANCELING')).toEqual([]);
  });
});

import { sharedGateway } from './app';
import { Client, TRUE_TASK, V1 } from './client';

const EXECUTOR = { image: 'busybox', command: ['true'] };

/** Lines 6 to 13 of what clients rely on: what they send. */
describe('requests', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port, V1);

  it('contract 6: null is taken as absent in every optional member', async () => {
    const nothing = null;
    const id = await client.create({
      id: nothing,
      state: nothing,
      name: nothing,
      description: nothing,
      inputs: nothing,
      outputs: nothing,
      resources: nothing,
      volumes: nothing,
      tags: nothing,
      logs: nothing,
      creation_time: nothing,
      executors: [{ ...EXECUTOR, workdir: nothing, stdin: nothing, stdout: nothing, stderr: nothing, env: nothing, ignore_error: nothing }],
    });
    const { logs: _logs, creation_time: _time, state: _state, ...rest } = await client.until(id, 'COMPLETE');
    expect(rest).toEqual({ id, executors: [EXECUTOR] });
  });

  it('contract 6: null is taken as absent inside inputs, outputs and resources', async () => {
    const id = await client.create({
      inputs: [{ name: null, description: null, url: null, path: '/in', type: null, content: 'x', streamable: null }],
      outputs: [{ name: null, description: null, url: 'mem://out', path: '/out', path_prefix: null, type: null }],
      resources: {
        cpu_cores: null,
        preemptible: null,
        ram_gb: null,
        disk_gb: null,
        zones: null,
        backend_parameters: null,
        backend_parameters_strict: null,
      },
    });
    const task = await client.task(id);
    expect(task.inputs).toEqual([{ path: '/in', type: 'FILE', content: 'x' }]);
    expect(task.outputs).toEqual([{ url: 'mem://out', path: '/out', type: 'FILE' }]);
    expect(task.resources ?? {}).toEqual({});
  });

  it('contract 7: entries of tags and backend_parameters that are null disappear', async () => {
    const tags = { workflow_id: 'w', parent_workflow_id: null };
    const id = await client.create({ tags, resources: { backend_parameters: { queue: 'short', other: null } } });
    const task = await client.task(id);
    expect(task.tags).toEqual({ workflow_id: 'w' });
    expect(task.resources?.backend_parameters).toEqual({ queue: 'short' });
  });

  it('contract 8: unknown members are ignored at every level', async () => {
    const id = await client.create({
      cpuCores: 4,
      executors: [{ ...EXECUTOR, container: 'x', ports: [1] }],
      inputs: [{ path: '/in', content: 'x', size: 3 }],
      resources: { ramGb: 2, cpu_cores: 1 },
    });
    const task = await client.task(id);
    expect(task.executors).toEqual([EXECUTOR]);
    expect(task.inputs).toEqual([{ path: '/in', type: 'FILE', content: 'x' }]);
    expect(task.resources).toEqual({ cpu_cores: 1 });
  });

  it('contract 8: what the server sets is ignored when a client sends it', async () => {
    const id = await client.create({ id: 'mine', state: 'COMPLETE', logs: 'none', creation_time: 7, tags: { life: 'run' } });
    const task = await client.until(id, 'RUNNING');
    expect(task.id).not.toBe('mine');
    expect(task.creation_time).toMatch(/^20\d\d-/);
  });

  it('contract 8: unknown backend parameters are refused only when strict', async () => {
    const parameters = { VmSize: 'big' };
    await client.create({ resources: { backend_parameters: parameters } });
    await client.create({ resources: { backend_parameters: parameters, backend_parameters_strict: false } });
    const refused = await client.refusal({ ...TRUE_TASK, resources: { backend_parameters: parameters, backend_parameters_strict: true } });
    expect(refused).toEqual(['$.resources.backend_parameters']);
  });

  it.each<[string, Parameters<Client['send']>[2]]>([
    ['no body', {}],
    ['no body but a JSON content type', { headers: { 'content-type': 'application/json' } }],
    ['an empty body that says its length', { body: '', headers: { 'content-type': 'application/json' } }],
    ['{}', { body: '{}', headers: { 'content-type': 'application/json' } }],
    ['null', { body: 'null', headers: { 'content-type': 'application/json' } }],
    ['an empty form', { body: '', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
  ])('contract 9: cancel is taken with %s', async (_what, options) => {
    const id = await client.create({ tags: { life: 'run' } });
    expect(await client.send('POST', `${V1}/tasks/${id}:cancel`, options)).toMatchObject({ status: 200, text: '{}' });
    await client.until(id, 'CANCELED');
  });

  it('contract 10: 131072 bytes of content, many times over, and long arguments are taken', async () => {
    const content = 'ä'.repeat(65_536);
    const inputs = Array.from({ length: 40 }, (_, index) => ({ path: `/tmp/src/${index}`, content }));
    const id = await client.create({ inputs, executors: [{ image: 'busybox', command: ['run', 'x'.repeat(1_000_000)] }] });
    const task = await client.until(id, 'COMPLETE');
    expect(task.inputs?.map((input) => input.content === content)).toEqual(inputs.map(() => true));
    expect(task.executors[0]?.command[1]).toHaveLength(1_000_000);
  });

  it('contract 11: a missing or empty type is FILE', async () => {
    const id = await client.create({
      inputs: [
        { path: '/a', content: 'x' },
        { path: '/b', content: 'x', type: '' },
      ],
    });
    expect((await client.task(id)).inputs?.map(({ type }) => type)).toEqual(['FILE', 'FILE']);
  });

  it.each(['mem://bucket/a key%20with?query=1&x=%2F#frag', 'mem://Bucket/../UPPER/./x//y', 'mem://ü/ñ'])(
    'contract 11: the URL %s comes back as it was sent',
    async (url) => {
      const id = await client.create({ outputs: [{ path: '/out', url }] });
      expect((await client.task(id)).outputs?.[0]?.url).toBe(url);
    },
  );

  it.each(['/tmp/../..', '/', '/..', '/a/../../etc', 'relative', '/proc/x', '/sys', '/dev/null', '/x\u0000y'])(
    'contract 12: the path %j is refused',
    async (path) => {
      expect(await client.refusal({ ...TRUE_TASK, outputs: [{ path, url: 'mem://o' }] })).toEqual(['$.outputs[0].path']);
      expect(await client.refusal({ ...TRUE_TASK, inputs: [{ path, content: 'x' }] })).toEqual(['$.inputs[0].path']);
    },
  );

  it('contract 12: a path with dots that stays inside is taken', async () => {
    await client.create({ outputs: [{ path: '/tmp/../data/./out', url: 'mem://o' }] });
  });

  it('contract 13: content and env values stand in no error answer and in no line that is written', async () => {
    const secret = 'AWS_SECRET_ACCESS_KEY=hunter2';
    const lines: string[] = [];
    const spies = [process.stdout, process.stderr].map((stream) =>
      jest.spyOn(stream, 'write').mockImplementation((chunk) => {
        lines.push(String(chunk));
        return true;
      }),
    );
    const wrong = [
      { inputs: [{ path: 'relative', content: secret }] },
      { inputs: [{ path: '/i', content: secret, type: 'DIRECTORY' }] },
      { inputs: [{ path: '/i', content: secret.repeat(2 ** 18) }] },
      { executors: [{ ...EXECUTOR, env: { A: secret, 'B=': secret } }] },
      { inputs: [{ path: '/i', content: [secret] }] },
    ].map((task) => JSON.stringify({ ...TRUE_TASK, ...task }));
    const insert = jest.spyOn(gateway().store, 'insert').mockRejectedValueOnce(new Error('a fault of ours'));
    try {
      const failed = await client.post({ ...TRUE_TASK, inputs: [{ path: '/i', content: secret }] });
      const answers = [failed];
      for (const body of [...wrong, `{"content":"${secret}",`]) answers.push(await client.send('POST', `${V1}/tasks`, { body }));
      expect(answers.map(({ status }) => status)).toEqual([500, 400, 400, 400, 400, 400, 400]);
      for (const { text } of answers) expect(text).not.toContain('hunter2');
    } finally {
      insert.mockRestore();
      for (const spy of spies) spy.mockRestore();
    }
    expect(lines.join('')).toContain('a fault of ours');
    expect(lines.join('')).not.toContain('hunter2');
  });
});

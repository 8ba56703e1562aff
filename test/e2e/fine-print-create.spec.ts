import { sharedGateway } from './app';
import { Client, TRUE_TASK } from './client';

const EXECUTOR = { image: 'busybox', command: ['true'] };

describe('CreateTask', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port);

  it('fine print 15: the document is the basis of the task, and the id stands in the answer', async () => {
    const document = { name: 'n', description: 'd', tags: { a: 'b' }, volumes: ['/v'], executors: [EXECUTOR] };
    const id = await client.create(document);
    expect(await client.task(id)).toMatchObject({ ...document, id });
  });

  it('fine print 15: the task is stored when the answer arrives', async () => {
    const id = await client.create();
    expect(await gateway().store.getState(id)).toBeDefined();
  });

  it('fine print 16: executors is the only member that is required', async () => {
    expect(await client.refusal({})).toEqual(['$.executors']);
    expect(await client.refusal({ executors: null })).toEqual(['$.executors']);
    expect(await client.refusal({ executors: [] })).toEqual(['$.executors']);
    await client.create({ executors: [EXECUTOR] });
  });

  it('fine print 17 and 58: what is read-only is set by the server', async () => {
    const sent = { id: 'x', state: 'CANCELED', creation_time: '1999-01-01T00:00:00Z', logs: [{ logs: [], outputs: [] }] };
    const task = await client.until(await client.create(sent), 'COMPLETE');
    expect(task.id).not.toBe('x');
    expect(Date.parse(task.creation_time)).toBeGreaterThan(Date.parse('2020-01-01'));
    expect(task.logs?.[0]?.logs).toHaveLength(1);
  });

  it('fine print 19: every executor needs image and command', async () => {
    expect(await client.refusal({ executors: [{ command: ['x'] }, { image: 'x' }] })).toEqual([
      '$.executors[0].image',
      '$.executors[1].command',
    ]);
    expect(await client.refusal({ executors: [{ image: 'busybox', command: [] }] })).toEqual(['$.executors[0].command']);
    expect(await client.refusal({ executors: [{ image: '', command: ['x'] }] })).toEqual(['$.executors[0].image']);
  });

  it('fine print 23: stdin, stdout and stderr must be absolute', async () => {
    const executor = { ...EXECUTOR, stdin: 'in', stdout: 'out', stderr: './err' };
    const paths = ['$.executors[0].stderr', '$.executors[0].stdin', '$.executors[0].stdout'];
    expect([...(await client.refusal({ executors: [executor] }))].sort()).toEqual(paths);
  });

  it('fine print 25: env is text to text', async () => {
    expect(await client.refusal({ executors: [{ ...EXECUTOR, env: { A: 1, B: null, C: 'x' } }] })).toEqual(['$.executors[0].env.A']);
    expect(await client.refusal({ executors: [{ ...EXECUTOR, env: { 'A=B': 'x' } }] })).toHaveLength(1);
    const id = await client.create({ executors: [{ ...EXECUTOR, env: { EMPTY: '', X: 'a\nb "c" $d' } }] });
    expect((await client.task(id)).executors[0]?.env).toEqual({ EMPTY: '', X: 'a\nb "c" $d' });
  });

  it('fine print 27: the path of an input is required and absolute', async () => {
    expect(await client.refusal({ ...TRUE_TASK, inputs: [{ url: 'mem://in' }, { url: 'mem://in', path: 'in' }] })).toContain(
      '$.inputs[0].path',
    );
    expect(await client.refusal({ ...TRUE_TASK, inputs: [{ url: 'mem://in', path: 'in' }] })).toEqual(['$.inputs[0].path']);
  });

  it('fine print 28: an input needs url or content, and content wins', async () => {
    expect(await client.refusal({ ...TRUE_TASK, inputs: [{ path: '/in' }] })).toEqual(['$.inputs[0].url']);
    expect(await client.refusal({ ...TRUE_TASK, inputs: [{ path: '/in', content: '' }] })).toHaveLength(1);
    const id = await client.create({
      inputs: [{ path: '/in', content: 'from content', url: 'mem://does-not-exist' }],
      outputs: [{ path: '/in', url: 'mem://28' }],
    });
    await client.until(id, 'COMPLETE');
    expect(gateway().storage.objects.get('mem://28')).toBe('from content');
  });

  it('fine print 29: 128 KiB of content and more are taken; the limit is named', async () => {
    await client.create({ inputs: [{ path: '/in', content: 'x'.repeat(4 * 2 ** 20) }] });
    const answer = await client.post({ ...TRUE_TASK, inputs: [{ path: '/in', content: 'x'.repeat(4 * 2 ** 20 + 1) }] });
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(/\$\.inputs\[0\]\.content.*(4194304|4 ?MiB)/);
  });

  it('fine print 31: the server fills type in', async () => {
    const id = await client.create({ inputs: [{ path: '/in', content: 'x' }], outputs: [{ path: '/out', url: 'mem://o' }] });
    const task = await client.task(id, 'BASIC');
    expect([task.inputs?.[0]?.type, task.outputs?.[0]?.type]).toEqual(['FILE', 'FILE']);
  });

  it('fine print 35: an output needs path and url', async () => {
    expect(await client.refusal({ ...TRUE_TASK, outputs: [{ path: '/o' }, { url: 'mem://o' }] })).toEqual([
      '$.outputs[0].url',
      '$.outputs[1].path',
    ]);
    expect(await client.refusal({ ...TRUE_TASK, outputs: [{ path: '/o', url: '' }] })).toEqual(['$.outputs[0].url']);
    expect(await client.refusal({ ...TRUE_TASK, outputs: [{ path: 'o', url: 'mem://o' }] })).toEqual(['$.outputs[0].path']);
  });

  it('fine print 38: wildcards need path_prefix; without wildcards it is ignored', async () => {
    expect(await client.refusal({ ...TRUE_TASK, outputs: [{ path: '/out/*.txt', url: 'mem://o' }] })).toEqual(['$.outputs[0].path_prefix']);
    await client.create({ outputs: [{ path: '/out/*.txt', url: 'mem://o', path_prefix: '/out' }] });
    await client.create({ outputs: [{ path: '/out/a.txt', url: 'mem://o', path_prefix: '/elsewhere' }] });
  });

  it('fine print 39: a prefix that is none is refused', async () => {
    const outputs = [{ path: '/out/*.txt', url: 'mem://o', path_prefix: '/other' }];
    expect(await client.refusal({ ...TRUE_TASK, outputs })).toEqual(['$.outputs[0].path_prefix']);
  });

  it('fine print 42: resources are numbers, switches and texts, none required', async () => {
    const resources = { cpu_cores: 2, ram_gb: 0.25, disk_gb: 10, preemptible: true, zones: ['eu', 'us'], backend_parameters_strict: false };
    expect((await client.task(await client.create({ resources }))).resources).toEqual(resources);
    await client.create({ resources: {} });
    expect(
      await client.refusal({ ...TRUE_TASK, resources: { cpu_cores: '1.5', ram_gb: '1', disk_gb: null, preemptible: 'no', zones: 'eu' } }),
    ).toEqual(['$.resources.cpu_cores', '$.resources.preemptible', '$.resources.ram_gb', '$.resources.zones']);
  });

  it('fine print 43: keys of backend_parameters are known in any case', async () => {
    const id = await client.create({
      resources: { backend_parameters: { QuEuE: 'short', Max_Runtime_Seconds: '60' }, backend_parameters_strict: true },
    });
    expect((await client.task(id)).resources?.backend_parameters).toEqual({ QuEuE: 'short', Max_Runtime_Seconds: '60' });
  });

  it('fine print 44 and 45: unsupported keys are named in system_logs and never returned', async () => {
    const id = await client.create({ resources: { backend_parameters: { VmSize: 'big', queue: 'q' } } });
    for (const task of [await client.task(id), await client.until(id, 'COMPLETE')]) {
      expect(task.resources?.backend_parameters).toEqual({ queue: 'q' });
      expect(task.logs?.flatMap(({ system_logs }) => system_logs ?? []).join('\n')).toMatch(/vmsize/i);
    }
    const alone = await client.until(await client.create({ resources: { backend_parameters: { VmSize: 'big' } } }), 'COMPLETE');
    expect(alone.resources?.backend_parameters).toBeUndefined();
  });

  it('fine print 46: strict refuses unsupported keys', async () => {
    const resources = { backend_parameters: { VmSize: 'big' }, backend_parameters_strict: true };
    expect(await client.refusal({ ...TRUE_TASK, resources })).toEqual(['$.resources.backend_parameters']);
  });

  it('fine print 50: volumes may end in a slash and hold inputs and outputs', async () => {
    const id = await client.create({
      volumes: ['/vol/'],
      inputs: [{ path: '/vol/in', content: 'x' }],
      outputs: [{ path: '/vol/in', url: 'mem://v' }],
    });
    expect((await client.until(id, 'COMPLETE')).volumes).toEqual(['/vol/']);
  });

  it('fine print 51: tags come back as they were, in BASIC and FULL', async () => {
    const tags = { empty: '', 'key with space': 'ü "quoted" \\ \n', '': 'no key', constructor: 'x', toString: 'y' };
    const id = await client.create({ tags });
    expect((await client.task(id, 'BASIC')).tags).toEqual(tags);
    expect((await client.task(id, 'FULL')).tags).toEqual(tags);
  });

  it('fine print 51: __proto__ is a tag like any other', async () => {
    const body = `{"executors":[${JSON.stringify(EXECUTOR)}],"tags":{"__proto__":"x","a":"b"}}`;
    const answer = await client.send('POST', `${client.base}/tasks`, { body });
    const { id } = answer.json as { id: string };
    expect((await client.get(`/tasks/${id}?view=FULL`)).text).toContain('"tags":{"__proto__":"x","a":"b"}');
    expect((await client.page('tag_key=__proto__&tag_value=x')).ids).toEqual([id]);
  });
});

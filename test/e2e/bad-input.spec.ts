import fc from '../support/property';
import { send } from '../unit/api/raw-http';
import { sharedGateway } from './app';
import { Client, TRUE_TASK, V1 } from './client';

const EXECUTOR = { image: 'busybox', command: ['true'] };

/** Every refusal is a 400 that names path and reason, before anything is stored. */
describe('bad input', () => {
  const gateway = sharedGateway();
  const client = new Client(() => gateway().port, V1);
  const outside = [
    'relative',
    '../x',
    '/..',
    '/../etc/passwd',
    '/a/../../b',
    '/',
    '//',
    '/.',
    '/a/..',
    '',
    '/nul\u0000',
    '/proc',
    '/proc/self/environ',
    '/sys/x',
    '/dev/sda',
    '/a/../proc',
  ];
  it.each(outside)('refuses %j as path of an input, an output and a volume', async (path) => {
    const name = 'bad path';
    const refused = await client.refusal({
      ...TRUE_TASK,
      name,
      inputs: [{ path, content: 'x' }],
      outputs: [{ path, url: 'mem://o' }],
      volumes: [path],
    });
    expect([...refused].sort()).toEqual(['$.inputs[0].path', '$.outputs[0].path', '$.volumes[0]']);
  });

  it.each(['/', '/tmp', '/deep/er/../x'])('takes %s as workdir', async (workdir) => {
    await client.create({ executors: [{ ...EXECUTOR, workdir }] });
  });

  it.each([
    '--privileged -v /:/h alpine',
    '-v',
    '$(x)',
    '`id`',
    'a b',
    'a\nb',
    'a;b',
    "a'b",
    '',
    'busybox/UPPER',
    'a//b',
    'a:',
    'a@sha256:zz',
    'x'.repeat(300),
    'docker://',
    'http://x/y',
  ])('refuses the image %j', async (image) => {
    expect(await client.refusal({ name: 'bad image', executors: [{ image, command: ['true'] }] })).toEqual(['$.executors[0].image']);
  });

  it.each([
    'ubuntu',
    'quay.io/aptible/ubuntu',
    'myregistryhost:5000/fedora/httpd:version1.0',
    'docker://busybox',
    `alpine@sha256:${'0'.repeat(64)}`,
  ])('takes the image %s', async (image) => {
    await client.create({ executors: [{ image, command: ['true'] }] });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['no executors', { executors: [] }, '$.executors'],
    ['an empty command', { executors: [{ image: 'busybox', command: [] }] }, '$.executors[0].command'],
    ['an env key with =', { executors: [{ ...EXECUTOR, env: { 'A=B': 'x' } }] }, '$.executors[0].env'],
    ['an empty env key', { executors: [{ ...EXECUTOR, env: { '': 'x' } }] }, '$.executors[0].env'],
    ['NUL in an argument', { executors: [{ image: 'busybox', command: ['a\u0000b'] }] }, '$.executors[0].command[0]'],
    ['NUL in an env value', { executors: [{ ...EXECUTOR, env: { A: '\u0000' } }] }, '$.executors[0].env'],
    ['a relative stdin', { executors: [{ ...EXECUTOR, stdin: 'x' }] }, '$.executors[0].stdin'],
    ['a stdout outside', { executors: [{ ...EXECUTOR, stdout: '/../x' }] }, '$.executors[0].stdout'],
    ['an output without url', { outputs: [{ path: '/o' }] }, '$.outputs[0].url'],
    ['an input without url and content', { inputs: [{ path: '/i' }] }, '$.inputs[0]'],
    ['content on a DIRECTORY', { inputs: [{ path: '/i', content: 'x', type: 'DIRECTORY' }] }, '$.inputs[0]'],
    ['two different inputs on one path', { inputs: [{ path: '/i', content: 'x' }, { path: '/j/../i', content: 'y' }] }, '$.inputs[1]'], // prettier-ignore
    ['a wildcard without path_prefix', { outputs: [{ path: '/o/*', url: 'mem://o' }] }, '$.outputs[0].path_prefix'],
    ['a scheme that nobody serves', { inputs: [{ path: '/i', url: 'gopher://x/y' }] }, '$.inputs[0].url'],
    ['a URL that is none', { outputs: [{ path: '/o', url: 'no url' }] }, '$.outputs[0].url'],
    ['an unknown backend', { resources: { backend_parameters: { backend: 'nope' } } }, '$.resources.backend_parameters'],
    ['a limit that is no number', { resources: { backend_parameters: { max_runtime_seconds: 'long' } } }, '$.resources.backend_parameters'],
  ])('refuses %s', async (_what, task, path) => {
    const refused = await client.refusal({ ...TRUE_TASK, name: 'bad', ...task });
    expect(refused[0]).toMatch(new RegExp(`^${path.replaceAll(/[$.[\]]/g, '\\$&')}`));
  });

  it('takes the same input twice as one', async () => {
    const input = { path: '/i', content: 'x' };
    await client.create({ inputs: [input, input] });
  });

  it.each([
    ['a lone surrogate in an argument', '{"executors":[{"image":"busybox","command":["\\ud800"]}]}'],
    ['a lone surrogate in a tag', '{"executors":[{"image":"busybox","command":["x"]}],"tags":{"a":"\\udfff"}}'],
    ['a lone surrogate in a tag key', '{"executors":[{"image":"busybox","command":["x"]}],"tags":{"\\ud83d":"x"}}'],
    ['a lone surrogate in content', '{"executors":[{"image":"busybox","command":["x"]}],"inputs":[{"path":"/i","content":"\\udc00x"}]}'],
    ['a lone surrogate in a name', '{"executors":[{"image":"busybox","command":["x"]}],"name":"bad \\ud800"}'],
    ['NUL in env', '{"executors":[{"image":"busybox","command":["x"],"env":{"A\\u0000":"b"}}]}'],
  ])('refuses %s', async (_what, body) => {
    expect(await client.send('POST', `${V1}/tasks`, { body })).toMatchObject({ status: 400, json: { code: 'INVALID_TASK' } });
  });

  it('stores nothing of what it refuses', async () => {
    const refused = await client.post({ name: 'bad at the end', executors: [EXECUTOR], volumes: ['relative'] });
    expect(refused.status).toBe(400);
    expect((await client.page('name_prefix=bad')).ids).toEqual([]);
  });

  it('takes characters beyond the first plane', async () => {
    const id = await client.create({ name: 'ok 💩 \u{10ffff}' });
    expect((await client.task(id)).name).toBe('ok 💩 \u{10ffff}');
  });

  it('refuses bytes that are not UTF-8', async () => {
    const body = Buffer.concat([Buffer.from('{"name":"bad '), Buffer.from([0xff]), Buffer.from('","executors":[]}')]);
    expect(await client.send('POST', `${V1}/tasks`, { body })).toMatchObject({
      status: 400,
      json: { message: 'the body is not valid UTF-8' },
    });
  });

  it.each(['{', 'null', '[]', '"x"', '3', '', '{"executors":{}}', '{"executors":[[]]}', '{"executors":[null]}', '{"executors":"x"}'])(
    'answers 400 to the body %s',
    async (body) => {
      expect((await client.send('POST', `${V1}/tasks`, { body })).status).toBe(400);
    },
  );

  it('answers 400 to a body that is too deep, in every member', async () => {
    for (const key of ['tags', 'inputs', 'unknown', 'executors']) {
      const body = `{"executors":[],"${key}":${'['.repeat(10_000)}${']'.repeat(10_000)}}`;
      expect((await client.send('POST', `${V1}/tasks`, { body })).status).toBe(400);
    }
  });

  it('names every problem at once', async () => {
    const task = {
      executors: [{ image: '$(x)', command: [] }],
      inputs: [{ path: 'i', content: 'x' }],
      outputs: [{ path: '/proc/x', url: 'mem://o' }],
    };
    expect([...(await client.refusal(task))].sort()).toEqual([
      '$.executors[0].command',
      '$.executors[0].image',
      '$.inputs[0].path',
      '$.outputs[0].path',
    ]);
  });

  it('never answers 5xx, whatever is posted', async () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', '/', '/x', '..', '\u0000', '-', '$HOME', '*', '{a,b}', '[', '\\'),
      fc.double(),
      fc.constant(null),
      fc.boolean(),
    );
    const value: fc.Arbitrary<unknown> = fc.oneof(
      anything,
      fc.array(anything, { maxLength: 3 }),
      fc.dictionary(fc.string(), anything, { maxKeys: 3 }),
    );
    const record = (keys: readonly string[]): fc.Arbitrary<unknown> =>
      fc.record(Object.fromEntries(keys.map((key) => [key, value])), { requiredKeys: [] });
    const task = fc.record(
      {
        name: value,
        tags: value,
        volumes: value,
        inputs: fc.array(record(['path', 'url', 'content', 'type', 'name']), { maxLength: 2 }),
        outputs: fc.array(record(['path', 'url', 'path_prefix', 'type']), { maxLength: 2 }),
        resources: record(['cpu_cores', 'ram_gb', 'disk_gb', 'zones', 'backend_parameters', 'backend_parameters_strict']),
        executors: fc.array(record(['image', 'command', 'env', 'workdir', 'stdin', 'stdout', 'stderr', 'ignore_error']), { maxLength: 2 }),
      },
      { requiredKeys: ['executors'] },
    );
    await fc.assert(
      fc.asyncProperty(task, async (body) => {
        const answer = await client.post(body);
        expect([answer.status, answer.text]).toEqual([expect.any(Number), expect.stringMatching(/^\{/)]);
        expect([200, 400]).toContain(answer.status);
      }),
      { numRuns: 300 },
    );
  });

  it('never answers 5xx, whatever the query', async () => {
    const key = fc.constantFrom(
      'view',
      'state',
      'page_size',
      'page_token',
      'name_prefix',
      'tag_key',
      'tag_value',
      '',
      '%',
      'a%zz',
      '__proto__',
    );
    const text = fc.oneof(
      fc.constantFrom('', '%', '%00', '%ff', '%zz', '+', 'FULL', 'QUEUED', '1', '-1', '\u00ff'),
      fc.string().map(encodeURIComponent),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(key, text), { maxLength: 6 }), async (pairs) => {
        const answer = await send(gateway().port, 'GET', `/v1/tasks?${pairs.map(([name, word]) => `${name}=${word}`).join('&')}`);
        expect([200, 400]).toContain(answer.status);
        expect(answer.headers['content-type']).toMatch(/^application\/json/);
      }),
      { numRuns: 200 },
    );
  });

  it('never answers 5xx, whatever bytes stand in headers and path', async () => {
    const bytes = fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(bytes, bytes, async (path, header) => {
        const target = `/v1/tasks/${path.replaceAll(/[\r\n]/g, '')}`;
        const answer = await send(gateway().port, 'GET', target, { authorization: header.replaceAll(/[\r\n]/g, '') });
        expect(answer.status).toBeGreaterThanOrEqual(200);
        expect(answer.status).toBeLessThan(500);
      }),
      { numRuns: 200 },
    );
  });
});

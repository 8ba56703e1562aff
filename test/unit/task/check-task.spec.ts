import { checkTask } from '../../../src/task/check-task';
import { distinctInputs } from '../../../src/task/distinct-inputs';
import type { TesExecutor, TesInput, TesOutput, TesTaskRequest } from '../../../src/task/tes';

const LIMITS = { contentBytes: 16, outputPatterns: 1000 };
const EXECUTOR: TesExecutor = { image: 'alpine', command: ['true'] };

function problems(request: Partial<TesTaskRequest>): { path: string; message: string }[] {
  return checkTask({ executors: [EXECUTOR], ...request }, LIMITS, (url) => url.replace(/^file:/, ''));
}
const input = (members: Partial<TesInput>): TesInput => ({ url: '/data/x', path: '/in', type: 'FILE', ...members });
const output = (members: Partial<TesOutput>): TesOutput => ({ url: '/data/y', path: '/out', type: 'FILE', ...members });

/** Exactly one problem, at this JSON path, whose message says this. */
function expectProblem(request: Partial<TesTaskRequest>, path: string, message: string): void {
  expect(problems(request)).toEqual([{ path, message: expect.stringContaining(message) as string }]);
}

const BAD_PATHS: [path: string, message: string][] = [
  ['in', 'absolute'],
  ['', 'absolute'],
  ['../in', 'absolute'],
  ['/tmp/../..', "'..'"],
  ['/../etc/passwd', "'..'"],
  ['/a\0', 'NUL'],
  ['/a\udfff', 'Unicode'],
];
const RESERVED: [path: string, message: string][] = [
  ['/', 'root directory'],
  ['/a/..', 'root directory'],
  ['/proc', '/proc, /sys or /dev'],
  ['/proc/self', '/proc, /sys or /dev'],
  ['//sys/', '/proc, /sys or /dev'],
  ['/dev/shm', '/proc, /sys or /dev'],
  ['/tmp/../dev/null', '/proc, /sys or /dev'],
];

describe('paths', () => {
  it.each([...BAD_PATHS, ...RESERVED])('%j is refused as input, output, volume, stdin, stdout and stderr', (path, message) => {
    expectProblem({ inputs: [input({ path })] }, '$.inputs[0].path', message);
    expectProblem({ outputs: [output({ path })] }, '$.outputs[0].path', message);
    expectProblem({ volumes: ['/ok', path] }, '$.volumes[1]', message);
    for (const stream of ['stdin', 'stdout', 'stderr'] as const) {
      expectProblem({ executors: [{ ...EXECUTOR, [stream]: path }] }, `$.executors[0].${stream}`, message);
    }
  });
  it.each(BAD_PATHS)('%j is refused as workdir', (path, message) => {
    expectProblem({ executors: [{ ...EXECUTOR, workdir: path }] }, '$.executors[0].workdir', message);
  });
  it('the root is fine as workdir (Galaxy sends it)', () => {
    expect(problems({ executors: [{ ...EXECUTOR, workdir: '/' }] })).toEqual([]);
  });
  it('names that only look reserved are fine', () => {
    expect(problems({ inputs: [input({ path: '/process/x' })], volumes: ['/device/', '/a/proc'] })).toEqual([]);
  });
});

describe('executors', () => {
  it('must be there', () => expectProblem({ executors: [] }, '$.executors', 'at least one'));
  it('need a program', () => {
    expectProblem({ executors: [{ ...EXECUTOR, command: [] }] }, '$.executors[0].command', 'program');
    expectProblem({ executors: [{ ...EXECUTOR, command: [''] }] }, '$.executors[0].command[0]', 'program');
    expect(problems({ executors: [{ ...EXECUTOR, command: ['x', ''] }] })).toEqual([]);
  });
  it.each(['--privileged -v /:/h alpine', '$(x)', 'alpine\nx', '', 'Alpine', '-it'])('do not take %j for an image', (image) => {
    expectProblem({ executors: [EXECUTOR, { ...EXECUTOR, image }] }, '$.executors[1].image', 'image reference');
  });
  it.each(['alpine:3', 'docker://quay.io/x/y@sha256:' + 'a'.repeat(64), '/images/x.sif'])('take %j for an image', (image) => {
    expect(problems({ executors: [{ ...EXECUTOR, image }] })).toEqual([]);
  });
  it('take any argument that the kernel takes, and no other', () => {
    expect(
      problems({ executors: [{ ...EXECUTOR, command: ['sh', '-c', '$(id) `x` \n\x01 "\'\\ ü 😀', '--', '-x', 'a'.repeat(65536)] }] }),
    ).toEqual([]);
    expectProblem({ executors: [{ ...EXECUTOR, command: ['x', 'a\0b'] }] }, '$.executors[0].command[1]', 'NUL');
    expectProblem({ executors: [{ ...EXECUTOR, command: ['x', '\ud800'] }] }, '$.executors[0].command[1]', 'Unicode');
  });
  it('take any environment that the kernel takes, and no other', () => {
    expect(problems({ executors: [{ ...EXECUTOR, env: { 'A.B': '=', LD_PRELOAD: '', '1 x': '\n', ü: '😀' } }] })).toEqual([]);
    const env = (key: string, value: string): Partial<TesTaskRequest> => ({ executors: [{ ...EXECUTOR, env: { [key]: value } }] });
    expectProblem(env('A=B', 'x'), '$.executors[0].env["A=B"]', "'='");
    expectProblem(env('', 'x'), '$.executors[0].env[""]', 'name');
    expectProblem(env('A\0', 'x'), '$.executors[0].env["A\\u0000"]', 'NUL');
    expectProblem(env('A', 'x\0'), '$.executors[0].env.A', 'NUL');
    expectProblem(env('A', '\udc00'), '$.executors[0].env.A', 'Unicode');
    expectProblem(env('\udc00', 'x'), '$.executors[0].env["\\udc00"]', 'Unicode');
  });
});

describe('inputs', () => {
  it('need a url unless content is given', () => {
    expectProblem({ inputs: [{ path: '/in', type: 'FILE' }] }, '$.inputs[0].url', 'unless content');
    expectProblem({ inputs: [{ path: '/in', type: 'FILE', content: '' }] }, '$.inputs[0].url', 'content is empty');
    expect(problems({ inputs: [input({ content: '' }), { path: '/b', type: 'FILE', content: 'x' }] })).toEqual([]);
  });
  it('take content only for a file', () => {
    expectProblem({ inputs: [input({ type: 'DIRECTORY', content: 'x' })] }, '$.inputs[0].content', 'DIRECTORY');
    expect(problems({ inputs: [input({ type: 'DIRECTORY', content: '' })] })).toEqual([]);
  });
  it('take content up to the limit, counted in bytes, and name the setting', () => {
    expect(problems({ inputs: [input({ content: 'ä'.repeat(8) })] })).toEqual([]);
    expectProblem(
      { inputs: [input({ content: 'ä'.repeat(8) + 'x' })] },
      '$.inputs[0].content',
      '16 bytes this server takes (setting api.content_limit_bytes)',
    );
  });
  it('take content that is text, NUL included', () => {
    expect(problems({ inputs: [input({ content: 'a\0b' })] })).toEqual([]);
    expectProblem({ inputs: [input({ content: 'a\ud800' })] }, '$.inputs[0].content', 'Unicode');
  });
  it.each([
    ['relative/path', 'absolute path'],
    ['', 'absolute path'],
    ['/a\0', 'NUL'],
    ['/a\ud800', 'Unicode'],
    ['ftp://h/a\r\nDELE x', 'control characters'],
  ])('do not take %j for a url', (url, message) => expectProblem({ inputs: [input({ url })] }, '$.inputs[0].url', message));
  it('take every form of url that clients send, as it is (contract 11)', () => {
    for (const url of [
      '/data/x',
      '/data/a\nb',
      'file:///x',
      's3://b/k',
      'gs://b/k',
      'az://c/p',
      'ftp://u:p@h/x',
      'https://h/x?a=b&c',
      'drs://h/1',
    ]) {
      expect(problems({ inputs: [input({ url })] })).toEqual([]);
    }
  });
  it('ignore the url beside content', () => {
    expect(problems({ inputs: [input({ url: 'whatever', content: 'x' })] })).toEqual([]);
  });
  it('on one path must be the same', () => {
    const twice = [input({ path: '/in/a' }), input({ path: '/in/./b/../a', name: 'again', streamable: true })];
    expect(problems({ inputs: twice })).toEqual([]);
    expect(distinctInputs(twice).map(({ index, path }) => [index, path])).toEqual([[0, '/in/a']]);
    for (const other of [{ url: '/data/z' }, { type: 'DIRECTORY' }, { content: 'x' }] as const) {
      expectProblem({ inputs: [input({ path: '/in/a' }), input({ path: '/in//a', ...other })] }, '$.inputs[1].path', '$.inputs[0]');
    }
    expect(problems({ inputs: [input({ content: 'x' }), input({ content: 'x', url: '/other' })] })).toEqual([]);
  });
  it('on one path are the same when their URLs name one object', () => {
    expect(problems({ inputs: [input({ url: '/data/a' }), input({ url: 'file:/data/a' })] })).toEqual([]);
    expectProblem({ inputs: [input({ url: '/data/a' }), input({ url: 'file:/data/b' })] }, '$.inputs[1].path', '$.inputs[0]');
    expectProblem({ inputs: [input({ url: '/data/a' }), { path: '/in', type: 'FILE', content: 'x' }] }, '$.inputs[1].path', '$.inputs[0]');
  });
  it('cannot lie below a file, in whatever order they come', () => {
    expectProblem({ inputs: [input({ path: '/a' }), input({ path: '/a/b/c' })] }, '$.inputs[1].path', 'below /a');
    expectProblem({ inputs: [input({ path: '/a/b' }), input({ path: '/a/' })] }, '$.inputs[0].path', 'below /a');
    const deep = '/d'.repeat(30);
    expectProblem({ inputs: [input({ path: deep }), input({ path: `${deep}/b` })] }, '$.inputs[1].path', `below ${deep}`);
    expect(problems({ inputs: [input({ path: '/a', type: 'DIRECTORY' }), input({ path: '/a/b' }), input({ path: '/ab' })] })).toEqual([]);
  });
  it('cannot make a volume a file', () => {
    expectProblem({ inputs: [input({ path: '/v' })], volumes: ['/v/'] }, '$.volumes[0]', '/v a file');
    expectProblem({ inputs: [input({ path: '/v' })], volumes: ['/v/w'] }, '$.volumes[0]', '/v a file');
    expect(
      problems({ inputs: [input({ path: '/v/a' }), input({ path: '/d', type: 'DIRECTORY' })], volumes: ['/v', '/d', '/d/e'] }),
    ).toEqual([]);
  });
});

describe('outputs', () => {
  it('need a url', () => {
    const { url: _gone, ...withoutUrl } = output({});
    expectProblem({ outputs: [withoutUrl as TesOutput] }, '$.outputs[0].url', 'required');
    expectProblem({ outputs: [output({ url: 'x' })] }, '$.outputs[0].url', 'absolute path');
  });
  it('with wildcards need a path_prefix that the path begins with', () => {
    expectProblem({ outputs: [output({ path: '/out/*' })] }, '$.outputs[0].path_prefix', 'required');
    expectProblem({ outputs: [output({ path: '/out/a?' })] }, '$.outputs[0].path_prefix', 'required');
    expectProblem({ outputs: [output({ path: '/output/*', path_prefix: '/out' })] }, '$.outputs[0].path_prefix', 'begins with');
    expect(problems({ outputs: [output({ path: '/out/*.{bam,bai}', path_prefix: '/out' })] })).toEqual([]);
  });
  it('without wildcards ignore it, and brackets alone are part of a name (Nextflow)', () => {
    expect(
      problems({ outputs: [output({ path_prefix: 'nonsense' }), output({ path: '/out/a[1].txt' }), output({ path: '/out/{a,b}' })] }),
    ).toEqual([]);
  });
  it('may overlap with inputs, volumes and each other (fine print 50)', () => {
    expect(
      problems({ inputs: [input({ path: '/a' })], outputs: [output({ path: '/a' }), output({ path: '/v/x' })], volumes: ['/v'] }),
    ).toEqual([]);
  });
});

describe('texts', () => {
  const bad = 'x\ud800';
  it('that are only shown have to be Unicode', () => {
    expectProblem({ name: bad }, '$.name', 'Unicode');
    expectProblem({ description: bad }, '$.description', 'Unicode');
    expectProblem({ tags: { a: bad } }, '$.tags.a', 'Unicode');
    expectProblem({ tags: { [bad]: 'a' } }, '$.tags["x\\ud800"]', 'Unicode');
    expectProblem({ resources: { zones: ['z', bad] } }, '$.resources.zones[1]', 'Unicode');
    expectProblem({ resources: { backend_parameters: { k: bad } } }, '$.resources.backend_parameters.k', 'Unicode');
    expectProblem({ inputs: [input({ name: bad })] }, '$.inputs[0].name', 'Unicode');
    expectProblem({ outputs: [output({ description: bad })] }, '$.outputs[0].description', 'Unicode');
  });
  it('are otherwise free, __proto__ as a tag included', () => {
    expect(
      problems({ name: "'hello' a/b 1", description: '', tags: JSON.parse('{"__proto__":"","":"x"}') as Record<string, string> }),
    ).toEqual([]);
  });
});

describe('several problems', () => {
  it('are all reported at once', () => {
    const request = { executors: [{ image: '$(x)', command: [] }], inputs: [input({ path: 'a' })], outputs: [output({ path: '/proc' })] };
    expect(problems(request).map(({ path }) => path)).toEqual([
      '$.executors[0].image',
      '$.executors[0].command',
      '$.inputs[0].path',
      '$.outputs[0].path',
    ]);
  });
  it('are reported up to a limit', () => {
    const found = problems({ volumes: Array.from({ length: 1000 }, () => 'x') });
    expect(found).toHaveLength(51);
    expect(found.at(-1)?.message).toContain('more problems');
  });
  it('are looked for in time proportional to the request', () => {
    const inputs = Array.from({ length: 20_000 }, (_, index) => input({ path: `/in/${index}/a/b/c` }));
    expect(problems({ inputs, volumes: inputs.map(({ path }) => `${path}/d`) })).toHaveLength(51);
  });
});

import fc from '../../../support/property';
import { readTask } from '../../../../src/api/tasks/task-document';
import { InvalidTask, type Problem } from '../../../../src/ports/errors';

const executor = { image: 'busybox', command: ['true'] };

function problemsOf(body: unknown): readonly Problem[] {
  try {
    readTask(body);
  } catch (error) {
    if (error instanceof InvalidTask) return error.details ?? [];
    throw error;
  }
  return [];
}

describe('readTask', () => {
  it('takes every member of TES 1.1', () => {
    const task = {
      name: 'n',
      description: 'd',
      inputs: [{ name: 'i', description: 'd', url: 's3://b/k', path: '/in', type: 'FILE', content: '', streamable: true }],
      outputs: [{ name: 'o', description: 'd', url: 's3://b/o', path: '/out/*', path_prefix: '/out', type: 'DIRECTORY' }],
      resources: {
        cpu_cores: 0.5,
        preemptible: true,
        ram_gb: 0.5,
        disk_gb: 1e3,
        zones: ['a'],
        backend_parameters: { VmSize: 'x' },
        backend_parameters_strict: true,
      },
      executors: [{ ...executor, workdir: '/w', stdin: '/i', stdout: '/o', stderr: '/e', env: { A: '' }, ignore_error: true }, executor],
      volumes: ['/vol'],
      tags: { a: '', __proto__x: 'y' },
    };
    expect(readTask(task)).toEqual(task);
  });

  it('names what it does not know beside what is missing', () => {
    const misspelt = { executors: [{ image: 'busybox', comand: ['true'] }] };
    expect(() => readTask(misspelt)).toThrow('not a TES task: $.executors[0].command is required; ignored: executors[0].comand');
  });

  it.each([[undefined], [null], ['text'], [3], [true], [[]], [[executor]]])('refuses a body that is no object: %j', (body) => {
    expect(problemsOf(body)).toEqual([{ path: '$', message: 'must be an object: a TES task' }]);
  });

  it('names everything that is wrong at once, each with its JSON path', () => {
    const body = {
      name: 1,
      executors: [{ image: ['x'], command: ['sh', 7, null] }, 'x', { command: 'true' }],
      inputs: [{ path: 1, type: 'LINK', streamable: 'yes' }, null, []],
      outputs: [{ path: '/o' }],
      resources: { cpu_cores: '1.5', ram_gb: '4', disk_gb: -1, zones: 'here', preemptible: 0, backend_parameters: { a: 1, b: {} } },
      volumes: [1],
      tags: { fine: 'x', 'not fine': 2, list: [] },
    };
    expect(problemsOf(body)).toEqual([
      { path: '$.name', message: 'must be a string' },
      { path: '$.inputs[0].path', message: 'must be a string' },
      { path: '$.inputs[0].type', message: 'must be one of FILE, DIRECTORY' },
      { path: '$.inputs[0].streamable', message: 'must be true or false' },
      { path: '$.inputs[1]', message: 'must be an object' },
      { path: '$.inputs[2]', message: 'must be an object' },
      { path: '$.outputs[0].url', message: 'is required' },
      { path: '$.resources.cpu_cores', message: 'must be a number' },
      { path: '$.resources.preemptible', message: 'must be true or false' },
      { path: '$.resources.ram_gb', message: 'must be a number' },
      { path: '$.resources.disk_gb', message: 'must not be negative' },
      { path: '$.resources.zones', message: 'must be a list' },
      { path: '$.resources.backend_parameters.a', message: 'must be a string' },
      { path: '$.resources.backend_parameters.b', message: 'must be a string' },
      { path: '$.executors[0].image', message: 'must be a string' },
      { path: '$.executors[0].command[1]', message: 'must be a string' },
      { path: '$.executors[0].command[2]', message: 'must be a string' },
      { path: '$.executors[1]', message: 'must be an object' },
      { path: '$.executors[2].image', message: 'is required' },
      { path: '$.executors[2].command', message: 'must be a list' },
      { path: '$.volumes[0]', message: 'must be a string' },
      { path: '$.tags["not fine"]', message: 'must be a string' },
      { path: '$.tags.list', message: 'must be a string' },
    ]);
  });

  it.each([2 ** 31, 1e400, -1, -0.5, '4', true])('refuses %p cores', (cores) => {
    expect(problemsOf({ executors: [executor], resources: { cpu_cores: cores } })).toHaveLength(1);
  });

  it.each([
    ['ram_gb', Infinity],
    ['disk_gb', NaN],
    ['ram_gb', -0.1],
    ['disk_gb', '1'],
  ])('refuses %s = %p', (key, value) => {
    expect(problemsOf({ executors: [executor], resources: { [key]: value } })).toHaveLength(1);
  });

  it.each([['tags'], ['volumes'], ['inputs'], ['outputs'], ['resources'], ['executors']])('refuses text and numbers as %s', (key) => {
    expect(problemsOf({ executors: [executor], [key]: 'x' })).toHaveLength(1);
    expect(problemsOf({ executors: [executor], [key]: 1 })).toHaveLength(1);
  });

  it.each([['tags'], ['resources']])('refuses a list as %s', (key) => {
    expect(problemsOf({ executors: [executor], [key]: [] })).toEqual([{ path: `$.${key}`, message: 'must be an object' }]);
  });

  it('names at most a hundred problems, and says how many there are', () => {
    const body = { executors: [{ image: 'x', command: Array.from({ length: 5000 }, () => 1) }] };
    expect(problemsOf(body)).toHaveLength(100);
    expect(() => readTask(body)).toThrow(/^not a TES task: \$\.executors\[0\]\.command\[0\] must be a string \(and 4999 more\)$/);
  });

  it('keeps a tag called __proto__ as a tag', () => {
    const task = readTask(JSON.parse(`{"executors":[${JSON.stringify(executor)}],"tags":{"__proto__":"x"}}`));
    expect(Object.entries(task.tags ?? {})).toEqual([['__proto__', 'x']]);
  });

  it('names a bad value under __proto__ as well', () => {
    expect(problemsOf(JSON.parse('{"executors":[],"tags":{"__proto__":1}}'))).toEqual([
      { path: '$.tags.__proto__', message: 'must be a string' },
    ]);
  });

  it('answers any JSON whatever with a task or with problems', () => {
    const keys = ['name', 'executors', 'inputs', 'outputs', 'resources', 'tags', 'volumes', 'command', 'image', 'path', 'env', '__proto__'];
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 4 }, fc.jsonValue({ maxDepth: 1 }), fc.array(tie('tree'), { maxLength: 3 }), tie('object')),
      object: fc.dictionary(fc.constantFrom(...keys), tie('tree'), { maxKeys: 5 }),
    }));
    fc.assert(
      fc.property(tree, (body) => {
        const problems = problemsOf(body);
        if (problems.length > 0) return;
        const task = readTask(body);
        expect(
          task.executors.every(({ image, command }) => typeof image === 'string' && command.every((arg) => typeof arg === 'string')),
        ).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

it('a list of nothing but wrong elements is not looked at to its end', () => {
  const error = (() => {
    try {
      readTask({ executors: [executor], volumes: Array.from({ length: 1_000_000 }, () => 1) });
    } catch (thrown) {
      return thrown as Error;
    }
    return undefined;
  })();
  expect(error?.message).toContain('$.volumes[0] must be a string (and 9999 more)');
});

import fc from '../../support/property';
import { normalizeTask } from '../../../src/task/normalize-task';

const executor = { image: 'alpine', command: ['true'] };

describe('null', () => {
  it('is absent in every optional member (contract 6)', () => {
    const body = {
      id: null,
      state: null,
      name: null,
      description: null,
      inputs: null,
      outputs: null,
      resources: null,
      executors: [{ ...executor, workdir: null, stdin: null, stdout: null, stderr: null, env: null, ignore_error: null }],
      volumes: null,
      tags: null,
      logs: null,
      creation_time: null,
    };
    expect(normalizeTask(body)).toStrictEqual({ executors: [executor] });
  });
  it('is absent in members of inputs, outputs and resources', () => {
    const body = {
      inputs: [{ name: null, description: null, url: 'u', path: '/p', type: null, content: null, streamable: null }],
      outputs: [{ name: null, description: null, url: 'u', path: '/p', path_prefix: null, type: null }],
      resources: {
        cpu_cores: null,
        preemptible: null,
        ram_gb: null,
        disk_gb: null,
        zones: null,
        backend_parameters: null,
        backend_parameters_strict: null,
      },
      executors: [executor],
    };
    expect(normalizeTask(body)).toStrictEqual({
      inputs: [{ url: 'u', path: '/p', type: 'FILE' }],
      outputs: [{ url: 'u', path: '/p', type: 'FILE' }],
      resources: {},
      executors: [executor],
    });
  });
  it('is absent as a value in tags, env and backend_parameters (contract 7)', () => {
    const body = {
      resources: { backend_parameters: { a: null, b: 'x' } },
      executors: [{ ...executor, env: { A: null, B: '' } }],
      tags: { parent_workflow_id: null, workflow_id: 'w', empty: '' },
    };
    expect(normalizeTask(body)).toStrictEqual({
      resources: { backend_parameters: { b: 'x' } },
      executors: [{ ...executor, env: { B: '' } }],
      tags: { workflow_id: 'w', empty: '' },
    });
  });
  it('stays inside a list, where dropping it would change what is meant', () => {
    const body = { executors: [null, { image: 'a', command: ['x', null] }], volumes: [null], inputs: [null] };
    expect(normalizeTask(body)).toStrictEqual(body);
  });
});

describe('the empty string', () => {
  it('is absent where web forms send it', () => {
    const body = {
      inputs: [{ url: '', path: '/a', type: '', content: 'x' }],
      outputs: [{ url: '', path: '/b', path_prefix: '', type: '' }],
      executors: [{ ...executor, workdir: '', stdin: '', stdout: '', stderr: '' }],
    };
    expect(normalizeTask(body)).toStrictEqual({
      inputs: [{ path: '/a', type: 'FILE', content: 'x' }],
      outputs: [{ path: '/b', type: 'FILE' }],
      executors: [executor],
    });
  });
  it('stays where it means something', () => {
    const body = {
      name: '',
      description: '',
      inputs: [{ url: 'u', path: '', type: 'FILE', content: '' }],
      executors: [{ image: '', command: ['x', ''], env: { A: '' } }],
      volumes: [''],
      tags: { a: '' },
    };
    expect(normalizeTask(body)).toStrictEqual(body);
  });
});

describe('members', () => {
  it('that are read-only or unknown are removed at every level (contract 8, fine print 17)', () => {
    const extra = { id: 'x', cpuCores: 1, state: 'COMPLETE', logs: [], creation_time: 't' };
    const body = {
      ...extra,
      inputs: [{ url: 'u', path: '/p', ...extra }],
      outputs: [{ url: 'u', path: '/p', ...extra }],
      resources: { cpu_cores: 1, ...extra },
      executors: [{ ...executor, ...extra }],
    };
    expect(normalizeTask(body)).toStrictEqual({
      inputs: [{ url: 'u', path: '/p', type: 'FILE' }],
      outputs: [{ url: 'u', path: '/p', type: 'FILE' }],
      resources: { cpu_cores: 1 },
      executors: [executor],
    });
  });
  it('that TES knows all stay', () => {
    const body = {
      name: 'n',
      description: 'd',
      inputs: [{ name: 'n', description: 'd', url: 'u', path: '/p', type: 'DIRECTORY', content: 'c', streamable: true }],
      outputs: [{ name: 'n', description: 'd', url: 'u', path: '/p/*', path_prefix: '/p', type: 'DIRECTORY' }],
      resources: {
        cpu_cores: 1,
        preemptible: false,
        ram_gb: 0.5,
        disk_gb: 1,
        zones: ['z'],
        backend_parameters: { k: 'v' },
        backend_parameters_strict: true,
      },
      executors: [
        { image: 'i', command: ['c'], workdir: '/w', stdin: '/i', stdout: '/o', stderr: '/e', env: { A: 'b' }, ignore_error: true },
      ],
      volumes: ['/v'],
      tags: { a: 'b' },
    };
    expect(normalizeTask(body)).toStrictEqual(body);
  });
  it('that are absent stay absent, lists too', () => {
    expect(normalizeTask({ executors: [] })).toStrictEqual({ executors: [] });
    expect(normalizeTask({})).toStrictEqual({});
  });
  it('of the wrong type stay for the validator to name', () => {
    const body = { name: 1, inputs: 'x', outputs: { a: 1 }, resources: [], executors: [[], 'x', 1], volumes: {}, tags: ['a'] };
    expect(normalizeTask(body)).toStrictEqual(body);
    expect(normalizeTask({ executors: { 0: executor }, tags: { a: 1, b: {} } })).toStrictEqual({
      executors: { 0: executor },
      tags: { a: 1, b: {} },
    });
  });
});

it.each([null, true, 1, 'x', [], [{}]])('a body that is no object (%j) is left to the validator', (body) => {
  expect(normalizeTask(body)).toBe(body);
});

describe('__proto__', () => {
  it('as a tag is just a tag', () => {
    const text = '{"tags":{"__proto__":"x","constructor":"y","gone":null},"executors":[]}';
    const normalised = normalizeTask(JSON.parse(text)) as { tags: object };
    expect(JSON.stringify(normalised)).toBe('{"executors":[],"tags":{"__proto__":"x","constructor":"y"}}');
    expect(Object.getPrototypeOf(normalised.tags)).toBe(Object.prototype);
  });
  it('as a member is unknown, and nothing is read through it', () => {
    const body: unknown = JSON.parse('{"__proto__":{"name":"x"},"executors":[{"__proto__":{"image":"x"}}]}');
    expect(JSON.stringify(normalizeTask(body))).toBe('{"executors":[{}]}');
  });
});

describe('any JSON document', () => {
  const document = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 5 }, fc.constantFrom(null, '', 'x', 1, true), fc.array(tie('value'), { maxLength: 3 }), tie('object')),
    object: fc.dictionary(
      fc.constantFrom(
        'name',
        'inputs',
        'outputs',
        'resources',
        'executors',
        'tags',
        'type',
        'url',
        'env',
        'id',
        '__proto__',
        'stdin',
        'backend_parameters',
      ),
      tie('value'),
      { maxKeys: 6 },
    ),
  })).value;
  it('is normalised without throwing, is not changed itself, and is the same after a second time', () => {
    fc.assert(
      fc.property(document, (body) => {
        const before = JSON.stringify(body);
        const once = normalizeTask(body);
        expect(JSON.stringify(body)).toBe(before);
        expect(JSON.stringify(normalizeTask(once))).toBe(JSON.stringify(once));
      }),
      { numRuns: 1000 },
    );
  });
});

import { normalizeTask } from '../../../src/task/normalize-task';
import { ignoredMembers } from '../../../src/task/ignored-members';
import fc from '../../support/property';

const executor = { image: 'alpine', command: ['true'] };

describe('members that TES does not know are named', () => {
  it.each<[string, object, string]>([
    [
      'in an executor',
      { executors: [executor, { ...executor, work_dir: '/w', environment: {} }] },
      'executors[1].work_dir, executors[1].environment',
    ],
    ['in resources', { resources: { cpus: 1, ram_gb: 1 } }, 'resources.cpus'],
    ['in inputs and outputs', { inputs: [{ path: '/i', src: 'x' }], outputs: [{ dst: 'x' }] }, 'inputs[0].src, outputs[0].dst'],
    ['at the top', { resource: {}, output: [], ID: 'x' }, 'resource, output, ID'],
    ['with what is read-only elsewhere', { executors: [{ ...executor, id: 'x', logs: [] }] }, 'executors[0].id, executors[0].logs'],
    [
      'with keys that objects have',
      JSON.parse('{"__proto__": 1, "constructor": 2, "toString": 3}') as object,
      '__proto__, constructor, toString',
    ],
    ['with odd keys', { 'a, b': 1, '': 1, '0': 1, tags: {}, resources: { 'x"y': 1 } }, '["0"], ["a, b"], [""], resources["x\\"y"]'],
  ])('%s', (_, body, names) => {
    expect(ignoredMembers(body)).toBe(`ignored: ${names}`);
  });

  it('but not what means "absent", what the server sets, and keys of maps', () => {
    const body = {
      id: 'x',
      state: 'COMPLETE',
      creation_time: 'x',
      logs: [{ anything: 1 }],
      foo: null,
      executors: [{ ...executor, bar: null, env: { anything: 'x' } }],
      resources: { backend_parameters: { anything: 'x' } },
      tags: { anything: 'x' },
    };
    expect(ignoredMembers(body)).toBeUndefined();
  });

  it.each([[undefined], [null], ['x'], [[{ a: 1 }]], [{ executors: [null, 'x', [{ a: 1 }]], inputs: { path: '/' } }]])(
    'nowhere in what has the wrong type: %j',
    (body) => {
      expect(ignoredMembers(body)).toBeUndefined();
    },
  );

  it('twenty of them, and the number of the others', () => {
    const inputs = Array.from({ length: 20_000 }, () => ({ path: '/i', size: 1 }));
    const line = ignoredMembers({ inputs }) ?? '';
    expect(line).toMatch(/^ignored: inputs\[0\]\.size, .*, inputs\[19\]\.size and 19980 more$/);
  });

  it('in at most a hundred characters each', () => {
    for (const key of ['x'.repeat(2_000_000), '\u0000'.repeat(200), `${'x'.repeat(96)}\u{1f600}\u{1f600}`, ' '.repeat(95)]) {
      const name = ignoredMembers({ inputs: [{ [key]: 1 }] })?.slice('ignored: '.length) ?? '';
      expect([name.length <= 100, name.isWellFormed(), name.endsWith('...')]).toEqual([true, true, true]);
    }
    expect(ignoredMembers({ ['x'.repeat(100)]: 1 })).toBe(`ignored: ${'x'.repeat(100)}`);
  });

  it('without characters that are not seen or change how text is shown', () => {
    const key = 'a\n\r\t\u0000\u001b[2J\u007f\u0085\u00a0\u200b\u202e\u2028\ufeff\u{e0041}';
    expect(ignoredMembers({ [key]: 1 })).toBe(
      'ignored: ["a\\n\\r\\t\\u0000\\u001b[2J\\u007f\\u0085\\u00a0\\u200b\\u202e\\u2028\\ufeff\\udb40\\udc41"]',
    );
    expect(ignoredMembers({ 'a\ud800': 1 })).toBe('ignored: ["a\ufffd"]');
  });

  it('so that nothing is left to name once a body is normalised', () => {
    const members = fc.dictionary(fc.constantFrom('path', 'image', 'cpu_cores', 'id', 'x', '\u202e'), fc.jsonValue());
    const body = fc.record(
      { executors: fc.array(members), inputs: fc.array(members), resources: members, y: members },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(body, (task) => {
        expect(ignoredMembers(normalizeTask(task))).toBeUndefined();
        expect(ignoredMembers(task) !== undefined || !('y' in task)).toBe(true);
      }),
    );
  });
});

import fc from '../../support/property';
import type { TaskRecord } from '../../../src/task/task-record';
import { renderTask } from '../../../src/task/task-view';
import type { TesTaskRequest } from '../../../src/task/tes';
import { attempt, EXECUTOR, record, REQUEST, view } from './view-fixtures';

describe('any task', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('"content":', '"url":"ftp://u:p@h', 'a@b', '\\', '\u2028'));
  const optional = { requiredKeys: [] };
  const map = fc.dictionary(fc.oneof(text, fc.constantFrom('url', 'content', '__proto__')), text, { maxKeys: 3, noNullPrototype: true });
  const url = fc.oneof(fc.constantFrom('/data/x', 's3://b/k@v', 'ftp://user:pw@host/x', 'http:u:p@h'), text);
  const type = fc.constantFrom('FILE' as const, 'DIRECTORY' as const);
  const request = fc.record(
    {
      name: text,
      inputs: fc.array(fc.record({ url, path: text, type, content: text }, { requiredKeys: ['path', 'type'] }), { maxLength: 3 }),
      outputs: fc.array(fc.record({ url, path: text, type }), { maxLength: 2 }),
      resources: fc.record({ backend_parameters: map, zones: fc.array(text, { maxLength: 2 }) }, optional),
      executors: fc.array(
        fc.record({ image: text, command: fc.array(text, { maxLength: 2 }), env: map }, { requiredKeys: ['image', 'command'] }),
        {
          minLength: 1,
          maxLength: 2,
        },
      ),
      tags: map,
    },
    { requiredKeys: ['executors'] },
  );
  const overlay = fc.record(
    {
      inputTypes: fc.dictionary(fc.constantFrom('0', '1'), type),
      outputTypes: fc.dictionary(fc.constantFrom('0', '1'), type),
      droppedParameters: fc.array(fc.constantFrom('url', 'content', '__proto__'), { maxLength: 2 }),
    },
    optional,
  );
  // An independent statement of the rules, on the parsed document.
  function expected(source: TesTaskRequest, learned: TaskRecord['overlay'], name: 'BASIC' | 'FULL'): unknown {
    const document = JSON.parse(JSON.stringify(source)) as TesTaskRequest;
    const shown = (address: string): string =>
      address.replace('user:pw@', '').replace('http:u:p@h', 'http:h').replace('ftp://u:p@h', 'ftp://h');
    document.inputs?.forEach((input, index) => {
      if (input.url !== undefined && !input.url.startsWith('"')) input.url = shown(input.url);
      input.type = learned.inputTypes?.[index] ?? input.type;
      if (name === 'BASIC') delete input.content;
    });
    document.outputs?.forEach((output, index) => {
      if (!output.url.startsWith('"')) output.url = shown(output.url);
      output.type = learned.outputTypes?.[index] ?? output.type;
    });
    const parameters = document.resources?.backend_parameters;
    if (parameters && learned.droppedParameters) {
      for (const key of Object.keys(parameters)) if (learned.droppedParameters.includes(key.toLowerCase())) delete parameters[key];
      if (Object.keys(parameters).length === 0) delete document.resources?.backend_parameters;
    }
    return document;
  }
  it.each(['BASIC', 'FULL'] as const)('looks in %s as if its document had been parsed, changed and written again', (name) => {
    fc.assert(
      fc.property(request, fc.oneof(fc.constant({}), overlay), (source, learned) => {
        const document = source as TesTaskRequest;
        const { id, state, creation_time, ...rest } = view(name, { overlay: learned }, document);
        expect([id, state, creation_time]).toEqual(['c0ffee', 'RUNNING', '2026-11-22T10:00:00.000Z']);
        expect(JSON.stringify(rest)).toBe(JSON.stringify(expected(document, learned as TaskRecord['overlay'], name)));
      }),
      { numRuns: 1000 },
    );
  });
});

it('a request in which nothing changes is never parsed', () => {
  const parse = jest.spyOn(JSON, 'parse');
  const { inputs: _inputs, ...plain } = REQUEST;
  renderTask({ task: record({ attempts: [attempt({ executors: [EXECUTOR] })] }), requestJson: JSON.stringify(plain) }, 'BASIC', {});
  renderTask({ task: record({}), requestJson: JSON.stringify(REQUEST) }, 'FULL', {});
  expect(parse).not.toHaveBeenCalled();
  parse.mockRestore();
});

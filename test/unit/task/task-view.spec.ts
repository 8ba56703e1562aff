import fc from 'fast-check';
import type { AttemptRecord, ExecutorRecord, TaskNeeds, TaskRecord } from '../../../src/task/task-record';
import { renderList, renderMinimal, renderTask, type ViewSource } from '../../../src/task/task-view';
import { TES_STATES, type TesTask, type TesTaskRequest, type TesView } from '../../../src/task/tes';

const NEEDS: TaskNeeds = {
  cpuCores: 1,
  ramGb: 1,
  schemes: [],
  parameterKeys: [],
  strict: false,
  preemptible: false,
  maxRuntimeSeconds: 60,
  hasInputs: true,
  hasOutputs: true,
  executorCount: 1,
};
const START = Date.UTC(2026, 10, 22, 10, 0, 0);

const REQUEST: TesTaskRequest = {
  name: 'md5',
  description: 'd',
  inputs: [
    { name: 'n', description: 'd', url: '/data/x', path: '/in/x', type: 'FILE', streamable: true },
    { path: '/in/y', type: 'FILE', content: 'secret "content": "url":"ftp://u:p@h/"' },
  ],
  outputs: [{ name: 'n', url: '/data/y', path: '/out/*', path_prefix: '/out', type: 'FILE' }],
  resources: {
    cpu_cores: 1,
    ram_gb: 0.5,
    disk_gb: 1,
    preemptible: false,
    zones: ['z'],
    backend_parameters: { VmSize: 'big', Backend: 'local' },
    backend_parameters_strict: false,
  },
  executors: [
    {
      image: 'alpine',
      command: ['md5sum'],
      workdir: '/w',
      stdin: '/in/x',
      stdout: '/out/o',
      stderr: '/out/e',
      env: { A: 'b' },
      ignore_error: true,
    },
  ],
  volumes: ['/v'],
  tags: { a: '', __PROTO__: 'x' },
};

const EXECUTOR: ExecutorRecord = {
  exitCode: 3,
  startedAt: START + 1000,
  endedAt: START + 2500,
  stdout: { text: 'out\u0000\ufffd', totalBytes: 5 },
  stderr: { text: '', totalBytes: 0 },
};
function attempt(members: Partial<AttemptRecord>): AttemptRecord {
  return { attempt: 1, backend: 'local', startedAt: START, executors: [], outputs: [], systemLogs: [], metadata: {}, ...members };
}
function record(members: Partial<TaskRecord> = {}): TaskRecord {
  return {
    id: 'c0ffee',
    owner: 'o',
    tags: {},
    createdAt: START,
    state: 'RUNNING',
    step: 'run',
    revision: 1,
    attempt: 1,
    jobEnded: false,
    needs: NEEDS,
    attempts: [],
    systemLogs: [],
    overlay: {},
    ...members,
  };
}
function view(
  name: TesView,
  members: Partial<TaskRecord> = {},
  request: TesTaskRequest = REQUEST,
  more: Partial<ViewSource> = {},
): TesTask {
  return JSON.parse(renderTask({ task: record(members), requestJson: JSON.stringify(request), ...more }, name, {})) as TesTask;
}
const systemLogs = (members: Partial<TaskRecord>, waiting: string[] = []) =>
  view('FULL', members, REQUEST, { waiting }).logs?.map(({ system_logs }) => system_logs);

describe('MINIMAL', () => {
  it.each(TES_STATES)('is exactly id and state (%s; fine print 63)', (state) => {
    expect(renderTask({ task: record({ state, attempts: [attempt({})] }), requestJson: '{}' }, 'MINIMAL', {})).toBe(
      `{"id":"c0ffee","state":"${state}"}`,
    );
  });
});

describe('FULL', () => {
  it('is the request with id, state, creation_time and logs (fine print 65, 66)', () => {
    const attempts = [
      attempt({
        endedAt: START + 3000,
        executors: [EXECUTOR],
        outputs: [{ url: '/data/y/a', path: '/out/a', sizeBytes: 5_000_000_000 }],
        systemLogs: ['line'],
        metadata: { backend: 'local', host: 'h' },
      }),
    ];
    expect(view('FULL', { state: 'EXECUTOR_ERROR', attempts })).toStrictEqual({
      id: 'c0ffee',
      state: 'EXECUTOR_ERROR',
      creation_time: '2026-11-22T10:00:00.000Z',
      ...REQUEST,
      logs: [
        {
          logs: [
            {
              start_time: '2026-11-22T10:00:01.000Z',
              end_time: '2026-11-22T10:00:02.500Z',
              stdout: 'out\u0000\ufffd',
              stderr: '',
              exit_code: 3,
            },
          ],
          metadata: { backend: 'local', host: 'h' },
          start_time: '2026-11-22T10:00:00.000Z',
          end_time: '2026-11-22T10:00:03.000Z',
          outputs: [{ url: '/data/y/a', path: '/out/a', size_bytes: '5000000000' }],
          system_logs: ['line'],
        },
      ],
    });
  });
  it('leaves out what is absent (contract 16)', () => {
    const request: TesTaskRequest = { executors: [{ image: 'a', command: ['b'] }] };
    expect(view('FULL', { state: 'QUEUED' }, request)).toStrictEqual({
      id: 'c0ffee',
      state: 'QUEUED',
      creation_time: '2026-11-22T10:00:00.000Z',
      ...request,
    });
    expect(view('FULL', { attempts: [attempt({ executors: [{ exitCode: 0 }] })] }, request).logs).toStrictEqual([
      { logs: [{ exit_code: 0 }], start_time: '2026-11-22T10:00:00.000Z', outputs: [] },
    ]);
  });
});

describe('BASIC', () => {
  it('is FULL without content, stdout and stderr of executors, and system_logs (fine print 64, 65)', () => {
    const members = {
      systemLogs: ['task line'],
      attempts: [attempt({ executors: [EXECUTOR], systemLogs: ['line'], metadata: { a: 'b' } })],
    };
    const expected = view('FULL', members);
    delete expected.inputs?.[1]?.content;
    delete expected.logs?.[0]?.system_logs;
    delete expected.logs?.[0]?.logs[0]?.stdout;
    delete expected.logs?.[0]?.logs[0]?.stderr;
    const basic = view('BASIC', members);
    expect(basic).toStrictEqual(expected);
    expect(basic.executors[0]).toMatchObject({ stdin: '/in/x', stdout: '/out/o', stderr: '/out/e' });
  });
  it('drops content of every size, the empty one too', () => {
    const inputs = [{ url: '/a', path: '/a', type: 'FILE' as const, content: '' }];
    expect(view('BASIC', {}, { ...REQUEST, inputs }).inputs).toStrictEqual([{ url: '/a', path: '/a', type: 'FILE' }]);
    expect(view('FULL', {}, { ...REQUEST, inputs }).inputs).toStrictEqual(inputs);
  });
  it('keeps a tag that is called content', () => {
    expect(view('BASIC', {}, { executors: REQUEST.executors, tags: { content: 'x' } }).tags).toEqual({ content: 'x' });
  });
  it('has the entry of a task that never started, without its lines', () => {
    expect(view('BASIC', { state: 'CANCELED', systemLogs: ['x'] }).logs).toStrictEqual([{ logs: [], outputs: [] }]);
  });
});

describe('the overlay', () => {
  it('changes types that were found out at run time (fine print 31)', () => {
    for (const name of ['BASIC', 'FULL'] as const) {
      const { inputs, outputs } = view(name, { overlay: { inputTypes: { 0: 'DIRECTORY' }, outputTypes: { 0: 'DIRECTORY' } } });
      expect(inputs?.map(({ type }) => type)).toEqual(['DIRECTORY', 'FILE']);
      expect(outputs?.map(({ type }) => type)).toEqual(['DIRECTORY']);
      expect(view(name, { overlay: { inputTypes: { 0: 'DIRECTORY' } } }).inputs?.[0]?.type).toBe('DIRECTORY');
      expect(view(name, { overlay: { outputTypes: { 0: 'DIRECTORY' } } }).outputs?.[0]?.type).toBe('DIRECTORY');
    }
  });
  it('drops unsupported backend parameters however they are written (fine print 45)', () => {
    for (const name of ['BASIC', 'FULL'] as const) {
      expect(view(name, { overlay: { droppedParameters: ['vmsize'] } }).resources?.backend_parameters).toEqual({ Backend: 'local' });
      expect(view(name, { overlay: { droppedParameters: ['vmsize', 'backend'] } }).resources).not.toHaveProperty('backend_parameters');
    }
  });
});

describe('userinfo of URLs', () => {
  const request: TesTaskRequest = {
    inputs: [{ url: 'https://u:pw@host/"x"', path: '/a', type: 'FILE' }],
    outputs: [{ url: 'ftp://user:pw@host/y', path: '/b', type: 'FILE' }],
    executors: [{ image: 'a', command: ['curl', 'ftp://user:pw@host/'] }],
    tags: { url: 'ftp://me:too@host/' },
  };
  it('is masked in inputs, outputs and logs, and nowhere else', () => {
    const attempts = [attempt({ outputs: [{ url: 'ftp://user:pw@host/y', path: '/b', sizeBytes: 1 }] })];
    for (const name of ['BASIC', 'FULL'] as const) {
      const shown = view(name, { attempts }, request);
      expect(shown.inputs?.[0]?.url).toBe('https://host/"x"');
      expect(shown.outputs?.[0]?.url).toBe('ftp://host/y');
      expect(shown.logs?.[0]?.outputs[0]?.url).toBe('ftp://host/y');
      expect(shown.executors).toEqual(request.executors);
      expect(shown.tags).toEqual(request.tags);
    }
  });
  it('is masked also behind characters that JSON escapes', () => {
    for (const odd of ['ftp://u"x:pw@h/x', 'http:\\\\u:pw@h/x', 'ftp://u\\:pw@h/x']) {
      expect(
        view('FULL', {}, { executors: request.executors, outputs: [{ url: odd, path: '/z', type: 'FILE' }] }).outputs?.[0]?.url,
      ).not.toContain('pw');
    }
  });
  it('is masked in the last of many URLs', () => {
    const inputs = Array.from({ length: 50 }, (_, index) => ({ url: `/data/${index}`, path: `/in/${index}`, type: 'FILE' as const }));
    const shown = view('FULL', {}, { ...request, inputs: [...inputs, { url: 'ftp://u:pw@h/x', path: '/z', type: 'FILE' }] });
    expect(shown.inputs?.at(-1)?.url).toBe('ftp://h/x');
  });
});

describe('logs', () => {
  const failed = (lines: string[]) => attempt({ systemLogs: lines });
  it('have an entry for an attempt whose executor ended and for the last one; other attempts speak in the next entry', () => {
    const attempts = [
      failed(['1']),
      failed(['2']),
      attempt({ attempt: 3, executors: [EXECUTOR], systemLogs: ['3'] }),
      failed(['4']),
      attempt({ attempt: 5, systemLogs: ['5'] }),
    ];
    const { logs } = view('FULL', { attempts });
    expect(logs?.map((entry) => [entry.logs.length, entry.system_logs])).toEqual([
      [1, ['1', '2', '3']],
      [0, ['4', '5']],
    ]);
  });
  it('keep the entry of an attempt that failed while the task waits for the next one', () => {
    expect(systemLogs({ state: 'QUEUED', attempts: [failed(['lost'])] }, ['waits'])).toEqual([['lost', 'waits']]);
  });
  it("put the task's own lines in front of the last entry", () => {
    const attempts = [attempt({ executors: [EXECUTOR], systemLogs: ['1'] }), attempt({ attempt: 2, systemLogs: ['2'] })];
    expect(systemLogs({ systemLogs: ['clamped'], attempts })).toEqual([['1'], ['clamped', '2']]);
    expect(systemLogs({ systemLogs: ['clamped', 'cancelled'] })).toEqual([['clamped', 'cancelled']]);
  });
  it('say why a task without attempts waits, in FULL only', () => {
    expect(view('FULL', { state: 'QUEUED', systemLogs: ['clamped'] }, REQUEST, { waiting: ['waits for 4 cores'] }).logs).toStrictEqual([
      { logs: [], outputs: [], system_logs: ['clamped', 'waits for 4 cores'] },
    ]);
    expect(view('BASIC', { state: 'QUEUED' }, REQUEST, { waiting: ['waits for 4 cores'] })).not.toHaveProperty('logs');
  });
  it('say what was left out of a stream, before the reason of the end', () => {
    const cut: ExecutorRecord = { exitCode: 1, stdout: { text: 'x', totalBytes: 9000 }, stderr: { text: 'all', totalBytes: 3 } };
    expect(systemLogs({ attempts: [attempt({ executors: [EXECUTOR, cut], systemLogs: ['reason'] })] })).toEqual([
      ['executor 1: only the end of stdout is kept here; it had 9000 bytes', 'reason'],
    ]);
  });
  it('are JSON that strict readers take, whatever a line holds', () => {
    const broken = {
      attempts: [attempt({ systemLogs: ['\ud83d'], executors: [{ exitCode: 0, stdout: { text: '\udc00', totalBytes: 3 } }] })],
    };
    for (const members of [broken, { systemLogs: ['\ud83d'] }]) {
      expect(renderTask({ task: record(members), requestJson: JSON.stringify(REQUEST) }, 'FULL', {})).not.toMatch(/\\ud/i);
    }
  });
});

describe('states for old readers', () => {
  const options = { showCancelingAs: 'RUNNING', showQueuedAs: 'INITIALIZING' } as const;
  it('are shown in every view', () => {
    for (const [state, shown] of [
      ['CANCELING', 'RUNNING'],
      ['QUEUED', 'INITIALIZING'],
      ['CANCELED', 'CANCELED'],
    ] as const) {
      for (const name of ['MINIMAL', 'BASIC', 'FULL'] as const) {
        const text = renderTask({ task: record({ state }), requestJson: JSON.stringify(REQUEST) }, name, options);
        expect((JSON.parse(text) as TesTask).state).toBe(shown);
      }
      expect(renderMinimal('a', state, options)).toBe(`{"id":"a","state":"${shown}"}`);
    }
  });
});

describe('a list', () => {
  it('has its tasks, and a token also on the last page (contract 27)', () => {
    expect(renderList([], '')).toBe('{"tasks":[],"next_page_token":""}');
    const items = ['a', 'b'].map((id) => renderMinimal(id, 'QUEUED', {}));
    expect(JSON.parse(renderList(items, 't"'))).toEqual({
      tasks: [
        { id: 'a', state: 'QUEUED' },
        { id: 'b', state: 'QUEUED' },
      ],
      next_page_token: 't"',
    });
  });
});

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
        const { id, state, creation_time, ...rest } = view(name, { overlay: learned as TaskRecord['overlay'] }, document);
        expect([id, state, creation_time]).toEqual(['c0ffee', 'RUNNING', '2026-11-22T10:00:00.000Z']);
        expect(JSON.stringify(rest)).toBe(JSON.stringify(expected(document, learned as TaskRecord['overlay'], name)));
      }),
      { numRuns: 1000 },
    );
  });
});

it('the hot path never parses: the view module reads a plain request once only as text', () => {
  const parse = jest.spyOn(JSON, 'parse');
  const { inputs: _inputs, ...plain } = REQUEST;
  renderTask({ task: record({ attempts: [attempt({ executors: [EXECUTOR] })] }), requestJson: JSON.stringify(plain) }, 'BASIC', {});
  renderTask({ task: record({}), requestJson: JSON.stringify(REQUEST) }, 'FULL', {});
  expect(parse).not.toHaveBeenCalled();
  parse.mockRestore();
});

import type { ExecutorRecord, TaskRecord } from '../../../src/task/task-record';
import { renderList, renderMinimal, renderTask } from '../../../src/task/task-view';
import { TES_STATES, type TesTask, type TesTaskRequest } from '../../../src/task/tes';
import { attempt, EXECUTOR, record, REQUEST, START, view } from './view-fixtures';

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
  it('is masked with the signatures of presigned ones', () => {
    const url = 'https://b.example/k?X-Amz-Expires=60&X-Amz-Signature=0f3a';
    const shown = 'https://b.example/k?X-Amz-Expires=60&X-Amz-Signature=***';
    const signed: TesTaskRequest = {
      executors: request.executors,
      inputs: [{ url, path: '/a', type: 'FILE' }],
      outputs: [{ url, path: '/b', type: 'FILE' }],
    };
    const told = view('FULL', { attempts: [attempt({ outputs: [{ url, path: '/b', sizeBytes: 1 }] })] }, signed);
    expect([told.inputs?.[0]?.url, told.outputs?.[0]?.url, told.logs?.[0]?.outputs[0]?.url]).toEqual([shown, shown, shown]);
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

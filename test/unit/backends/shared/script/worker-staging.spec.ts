import { type JobReport, parseReport } from '../../../../../src/backends/shared/script/script-report';
import type { ScriptSettings, StagerSettings } from '../../../../../src/backends/shared/script/script.settings';
import { stagerFaults, stagerPart, unreachable, withStaging } from '../../../../../src/backends/shared/script/worker-staging';
import type { StagerPlan } from '../../../../../src/backends/shared/stager-plan';
import type { Job } from '../../../../../src/ports/execution-backend';
import type { Observation } from '../../../../../src/task/observation';
import type { TesTaskRequest } from '../../../../../src/task/tes';

const stager: StagerSettings = {
  command: ['tes-gateway-stager'],
  files: ['/shared'],
  transfers: { parallel: 8, tries: 3 },
  retry: { attempts: 2, firstDelayMs: 1, longestDelayMs: 1, patienceMs: 1, storagePatienceMs: 60_000, outputPatienceMs: 60_000 },
  storage: [
    { name: 'http', schemes: ['http', 'https'], settings: { token: 'of-http' } },
    { name: 'file', schemes: ['file'], settings: { allowed: ['/shared'] } },
  ],
};
const settings = { runtime: 'podman', instance: 'i', images: { pull: 'missing' }, stager } as unknown as ScriptSettings;
const request: TesTaskRequest = {
  inputs: [{ url: 'http://h/in', path: '/in', type: 'FILE' }],
  executors: [{ image: 'secret/image', command: ['do', 'it'], env: { KEY: 'of-env' }, stdout: '/o' }],
};
const jobOf = (asked: TesTaskRequest): Job => ({ name: 'tes-x-1', request: asked }) as unknown as Job;
const planOf = (asked: TesTaskRequest): StagerPlan =>
  JSON.parse(stagerPart(jobOf(asked), settings, '/w').files.get('stager.json') ?? '') as StagerPlan;

describe('what a stager on a worker is told', () => {
  it('is the files of the request and the settings of their storage, and nothing else', () => {
    const plan = planOf(request);
    expect(plan.storage.map(({ name }) => name)).toEqual(['http']);
    expect(JSON.stringify(plan)).not.toMatch(/of-env|secret|"do"/);
    expect(plan.request.executors).toEqual([{ image: '', command: [], stdout: '/o' }]);
  });

  it('is no storage where only content is given, whose url counts for nothing', () => {
    expect(planOf({ ...request, inputs: [{ url: 'http://h/in', content: 'x', path: '/in', type: 'FILE' }] }).storage).toEqual([]);
  });

  it('is nothing at all where there is nothing to move', () => {
    const { lines, files } = stagerPart(jobOf({ executors: request.executors }), settings, '/w');
    expect([lines, files.size]).toEqual([["STAGER=''"], 0]);
  });

  it('comes as words, to the command or to a container with its directories', () => {
    const [, plain] = stagerPart(jobOf(request), { ...settings, stager: { ...stager, command: ['a b', "it's"] } }, '/w/x').lines;
    expect(plain).toBe("run_stager() {\nexec 'a b' 'it'\\''s' '/w/x'\n}");
    const [, boxed] = stagerPart(jobOf(request), { ...settings, stager: { ...stager, image: 'img:1' } }, '/w').lines;
    expect(boxed).toContain("'--volume=/w:/w' '--volume=/shared:/shared'");
    expect(boxed).toMatch(/--user=0:0 '--entrypoint=tes-gateway-stager' 'img:1' '\/w'\n}$/);
  });
});

describe('a stager that is asked for its version', () => {
  it('is well when it is the one that this gateway needs, and else named with what is wrong', () => {
    expect(stagerFaults('tes-gateway-stager 1\n')).toEqual([]);
    expect(stagerFaults('tes-gateway-stager 2\n')).toEqual([expect.stringContaining('version 2, this gateway needs 1')]);
    expect(stagerFaults('sh: tes-gateway-stager: not found\n')).toEqual(['its stager does not start: sh: tes-gateway-stager: not found']);
    expect(stagerFaults('')).toEqual(['its stager does not start: no answer']);
  });
});

describe('URLs that a worker cannot reach', () => {
  const of = (...urls: readonly string[]): readonly string[] =>
    unreachable({ outputs: urls.map((url) => ({ url, path: '/o', type: 'FILE' as const })), executors: [] }, stager);

  it('are files outside the directories that are open there, however they are written', () => {
    expect(of('/shared/a', 'file:///shared/a', 'file:///shar%65d', 'http://h/x')).toEqual([]);
    for (const url of ['/etc/passwd', '/shared2/a', '/shared/../etc', 'file:///shared/%2e%2e/etc', 'file:///sh%zz'])
      expect(of(url)).toEqual([expect.stringContaining('stager_files')]);
  });

  it('are those of a scheme that nobody moves', () => {
    expect(of('gs://b/x')).toEqual(["the worker's stager moves nothing to or from gs URLs"]);
  });
});

describe("what a stager's account makes of an ended job", () => {
  const says = (words: Readonly<Record<string, unknown>>, notes = 'stager 100.00 0\n'): JobReport => {
    const texts = Object.entries(words).map(([name, said]) => [name, typeof said === 'string' ? said : JSON.stringify(said)] as const);
    const sizes = texts.map(([name, text]) => `stager.${name} ${text.length} ${text.length}\n`).join('');
    const parsed = parseReport(Buffer.from(`tes-report 1 120.50 0f-12\n${notes}--\n${sizes}--\n${texts.map(([, text]) => text).join('')}`));
    if (parsed.kind !== 'report') throw new Error(parsed.kind);
    return parsed.report;
  };
  const ended: Observation = { jobName: 'tes-x-1', phase: 'succeeded', executors: [], systemLogs: [] };
  const ins = { inputTypes: { 0: 'DIRECTORY' }, systemLogs: [], files: 1, bytes: 5, ms: 1260 };
  const outs = {
    outputs: [{ url: 'http://h/o', path: '/o', sizeBytes: 3 }],
    outputTypes: {},
    systemLogs: ['left out'],
    files: 1,
    bytes: 3,
    ms: 40,
  };

  it('is success with the list of what was stored', () => {
    expect(withStaging(ended, says({ in: ins, out: outs }), '/w')).toEqual({
      ...ended,
      inputTypes: { 0: 'DIRECTORY' },
      outputs: outs.outputs,
      outputTypes: {},
      systemLogs: ['fetched by the worker: 1 file, 5 bytes in 1.3 s', 'left out', 'stored by the worker: 1 file, 3 bytes in 0.0 s'],
    });
  });

  it('is never success without that list', () => {
    const failed = { message: 'output /o could not be stored', retryable: false };
    expect(withStaging(ended, says({ in: ins, failed }), '/w')).toMatchObject({ phase: 'failed', systemError: failed });
    const silent = withStaging(ended, says({ in: ins, out: 'cut {' }), '/w');
    expect(silent.systemError).toEqual({ message: 'the stager on the worker ended before the outputs were stored', retryable: true });
    expect(silent.outputs).toBeUndefined();
  });

  it("leaves an executor's failure what it is, with a line beside it", () => {
    const failed = { message: 'output /o could not be stored', retryable: false };
    const seen = withStaging({ ...ended, phase: 'failed' }, says({ in: ins, failed }), '/w');
    expect(seen.systemError).toBeUndefined();
    expect([seen.phase, seen.outputs, seen.systemLogs.at(-1)]).toEqual(['failed', [], failed.message]);
  });

  it('is the reason why the inputs were not there, or the last words of a stager that could not begin', () => {
    const unprepared: Observation = { ...ended, phase: 'failed', systemError: { message: 'not prepared', retryable: true } };
    const failed = { message: 'input /in: 404', retryable: false };
    expect(withStaging(unprepared, says({ failed }), '/w').systemError).toEqual(failed);
    expect(withStaging(unprepared, says({ log: 'x\nsh: /w/x: not found\n' }), '/w').systemError?.message).toBe(
      'the stager on the worker ended before the inputs were there: sh: (workspace)/x: not found',
    );
  });

  it('passes on that the storage of an input is away, for which the engine waits', () => {
    const unprepared: Observation = { ...ended, phase: 'failed', systemError: { message: 'not prepared', retryable: true } };
    const failed = { message: 'input /in: 503', retryable: true, away: { retryAfterMs: 5000 } };
    expect(withStaging(unprepared, says({ failed }), '/w').systemError).toEqual({
      message: 'input /in: 503',
      retryable: true,
      storage: { retryAfterMs: 5000 },
    });
  });

  it('is nothing where no stager was', () => {
    expect(withStaging(ended, says({}, ''), '/w')).toBe(ended);
  });
});

import { taskNeeds } from '../../../src/task/task-needs';
import type { TesResources, TesTaskRequest } from '../../../src/task/tes';

const DEFAULTS = { cpuCores: 1, ramGb: 2, maxRuntimeSeconds: { default: 3600, max: 86400 }, maxTransferSeconds: 7200 };
const of = (request: Partial<TesTaskRequest>) => taskNeeds({ executors: [{ image: 'a', command: ['b'] }], ...request }, DEFAULTS);
const resources = (members: TesResources) => of({ resources: members });

describe('what a task needs', () => {
  it('is the defaults when it does not say', () => {
    expect(of({})).toEqual({
      needs: {
        cpuCores: 1,
        ramGb: 2,
        parameterKeys: [],
        strict: false,
        maxRuntimeSeconds: 3600,
        hasInputs: false,
        hasOutputs: false,
        executorCount: 1,
      },
      warnings: [],
      problems: [],
    });
  });
  it('is what it says', () => {
    const result = of({
      inputs: [
        { url: '/a', path: '/a', type: 'FILE' },
        { url: 'S3://b/k', path: '/b', type: 'FILE' },
        { url: 'gs://ignored/beside/content', content: 'x', path: '/c', type: 'FILE' },
      ],
      outputs: [
        { url: 'file:///a', path: '/a', type: 'FILE' },
        { url: 'ftp://u:p@h/x', path: '/b', type: 'FILE' },
      ],
      resources: {
        cpu_cores: 4,
        ram_gb: 0.25,
        disk_gb: 10,
        preemptible: true,
        backend_parameters: { BACKEND: 'local', Max_Runtime_Seconds: '60', VmSize: 'x', 'Label.Site': 'North', 'label.none': '' },
        backend_parameters_strict: true,
      },
      executors: Array.from({ length: 3 }, () => ({ image: 'a', command: ['b'] })),
    });
    expect(result).toEqual({
      needs: {
        cpuCores: 4,
        ramGb: 0.25,
        diskGb: 10,
        backend: 'local',
        folders: ['file:///', 'ftp://h/', 's3://b/'],
        labels: { site: 'North' },
        parameterKeys: ['backend', 'max_runtime_seconds', 'vmsize', 'label.site', 'label.none'],
        strict: true,
        maxRuntimeSeconds: 60,
        hasInputs: true,
        hasOutputs: true,
        executorCount: 3,
      },
      warnings: [],
      problems: [],
    });
  });
  it('takes 0 for "not given", as clients write it', () => {
    expect(resources({ cpu_cores: 0, ram_gb: 0, disk_gb: 0 }).needs).toMatchObject({ cpuCores: 1, ramGb: 2 });
    expect(resources({ cpu_cores: 0, ram_gb: 0, disk_gb: 0 }).problems).toEqual([]);
    expect(resources({ disk_gb: 0 }).needs).not.toHaveProperty('diskGb');
  });
  it('counts the GPUs of the backend parameter; what is no number is for the backend to refuse', () => {
    const gpus = (value: string): number | undefined => resources({ backend_parameters: { GPUs: value } }).needs.gpus;
    expect(['2', '999', 'all', '0', '-1', '1.5', '1000', 'many', ''].map(gpus)).toEqual([2, 999, 1000, ...Array<undefined>(6)]);
  });
  it.each(['cpu_cores', 'ram_gb', 'disk_gb'] as const)('does not take a negative or endless %s', (key) => {
    for (const value of [-1, -0.5, Infinity, -Infinity, NaN]) {
      expect(resources({ [key]: value }).problems).toEqual([{ path: `$.resources.${key}`, message: 'must be a number greater than 0' }]);
    }
  });
});

describe('max_runtime_seconds', () => {
  const limit = (text: string) => resources({ backend_parameters: { max_runtime_seconds: text } });
  it('above the maximum is lowered to it, with a warning', () => {
    expect(limit('86400')).toMatchObject({ needs: { maxRuntimeSeconds: 86400 }, warnings: [] });
    expect(limit('86401')).toMatchObject({
      needs: { maxRuntimeSeconds: 86400 },
      warnings: ['max_runtime_seconds 86401 is more than this server allows; 86400 is used'],
      problems: [],
    });
  });
  it.each(['0', '-1', '1.5', '1e3', 'x', ' ', '0x10', 'NaN', '9'.repeat(16)])('does not take %j', (text) => {
    expect(limit(text).problems).toEqual([
      { path: '$.resources.backend_parameters.max_runtime_seconds', message: 'must be a whole number of seconds greater than 0' },
    ]);
  });
  it('that is empty counts as absent', () => expect(limit('')).toMatchObject({ needs: { maxRuntimeSeconds: 3600 }, problems: [] }));
  it('has a default that is never above the maximum', () => {
    const { needs } = taskNeeds({ executors: [] }, { ...DEFAULTS, maxRuntimeSeconds: { default: 10, max: 5 } });
    expect(needs.maxRuntimeSeconds).toBe(5);
  });
});

describe('max_transfer_seconds', () => {
  const limit = (text: string) => resources({ backend_parameters: { max_transfer_seconds: text } });
  it('is kept where a task names one, lowered to what the server allows', () => {
    expect(limit('60')).toMatchObject({ needs: { maxTransferSeconds: 60 }, warnings: [] });
    expect(limit('')).toMatchObject({ problems: [], warnings: [] });
    expect(limit('').needs).not.toHaveProperty('maxTransferSeconds');
    expect(limit('7201')).toMatchObject({
      needs: { maxTransferSeconds: 7200 },
      warnings: ['max_transfer_seconds 7201 is more than this server allows; 7200 is used'],
    });
    expect(limit('-1').problems).toEqual([
      { path: '$.resources.backend_parameters.max_transfer_seconds', message: 'must be a whole number of seconds greater than 0' },
    ]);
  });
});

it('a parameter given twice with different values is refused', () => {
  expect(resources({ backend_parameters: { backend: 'a', Backend: 'b' } }).problems).toEqual([
    { path: '$.resources.backend_parameters', message: expect.stringContaining('"backend" more than once') as string },
  ]);
});

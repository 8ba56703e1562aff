import { gpusOf } from '../../../../../src/backends/shared/runtimes/gpus';
import { refusalsOf } from '../../../../../src/backends/shared/runtimes/refusals';
import { abilityNotes } from '../../../../../src/backends/shared/runtimes/capabilities';
import { RUNTIME_NAMES } from '../../../../../src/backends/shared/runtimes/runtime';
import type { TesExecutor, TesTaskRequest } from '../../../../../src/task/tes';
import { RUNTIMES } from '../../../../../src/backends/shared/runtimes/runtimes';

const request = (executor: Partial<TesExecutor> = {}, rest: Partial<TesTaskRequest> = {}): TesTaskRequest => ({
  executors: [{ image: 'i', command: ['c'], ...executor }],
  ...rest,
});

describe('what can never be carried out', () => {
  it('is nothing of an ordinary request', () => {
    const ordinary = request({ workdir: '/', env: { A: 'b' }, stdout: '/work/out' }, { volumes: ['/vol'] });
    for (const runtime of RUNTIME_NAMES) expect(refusalsOf(runtime, ordinary)).toEqual([]);
  });

  it('are arguments and variables that the kernel does not take', () => {
    expect(refusalsOf('docker', request({ command: ['x'.repeat(131_070)] }))).toEqual([]);
    expect(refusalsOf('docker', request({ command: ['x'.repeat(131_071)] }))).toHaveLength(1);
    expect(refusalsOf('docker', request({ env: { A: '\u00e4'.repeat(70_000) } }))).toHaveLength(1);
    expect(refusalsOf('docker', request({ command: Array.from({ length: 20 }, () => 'x'.repeat(100_000)) }))).toHaveLength(1);
  });

  it('are files in file systems of the kernel', () => {
    expect(refusalsOf('podman', request({ stdout: '/dev/null' }))).toHaveLength(1);
    expect(refusalsOf('podman', request({}, { volumes: ['/sys/x'] }))).toHaveLength(1);
    expect(refusalsOf('podman', request({}, { volumes: ['/device'] }))).toEqual([]);
  });

  it('are variables that a runtime would lose or change', () => {
    const names = (runtime: 'apptainer' | 'podman' | 'docker' | 'bubblewrap', env: Record<string, string>) =>
      refusalsOf(runtime, request({ env })).length;
    const odd = { 'A.B': '1', C: 'x\r\ny', D: '\u0080', HOME: 'relative', ' E': '2' };
    expect([names('apptainer', odd), names('podman', odd), names('docker', odd), names('bubblewrap', odd)]).toEqual([5, 2, 1, 0]);
  });

  it('are directories that docker and podman would mount under another name', () => {
    const odd = request({ workdir: '/work/a\r\nb' });
    expect(RUNTIME_NAMES.filter((runtime) => refusalsOf(runtime, odd).length > 0).sort()).toEqual(['docker', 'podman']);
    expect(refusalsOf('podman', request({ workdir: '/work/a\rb\nc' }))).toEqual([]);
  });

  it('are files in the place of a system directory, under bubblewrap', () => {
    expect(refusalsOf('bubblewrap', request({ stdout: '/etc' }))).toHaveLength(1);
    expect(refusalsOf('bubblewrap', request({ stdout: '/etc.txt' }))).toEqual([]);
  });

  it('is a gpus parameter that is neither all nor a number', () => {
    const withGpus = (gpus: string) => request({}, { resources: { backend_parameters: { GPUs: gpus } } });
    for (const good of ['all', '1', '16']) expect([refusalsOf('docker', withGpus(good)), gpusOf(withGpus(good))]).toEqual([[], good]);
    for (const bad of ['', '0', '-1', 'all,capabilities=x', 'device=/dev/sda', '1\n']) {
      expect([refusalsOf('docker', withGpus(bad)).length, gpusOf(withGpus(bad))]).toEqual([1, undefined]);
    }
  });
});

it('has the same abilities listed for every runtime', () => {
  const keys = RUNTIME_NAMES.map((runtime) => Object.keys(RUNTIMES[runtime].abilities).sort());
  for (const list of keys) expect(list).toEqual(keys[0]);
  for (const engine of ['docker', 'podman'] as const) {
    const said = (engineLimits?: string) => abilityNotes(engine, { name: 'here', hasGroups: true, engineLimits });
    const aboutLimits = `${engine}, limits of memory, CPU and processes on here:`;
    expect(said()).toContain(`${aboutLimits} ${engine} has not said whether it can enforce them`);
    expect(said(RUNTIMES[engine].engine?.limitsSaid(engine === 'docker' ? 'true false true\n' : '[memory pids]\n'))).toContain(
      `${aboutLimits} ${engine} says that it cannot enforce those of CPU`,
    );
    expect(said().filter((note) => /(memory|CPU|process) limit: enforced/.test(note))).toEqual([]);
  }
  expect(RUNTIMES.podman.engine?.limitsSaid('[]')).toBe('podman says that it cannot enforce those of memory, CPU, processes');
  expect(RUNTIMES.podman.engine?.limitsSaid('[cpuset cpu cpuacct memory pids]')).toBe('podman says that it can enforce them');
  expect([RUNTIMES.docker.engine?.limitsSaid(''), RUNTIMES.podman.engine?.limitsSaid('')]).toEqual([undefined, undefined]);
  const limits = 'bubblewrap, limits of memory, CPU and processes on the worker:';
  const notes = (hasGroups: boolean) => abilityNotes('bubblewrap', { name: 'the worker', hasGroups });
  expect(notes(false)).toContain(`${limits} cannot be enforced (needs root and writable cgroups)`);
  expect(notes(true)).toContain(`${limits} enforced by cgroups`);
});

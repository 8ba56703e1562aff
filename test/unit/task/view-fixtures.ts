import type { AttemptRecord, ExecutorRecord, TaskNeeds, TaskRecord } from '../../../src/task/task-record';
import { renderTask, type ViewSource } from '../../../src/task/task-view';
import type { TesTask, TesTaskRequest, TesView } from '../../../src/task/tes';

const NEEDS: TaskNeeds = {
  cpuCores: 1,
  ramGb: 1,
  parameterKeys: [],
  strict: false,
  maxRuntimeSeconds: 60,
  hasInputs: true,
  hasOutputs: true,
  executorCount: 1,
};
export const START = Date.UTC(2026, 10, 22, 10, 0, 0);

/** A request with every member that TES knows. */
export const REQUEST: TesTaskRequest = {
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

export const EXECUTOR: ExecutorRecord = {
  exitCode: 3,
  startedAt: START + 1000,
  endedAt: START + 2500,
  stdout: { text: 'out\u0000\ufffd', totalBytes: 5 },
  stderr: { text: '', totalBytes: 0 },
};
export function attempt(members: Partial<AttemptRecord>): AttemptRecord {
  return { attempt: 1, backend: 'local', startedAt: START, executors: [], outputs: [], systemLogs: [], metadata: {}, ...members };
}
export function record(members: Partial<TaskRecord> = {}): TaskRecord {
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
/** The view as a client reads it. */
export function view(
  name: TesView,
  members: Partial<TaskRecord> = {},
  request: TesTaskRequest = REQUEST,
  more: Partial<ViewSource> = {},
): TesTask {
  return JSON.parse(renderTask({ task: record(members), requestJson: JSON.stringify(request), ...more }, name, {})) as TesTask;
}

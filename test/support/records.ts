import type { Owner } from '../../src/task/owner';
import type { TaskNeeds, TaskRecord } from '../../src/task/task-record';

/** Whose the jobs of tests are. */
export const OWNER: Owner = { key: 'test', name: 'test', groups: [] };

export const NEEDS: TaskNeeds = {
  cpuCores: 1,
  ramGb: 1,
  parameterKeys: [],
  strict: false,
  maxRuntimeSeconds: 3600,
  hasInputs: false,
  hasOutputs: false,
  executorCount: 1,
};

/** A task as it is right after create; members may be replaced. */
export function queuedTask(changes: Partial<TaskRecord> = {}): TaskRecord {
  return {
    id: '01test0000000000000000000a',
    owner: 'test',
    tags: {},
    createdAt: 1_000,
    state: 'QUEUED',
    step: 'queued',
    revision: 1,
    attempt: 0,
    jobEnded: false,
    needs: NEEDS,
    attempts: [],
    systemLogs: [],
    overlay: {},
    ...changes,
  };
}

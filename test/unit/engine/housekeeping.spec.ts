import { Housekeeping } from '../../../src/engine/housekeeping';
import { LeftoverJobs } from '../../../src/engine/leftover-jobs';
import type { ExecutionBackend } from '../../../src/ports/execution-backend';
import { BackendRegistry } from '../../../src/ports/registries';
import type { TaskStore } from '../../../src/ports/store/task-store';
import { SILENT } from '../../support/settings';

const NOBODY = { apply: () => Promise.resolve({ kind: 'gone' as const }) };

describe('housekeeping', () => {
  it('lets every backend remove what nobody uses any more, also after one that fails', async () => {
    const asked: string[] = [];
    const backends = ['first', 'second', 'third'].map((name) => ({
      name,
      tidy: () => {
        asked.push(name);
        return name === 'first' ? Promise.reject(new Error('away')) : Promise.resolve();
      },
    }));
    const registry = new BackendRegistry(backends as unknown as ExecutionBackend[]);
    const jobs = new LeftoverJobs({ store: {} as TaskStore, backends: registry, writer: NOBODY, log: SILENT }, { callTimeoutMs: 1000 });
    await new Housekeeping(jobs, { sweepMs: 3_600_000 }).once();
    expect(asked).toEqual(['first', 'second', 'third']);
  });
});

import type { TaskEvent } from '../../../src/task/task-events';
import type { ReduceContext } from '../../../src/task/reduction';
import type { TaskRecord } from '../../../src/task/task-record';
import { reduce } from '../../../src/task/task-reducer';
import { queuedTask } from '../../support/records';

const CONTEXT: ReduceContext = {
  now: 5_000,
  storeNow: 9_000,
  pollMs: { first: 100, longest: 1_000 },
  stagesIn: false,
  stagesOut: true,
  keepLease: false,
};
const KEPT = queuedTask({
  state: 'SYSTEM_ERROR',
  step: 'kept',
  attempt: 1,
  backend: 'b',
  keptUntil: 8_000,
  keptBytes: 7,
  attempts: [{ attempt: 1, backend: 'b', startedAt: 1, endedAt: 2, executors: [], outputs: [], systemLogs: [], metadata: {} }],
});
const restore: TaskEvent = { type: 'restoreRequested' };
const expired: TaskEvent = { type: 'expired', attempt: 1, reason: 'no room' };

function after(task: TaskRecord, ...events: readonly TaskEvent[]): TaskRecord | undefined {
  let at = task;
  for (const event of events) {
    const reduction = reduce(at, event, CONTEXT);
    if (reduction.kind === 'ignored') return undefined;
    at = reduction.task;
  }
  return at;
}

describe('a kept workspace', () => {
  it('is either stored again or removed, whichever was written first', () => {
    expect(after(KEPT, restore)).toMatchObject({ step: 'restore', keptUntil: 8_000, keptBytes: 7 });
    expect(after(KEPT, restore, expired)).toBeUndefined();
    const going = after(KEPT, expired);
    expect(going).toMatchObject({ state: 'SYSTEM_ERROR', step: 'cleanup', dueAt: 9_000, attempts: [{ systemLogs: ['no room'] }] });
    expect(going).not.toHaveProperty('keptUntil');
    expect(going).not.toHaveProperty('keptBytes');
    expect(after(KEPT, expired, restore)).toBeUndefined();
    expect(after(KEPT, { type: 'cleaned', attempt: 1 })).toBeUndefined();
  });

  it('may be removed after its outputs could not be stored again, and not by what was said of an earlier attempt', () => {
    expect(after(KEPT, restore, { type: 'failed', attempt: 1, reason: '403' }, expired)).toMatchObject({ step: 'cleanup' });
    expect(after({ ...KEPT, attempt: 2 }, expired)).toBeUndefined();
  });

  it('is measured while it is kept', () => {
    expect(after(KEPT, { type: 'measured', attempt: 1, bytes: 9 })).toMatchObject({ keptBytes: 9 });
    expect(after(KEPT, { type: 'measured', attempt: 1, bytes: 7 })).toBeUndefined();
    expect(after(KEPT, restore, { type: 'measured', attempt: 1, bytes: 9 })).toBeUndefined();
  });
});

import fc from '../../support/property';
import type { Observation } from '../../../src/task/observation';
import type { TaskEvent } from '../../../src/task/task-events';
import type { Handle, TaskRecord } from '../../../src/task/task-record';
import type { ReduceContext } from '../../../src/task/reduction';
import { reduce } from '../../../src/task/task-reducer';
import { isTerminal, STEPS_OF_STATE } from '../../../src/task/task-state';
import { NEEDS, queuedTask } from '../../support/records';

const CONTEXT: ReduceContext = {
  now: 5_000,
  storeNow: 9_000,
  pollMs: { first: 100, longest: 1_000 },
  stagesIn: false,
  stagesOut: false,
  keepLease: false,
};
const PREPARED: Handle = { backend: 'b', version: 1, step: 'prepared', data: {} };
const SUBMITTED: Handle = { ...PREPARED, step: 'submitted' };
const NAME = 'tes-x-1';

function seen(phase: Observation['phase'], exitCodes: readonly number[] = []): Observation {
  return { jobName: NAME, phase, executors: exitCodes.map((exitCode) => ({ exitCode })), systemLogs: [] };
}
const assigned = { type: 'assigned', backend: 'b', droppedParameters: [], warnings: [] } as const satisfies TaskEvent;
function observed(observation: Observation, attempt = 1): TaskEvent {
  return { type: 'observed', attempt, observation };
}

/** Carries a task through events that must all have an effect. */
function through(task: TaskRecord, events: readonly TaskEvent[], context: Partial<ReduceContext> = {}): TaskRecord {
  return events.reduce((current, event) => {
    const reduction = reduce(current, event, { ...CONTEXT, ...context });
    if (reduction.kind === 'ignored') throw new Error(`${event.type} was ignored: ${reduction.why}`);
    return reduction.task;
  }, task);
}

const RUNNING: readonly TaskEvent[] = [
  assigned,
  { type: 'submitted', attempt: 1, handle: PREPARED },
  { type: 'submitted', attempt: 1, handle: SUBMITTED },
  observed(seen('running')),
];

describe('the life of a task', () => {
  it('goes from QUEUED to COMPLETE, with exit codes, end and clean-up in one write', () => {
    const running = through(queuedTask(), RUNNING);
    expect(running).toMatchObject({ state: 'RUNNING', step: 'run', attempt: 1, backend: 'b' });
    const complete = through(running, [observed(seen('succeeded', [0]))]);
    expect(complete).toMatchObject({ state: 'COMPLETE', step: 'cleanup', endedAt: 5_000, dueAt: 9_000, jobEnded: true });
    expect(complete.attempts).toMatchObject([{ attempt: 1, endedAt: 5_000, executors: [{ exitCode: 0 }] }]);
    expect(complete.revision).toBe(running.revision + 1);
  });

  it('says EXECUTOR_ERROR when an executor failed, after its outputs were stored', () => {
    const task = queuedTask({ needs: { ...NEEDS, hasOutputs: true } });
    const out = through(task, [...RUNNING, observed(seen('failed', [3]))], { stagesOut: true });
    expect(out).toMatchObject({ state: 'RUNNING', step: 'stage-out', outcome: 'failed' });
    const outputs = [{ url: 'file:///o', path: '/o', sizeBytes: 4 }];
    const end = through(out, [{ type: 'stagedOut', attempt: 1, outputs, outputTypes: { 0: 'DIRECTORY' }, systemLogs: ['one is missing'] }]);
    expect(end).toMatchObject({ state: 'EXECUTOR_ERROR', overlay: { outputTypes: { 0: 'DIRECTORY' } } });
    expect(end.attempts[0]).toMatchObject({ outputs, systemLogs: ['one is missing'] });
  });

  it('ends with its executors where the job has stored the outputs itself, be it none, and keeps what types it found', () => {
    const needs = { needs: { ...NEEDS, hasOutputs: true } };
    const outputs = [{ url: 'http://o', path: '/o', sizeBytes: 4 }];
    const stored: Observation = { ...seen('succeeded', [0]), outputs, inputTypes: { 1: 'DIRECTORY' }, outputTypes: { 0: 'DIRECTORY' } };
    const end = through(queuedTask(needs), [...RUNNING, observed(stored)], { stagesOut: true });
    expect(end).toMatchObject({ state: 'COMPLETE', overlay: { inputTypes: { 1: 'DIRECTORY' }, outputTypes: { 0: 'DIRECTORY' } } });
    expect(end.attempts[0]?.outputs).toEqual(outputs);
    const none = through(queuedTask(needs), [...RUNNING, observed({ ...seen('failed', [3]), outputs: [] })], { stagesOut: true });
    expect(none).toMatchObject({ state: 'EXECUTOR_ERROR', step: 'cleanup' });
  });

  it('cancels a QUEUED task in the same write, with nothing left to do', () => {
    expect(through(queuedTask(), [{ type: 'cancelRequested' }])).toMatchObject({ state: 'CANCELED', step: 'done', endedAt: 5_000 });
  });

  it('is given less than it needs where the backend has less, in that attempt only, and is in the queue since it came back', () => {
    const given = { cpuCores: 0.5, ramGb: 1 };
    const begun = through(queuedTask({ queuedAt: 77 }), [{ ...assigned, given }]);
    expect(begun).toMatchObject({ given, needs: { cpuCores: 1 } });
    expect(begun).not.toHaveProperty('queuedAt');
    const left = through(begun, [{ type: 'moved', attempt: 1, reason: 'away' }]);
    expect(left).toMatchObject({ state: 'QUEUED', queuedAt: 9_000 });
    expect(left).not.toHaveProperty('given');
    expect(through(left, [assigned])).not.toHaveProperty('given');
  });

  it('remembers of a waiting task which prefixes cover it, and of no other', () => {
    const judged = { type: 'judged', attempt: 0, reaches: { near: true } } as const;
    expect(through(queuedTask(), [judged])).toMatchObject({ revision: 2, needs: { reaches: { near: true } } });
    expect(reduce(through(queuedTask(), [assigned]), { ...judged, attempt: 1 }, CONTEXT)).toMatchObject({ kind: 'ignored', why: 'state' });
  });

  it("remembers of a waiting task whose limit it has met, until it is another owner's", () => {
    const limited = { type: 'limited', attempt: 0, by: ['owner test'] } as const;
    const met = through(queuedTask(), [limited]);
    expect(met).toMatchObject({ revision: 2, state: 'QUEUED', needs: { limitedBy: ['owner test'] } });
    expect(reduce(through(queuedTask(), [assigned]), { ...limited, attempt: 1 }, CONTEXT)).toMatchObject({ kind: 'ignored', why: 'state' });
    expect(through(met, [{ type: 'given', from: 'test', owner: 'other' }]).needs).toEqual(queuedTask().needs);
  });

  it('keeps a cancelled task CANCELING until the backend has released it, whatever is observed meanwhile', () => {
    const canceling = through(queuedTask(), [...RUNNING, { type: 'cancelRequested' }]);
    expect(canceling).toMatchObject({ state: 'CANCELING', step: 'cancel', dueAt: 9_000 });
    const late = through(canceling, [observed(seen('succeeded', [0]))]);
    expect(late).toMatchObject({ state: 'CANCELING', attempts: [{ executors: [{ exitCode: 0 }] }] });
    expect(through(late, [{ type: 'released', attempt: 1 }])).toMatchObject({ state: 'CANCELED', step: 'cleanup' });
  });

  it('makes the fence due at once when late work lets go of the lease of whoever took the task after it', () => {
    const taken = {
      ...through(queuedTask(), [...RUNNING, { type: 'cancelRequested' }]),
      lease: { holder: 'h', until: 20_000 },
      dueAt: 20_000,
    };
    for (const late of [observed(seen('running')), { type: 'submitted', attempt: 1, handle: SUBMITTED } as const]) {
      const left = through(taken, [late]);
      expect(left).toMatchObject({ step: 'cancel', dueAt: 9_000 });
      expect(left).not.toHaveProperty('lease');
    }
  });

  it('keeps the lease of whoever works on a task that is being cancelled, and lets it be taken when that one yields', () => {
    const leased = { ...through(queuedTask(), RUNNING), lease: { holder: 'h', until: 20_000 } };
    const canceling = through(leased, [{ type: 'cancelRequested' }]);
    expect(canceling.lease).toEqual({ holder: 'h', until: 20_000 });
    expect(through(canceling, [{ type: 'yielded', attempt: 1 }])).not.toHaveProperty('lease');
  });

  it('stores a handle that arrives after the cancel, because the fence is surer with it', () => {
    const canceling = through(queuedTask(), [assigned, { type: 'cancelRequested' }]);
    expect(through(canceling, [{ type: 'submitted', attempt: 1, handle: SUBMITTED }])).toMatchObject({
      state: 'CANCELING',
      handle: SUBMITTED,
    });
  });

  it('goes back to the queue for another attempt only after the failed one is fenced', () => {
    const retreat = through(queuedTask(), [...RUNNING, { type: 'retreated', attempt: 1, reason: 'lost', observation: seen('lost') }]);
    expect(retreat).toMatchObject({ state: 'RUNNING', step: 'retreat', jobEnded: true });
    const again = through(retreat, [{ type: 'retried', attempt: 1, delayMs: 500 }]);
    expect(again).toMatchObject({ state: 'QUEUED', step: 'queued', attempt: 1, notBefore: 9_500, jobEnded: false });
    for (const key of ['dueAt', 'handle', 'backend', 'outcome']) expect(again).not.toHaveProperty(key);
    expect(through(again, [assigned])).toMatchObject({ attempt: 2, attempts: [{ systemLogs: ['lost'] }, { attempt: 2 }] });
  });

  it('moves to the queue without a fence when its backend is away, and nothing of the attempt is due any more', () => {
    const moved = through(queuedTask(), [...RUNNING, { type: 'moved', attempt: 1, reason: 'away' }]);
    expect(moved).toMatchObject({ state: 'QUEUED', step: 'queued', attempt: 1, attempts: [{ systemLogs: ['away'], endedAt: 5_000 }] });
    for (const key of ['dueAt', 'handle', 'backend', 'lease', 'notBefore']) expect(moved).not.toHaveProperty(key);
    expect(reduce(moved, { type: 'moved', attempt: 1, reason: 'away' }, CONTEXT)).toEqual({ kind: 'ignored', why: 'state' });
    const canceling = through(queuedTask(), [...RUNNING, { type: 'cancelRequested' }]);
    expect(reduce(canceling, { type: 'moved', attempt: 1, reason: 'away' }, CONTEXT)).toEqual({ kind: 'ignored', why: 'state' });
  });

  describe('with a job that stayed behind on a backend that is away', () => {
    const MOVED: readonly TaskEvent[] = [...RUNNING, { type: 'moved', attempt: 1, reason: 'away' }];
    const left = [{ backend: 'b', attempt: 1, handle: SUBMITTED }];
    const elsewhere: TaskEvent = { ...assigned, backend: 'south' };
    const cancel: TaskEvent = { type: 'cancelRequested' };

    it('remembers it, unless it cannot have been started', () => {
      expect(through(queuedTask(), MOVED)).toMatchObject({ state: 'QUEUED', leftBehind: left });
      const never: TaskEvent = { type: 'moved', attempt: 1, reason: 'away', neverStarted: true };
      expect(through(queuedTask(), [assigned, never])).not.toHaveProperty('leftBehind');
      expect(through(queuedTask(), [assigned, never, cancel])).toMatchObject({ state: 'CANCELED', step: 'done' });
    });

    it('is CANCELING, due on that backend, until that job is confirmed to have ended', () => {
      const canceling = through(queuedTask(), [...MOVED, cancel]);
      expect(canceling).toMatchObject({
        state: 'CANCELING',
        step: 'cancel',
        backend: 'b',
        handle: SUBMITTED,
        attempt: 1,
        jobAttempt: 1,
      });
      expect(canceling.dueAt).toBe(CONTEXT.storeNow);
      expect(canceling).not.toHaveProperty('leftBehind');
      const canceled = through(canceling, [{ type: 'released', attempt: 1 }]);
      expect(canceled).toMatchObject({ state: 'CANCELED', step: 'cleanup', backend: 'b', jobAttempt: 1 });
      expect(through(canceled, [{ type: 'cleaned', attempt: 1 }])).toMatchObject({ state: 'CANCELED', step: 'done' });
    });

    it('ends its own job first, then that one, whose end says nothing of the last attempt', () => {
      const own = through(queuedTask(), [...MOVED, elsewhere, cancel]);
      expect(own).toMatchObject({ state: 'CANCELING', backend: 'south', attempt: 2, leftBehind: left });
      const next = through(own, [{ type: 'released', attempt: 2 }]);
      expect(next).toMatchObject({ state: 'CANCELING', step: 'cancel', backend: 'b', attempt: 2, jobAttempt: 1 });
      expect(reduce(next, { type: 'submitted', attempt: 2, handle: PREPARED }, CONTEXT)).toEqual({ kind: 'ignored', why: 'stale' });
      const canceled = through(next, [{ type: 'released', attempt: 2, observation: seen('failed', [7]) }]);
      expect(canceled).toMatchObject({ state: 'CANCELED', attempts: [{}, { attempt: 2, executors: [] }] });
    });

    it('forgets it when it was found and ended, and ends with its own state wherever it goes on', () => {
      const ended: TaskEvent = { type: 'leftBehindEnded', backend: 'b', leftAttempt: 1 };
      const elsewhereRunning = through(queuedTask(), [...MOVED, elsewhere]);
      expect(through(elsewhereRunning, [ended])).not.toHaveProperty('leftBehind');
      expect(through(queuedTask(), [...MOVED, ended, cancel])).toMatchObject({ state: 'CANCELED', step: 'done' });
      expect(reduce(elsewhereRunning, { ...ended, leftAttempt: 2 }, CONTEXT)).toEqual({ kind: 'ignored', why: 'state' });
    });

    it('waits for a backend no longer that an operator declares gone', () => {
      const gone: TaskEvent = { type: 'abandoned', backend: 'b' };
      expect(through(queuedTask(), [...MOVED, cancel, gone])).toMatchObject({ state: 'CANCELED', step: 'done' });
      expect(through(queuedTask(), [...MOVED, elsewhere, gone])).not.toHaveProperty('leftBehind');
      expect(through(queuedTask(), [...RUNNING, gone])).toMatchObject({ state: 'QUEUED', attempt: 1 });
      expect(through(queuedTask(), [...MOVED, elsewhere, cancel, { type: 'abandoned', backend: 'south' }])).toMatchObject({
        state: 'CANCELING',
        backend: 'b',
        jobAttempt: 1,
      });
      expect(reduce(through(queuedTask(), RUNNING), { type: 'abandoned', backend: 'other' }, CONTEXT).kind).toBe('ignored');
    });
  });

  it('ignores what an older attempt has to say', () => {
    const second = through(queuedTask(), [
      ...RUNNING,
      { type: 'retreated', attempt: 1, reason: 'lost' },
      { type: 'retried', attempt: 1, delayMs: 0 },
      assigned,
    ]);
    expect(reduce(second, observed(seen('succeeded', [0])), CONTEXT)).toEqual({ kind: 'ignored', why: 'stale' });
    expect(reduce(second, { type: 'submitted', attempt: 1, handle: SUBMITTED }, CONTEXT)).toEqual({ kind: 'ignored', why: 'stale' });
  });

  it('never takes an ended executor back on a contradictory observation', () => {
    const running = through(queuedTask(), [
      ...RUNNING,
      observed({ ...seen('running'), executors: [{ exitCode: 0 }] }),
      observed({ ...seen('running'), systemLogs: ['something else'] }),
    ]);
    expect(running.attempts[0]?.executors).toHaveLength(1);
  });

  it('ignores a look at a running job that tells nothing new, unless it ends a trouble', () => {
    const running = through(queuedTask(), [...RUNNING, observed({ ...seen('running'), executors: [{ exitCode: 0 }] })]);
    const again = observed({ ...seen('running'), executors: [{ exitCode: 0 }] });
    expect(reduce(running, again, CONTEXT)).toEqual({ kind: 'ignored', why: 'news' });
    const troubled = through(running, [{ type: 'deferred', attempt: 1, reason: 'away', delayMs: 700 }]);
    expect(through(troubled, [again])).not.toHaveProperty('trouble');
  });

  it('counts failures in a row, and forgets them with the first success', () => {
    const trouble = through(queuedTask(), [
      ...RUNNING,
      { type: 'deferred', attempt: 1, reason: 'away', delayMs: 700 },
      { type: 'deferred', attempt: 1, reason: 'still away', delayMs: 700 },
    ]);
    expect(trouble).toMatchObject({ dueAt: 9_700, trouble: { count: 2, since: 9_000, reason: 'still away' } });
    expect(through(trouble, [observed(seen('running'))])).not.toHaveProperty('trouble');
  });

  it('looks less often at a job that has lasted long, inside the bounds of its backend', () => {
    const running = through(queuedTask(), RUNNING);
    const dueAfter = (now: number): number =>
      (through(running, [observed({ ...seen('running'), systemLogs: ['news'] })], { now }).dueAt ?? 0) - CONTEXT.storeNow;
    expect([dueAfter(5_100), dueAfter(10_000), dueAfter(500_000)]).toEqual([100, 500, 1_000]);
    expect(dueAfter(8_333)).toBe(333);
  });
});

describe('any sequence of events', () => {
  const attempt = fc.integer({ min: 0, max: 3 });
  const observation = fc.record({
    jobName: fc.constant(NAME),
    phase: fc.constantFrom<Observation['phase']>('pending', 'running', 'succeeded', 'failed', 'preempted', 'lost'),
    executors: fc.array(fc.record({ exitCode: fc.integer({ min: 0, max: 255 }) }), { maxLength: 2 }),
    systemLogs: fc.array(fc.constantFrom('a', 'b'), { maxLength: 1 }),
  });
  const event: fc.Arbitrary<TaskEvent> = fc.oneof(
    fc.constant<TaskEvent>({ type: 'cancelRequested' }),
    fc.constant(assigned),
    fc.constant<TaskEvent>({ ...assigned, boundTo: 'i' }),
    fc.constant<TaskEvent>({ type: 'abandoned', instance: 'i' }),
    fc.constantFrom<TaskEvent>({ type: 'abandoned', backend: 'b' }, { type: 'abandoned', backend: 'other' }),
    fc.record({ type: fc.constant('leftBehindEnded' as const), backend: fc.constant('b'), leftAttempt: attempt }),
    fc.record({ type: fc.constant('refused' as const), by: fc.constantFrom('b', 'c@i'), reasons: fc.constant(['r']) }),
    fc.constant<TaskEvent>({ type: 'rebound', from: 'i', to: 'j' }),
    fc.constant<TaskEvent>({ type: 'given', from: 'test', owner: 'basic|ann' }),
    fc.record({ type: fc.constant('limited' as const), attempt, by: fc.constant(['owner test' as const]) }),
    fc.record({ type: fc.constant('submitted' as const), attempt, handle: fc.constantFrom(PREPARED, SUBMITTED) }),
    fc.record({ type: fc.constant('stagedIn' as const), attempt, inputTypes: fc.constant({}), systemLogs: fc.constant([]) }),
    fc.record({ type: fc.constant('observed' as const), attempt, observation }),
    fc.record({
      type: fc.constant('stagedOut' as const),
      attempt,
      outputs: fc.constant([]),
      outputTypes: fc.constant({}),
      systemLogs: fc.constant([]),
    }),
    fc.record({ type: fc.constant('deferred' as const), attempt, reason: fc.constant('r'), delayMs: fc.nat(1000) }),
    fc.record({ type: fc.constant('retreated' as const), attempt, reason: fc.constant('r') }),
    fc.record({ type: fc.constant('moved' as const), attempt, reason: fc.constant('r') }),
    fc.record({ type: fc.constant('retried' as const), attempt, delayMs: fc.nat(1000) }),
    fc.record({ type: fc.constant('released' as const), attempt }),
    fc.record({ type: fc.constant('failed' as const), attempt, reason: fc.constant('r') }),
    fc.record({ type: fc.constant('cleaned' as const), attempt }),
    fc.record({ type: fc.constant('yielded' as const), attempt }),
  );

  it('never changes a terminal state, end or log, keeps state and step together, and moves the revision by one', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.boolean(), (events, stagesOut) => {
        let task = queuedTask();
        for (const one of events) {
          const reduction = reduce(task, one, { ...CONTEXT, stagesOut });
          if (reduction.kind === 'ignored') continue;
          const next = reduction.task;
          expect(next.revision).toBe(task.revision + 1);
          expect(STEPS_OF_STATE[next.state]).toContain(next.step);
          if (isTerminal(task.state)) {
            expect([next.state, next.endedAt, next.attempts]).toEqual([task.state, task.endedAt, task.attempts]);
          }
          // Whatever is assigned and not done is looked at again; what waits or is done is not.
          expect(next.dueAt !== undefined).toBe(next.step !== 'queued' && next.step !== 'done');
          task = next;
        }
      }),
      { numRuns: 3000 },
    );
  });
});

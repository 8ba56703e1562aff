import { isBinding } from '../../../src/task/binding';
import type { TaskEvent } from '../../../src/task/task-events';
import type { TaskRecord } from '../../../src/task/task-record';
import type { TesState } from '../../../src/task/tes';

const after = (state: TesState): TaskRecord => ({ state }) as TaskRecord;
const handle = (step: string) => ({ backend: 'local', version: 1, step, data: {} });
const observation = { jobName: 'tes-a-1', phase: 'running' as const, executors: [], systemLogs: [] };

describe('a change that must survive a power failure', () => {
  it.each<[string, TaskEvent, TesState]>([
    ['a cancel that a client asked for', { type: 'cancelRequested' }, 'CANCELING'],
    ['a handle, because the next step may start a job', { type: 'submitted', attempt: 1, handle: handle('prepared') }, 'INITIALIZING'],
    ['staged inputs, likewise', { type: 'stagedIn', attempt: 1, inputTypes: {}, systemLogs: [] }, 'INITIALIZING'],
    ['the end of an attempt, because its job is forgotten next', { type: 'retreated', attempt: 1, reason: 'x' }, 'INITIALIZING'],
    ['a move, likewise', { type: 'moved', attempt: 1, reason: 'x' }, 'QUEUED'],
    ['an end that was observed', { type: 'observed', attempt: 1, observation }, 'COMPLETE'],
    ['an end after the outputs', { type: 'stagedOut', attempt: 1, outputs: [], outputTypes: {}, systemLogs: [] }, 'EXECUTOR_ERROR'],
    ['that nobody waits for a gateway any more', { type: 'abandoned', instance: 'i' }, 'QUEUED'],
    ['whose it is from now on', { type: 'given', from: 'anonymous', owner: 'basic|ann' }, 'QUEUED'],
    ['an end by the system', { type: 'failed', attempt: 1, reason: 'x' }, 'SYSTEM_ERROR'],
    ['an end by a cancel', { type: 'released', attempt: 1 }, 'CANCELED'],
  ])('is %s', (_, event, state) => expect(isBinding(event, after(state))).toBe(true));

  it.each<[string, TaskEvent, TesState]>([
    [
      'an assignment, which the handle after it covers',
      { type: 'assigned', backend: 'local', droppedParameters: [], warnings: [] },
      'INITIALIZING',
    ],
    ['the hand-over of a job that is known by its name', { type: 'submitted', attempt: 1, handle: handle('submitted') }, 'INITIALIZING'],
    ['that a job was seen running', { type: 'observed', attempt: 1, observation }, 'RUNNING'],
    ['a pause', { type: 'deferred', attempt: 1, reason: 'x', delayMs: 1 }, 'RUNNING'],
    ['the way back to the queue', { type: 'retried', attempt: 1, delayMs: 1 }, 'QUEUED'],
    ['what is done after the end', { type: 'cleaned', attempt: 1 }, 'COMPLETE'],
    ['a pause after the end', { type: 'deferred', attempt: 1, reason: 'x', delayMs: 1 }, 'COMPLETE'],
  ])('is not %s', (_, event, state) => expect(isBinding(event, after(state))).toBe(false));
});

import { backOff, decideFailure, type Failure, type RetryPolicy } from '../../../src/task/failure-policy';
import type { TaskRecord, TaskStep } from '../../../src/task/task-record';
import { queuedTask } from '../../engine/records';

const POLICY: RetryPolicy = { attempts: 3, firstDelayMs: 1_000, longestDelayMs: 60_000, patienceMs: 600_000 };
const NOW = 10_000_000;
const RESET: Failure = { reason: 'connection reset', retryable: true, unavailable: false };
const AWAY: Failure = { reason: 'connection refused', retryable: true, unavailable: true };
const NOT_FOUND: Failure = { reason: 'not found', retryable: false, unavailable: false };

function at(step: TaskStep, changes: Partial<TaskRecord> = {}): TaskRecord {
  return queuedTask({ step, attempt: 1, ...changes });
}
function decide(task: TaskRecord, failure: Failure): string {
  return decideFailure(task, failure, NOW, POLICY, 0.5).kind;
}

describe('what is retried', () => {
  it.each<[TaskStep, Failure, string]>([
    ['cancel', NOT_FOUND, 'defer'],
    ['retreat', NOT_FOUND, 'defer'],
    ['cleanup', RESET, 'defer'],
    ['stage-in', NOT_FOUND, 'fail'],
    ['stage-in', RESET, 'retreat'],
    ['stage-in', AWAY, 'defer'],
    ['submit', AWAY, 'defer'],
    ['run', AWAY, 'defer'],
    ['run', RESET, 'retreat'],
    ['stage-out', RESET, 'defer'],
    ['stage-out', NOT_FOUND, 'fail'],
  ])('in %s, %j: %s', (step, failure, kind) => {
    expect(decide(at(step), failure)).toBe(kind);
  });

  it('gives up with the last attempt', () => {
    expect(decide(at('submit', { attempt: 3 }), RESET)).toBe('fail');
  });

  it('waits for a backend that is away only as long as its patience lasts, then uses up an attempt', () => {
    const trouble = { count: 9, since: NOW - POLICY.patienceMs, reason: 'away' };
    expect(decide(at('run', { trouble }), AWAY)).toBe('retreat');
  });

  it('never repeats the executors for an upload: after as many tries as attempts it fails', () => {
    const trouble = { count: 2, since: NOW, reason: 'reset' };
    expect(decide(at('stage-out', { trouble }), RESET)).toBe('fail');
  });
});

describe('the pause between tries', () => {
  it('doubles with full jitter up to the longest, and is never so short that a loop spins', () => {
    expect([0, 1, 2, 30].map((tries) => backOff(tries, POLICY, 0.5))).toEqual([500, 1_000, 2_000, 30_000]);
    expect(backOff(0, POLICY, 0)).toBe(100);
    // The store keeps times as whole milliseconds.
    expect(backOff(0, POLICY, 0.12345)).toBe(123);
  });
});

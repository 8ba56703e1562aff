import { type AwayRule, backOff, decideFailure, type Failure, type RetryPolicy } from '../../../src/task/failure-policy';
import type { TaskRecord, TaskStep } from '../../../src/task/task-record';
import { queuedTask } from '../../support/records';

const POLICY: RetryPolicy = {
  attempts: 3,
  firstDelayMs: 1_000,
  longestDelayMs: 60_000,
  patienceMs: 600_000,
  storagePatienceMs: 60_000,
  outputPatienceMs: 240_000,
};
const NOW = 10_000_000;
const RESET: Failure = { reason: 'connection reset', retryable: true, unavailable: false };
const AWAY: Failure = { reason: 'connection refused', retryable: true, unavailable: true };
const LOST: Failure = { reason: 'the workspace is gone', retryable: true, unavailable: false, lost: true };
const AWAY_STORAGE: Failure = { reason: 'connection refused', retryable: true, unavailable: true, storage: {} };
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
    ['stage-out', LOST, 'retreat'],
    ['stage-in', LOST, 'retreat'],
    ['cancel', LOST, 'defer'],
  ])('in %s, %j: %s', (step, failure, kind) => {
    expect(decide(at(step), failure)).toBe(kind);
  });

  it.each<[TaskStep, string]>([
    ['stage-in', 'await'],
    ['run', 'await'],
    ['stage-out', 'await'],
    ['await-storage', 'await'],
    ['cancel', 'defer'],
    ['retreat', 'defer'],
    ['cleanup', 'defer'],
  ])('waits in %s for a storage that is away: %s, whatever the attempts', (step, kind) => {
    expect(decide(at(step, { attempt: 3 }), AWAY_STORAGE)).toBe(kind);
  });

  it.each<[TaskStep, 'inputs' | 'outputs', Failure, number, string]>([
    ['stage-in', 'inputs', AWAY_STORAGE, 59_999, 'await'],
    ['stage-in', 'inputs', AWAY_STORAGE, 60_000, 'give-up'],
    ['await-storage', 'outputs', AWAY_STORAGE, 239_999, 'await'],
    ['await-storage', 'outputs', AWAY_STORAGE, 240_000, 'give-up'],
    ['await-storage', 'outputs', { ...AWAY_STORAGE, storage: { brief: true } }, 60_000, 'give-up'],
    // The wait of the inputs was another one.
    ['stage-out', 'inputs', AWAY_STORAGE, 240_000, 'await'],
  ])('in %s, after %s waited, %j, %d ms: %s', (step, of, failure, waitedMs, kind) => {
    const storageWait = { of, since: NOW - waitedMs, count: 1, reason: 'away', pauseMs: 1 };
    expect(decide(at(step, { storageWait }), failure)).toBe(kind);
  });

  it('tries a storage again when it wants to be, and once more when patience is over', () => {
    const busy = (retryAfterMs: number): Failure => ({ ...AWAY_STORAGE, storage: { retryAfterMs } });
    expect(decideFailure(at('stage-in'), busy(30_000), NOW, POLICY, 0.5)).toEqual({ kind: 'await', delayMs: 30_000 });
    expect(decideFailure(at('stage-in'), busy(1e9), NOW, POLICY, 0.5)).toEqual({ kind: 'await', delayMs: 60_000 });
  });

  it.each<[TaskStep, string]>([
    ['stage-in', 'await'],
    ['submit', 'await'],
    ['run', 'defer'],
    ['stage-out', 'defer'],
    ['cleanup', 'defer'],
  ])('waits in %s for room on the disk of the workspaces: %s, and gives nothing up that runs', (step, kind) => {
    expect(decide(at(step, { attempt: 3 }), { ...AWAY_STORAGE, storage: { isWorkDisk: true } })).toBe(kind);
  });

  it('tries a disk that is full again at pauses that grow, for its own inputs may be what fills it', () => {
    const waited = (ms: number) => ({ storageWait: { of: 'workspace' as const, since: NOW - ms, count: 1, reason: 'full', pauseMs: 1 } });
    const full: Failure = { ...AWAY_STORAGE, storage: { isWorkDisk: true } };
    const policy = { ...POLICY, storagePatienceMs: 3_600_000 };
    const delays = [0, 10_000, 100_000, 3_000_000].map((ms) => decideFailure(at('stage-in', waited(ms)), full, NOW, policy, 0));
    expect(delays).toMatchObject([{ delayMs: 100 }, { delayMs: 5000 }, { delayMs: 50_000 }, { delayMs: 600_000 }]);
  });

  it('does not count attempts that ended because the storage of an input was away', () => {
    expect(decide(at('submit', { attempt: 9, waitedAttempts: 7 }), RESET)).toBe('retreat');
    expect(decide(at('submit', { attempt: 9, waitedAttempts: 6 }), RESET)).toBe('fail');
  });

  it('gives up with the last attempt', () => {
    expect(decide(at('submit', { attempt: 3 }), RESET)).toBe('fail');
    expect(decide(at('stage-out', { attempt: 3 }), LOST)).toBe('fail');
  });

  it('never repeats a program that failed because its outputs are lost: its exit code is the result', () => {
    expect(decide(at('stage-out', { outcome: 'failed' }), LOST)).toBe('fail');
  });

  it('waits for a backend that is away only as long as its patience lasts, then uses up an attempt', () => {
    const trouble = { count: 9, since: NOW - POLICY.patienceMs, reason: 'away' };
    expect(decide(at('run', { trouble }), AWAY)).toBe('retreat');
  });

  describe('of a backend that is away', () => {
    const since = (ms: number, step: TaskStep, attempt = 1) =>
      at(step, { attempt, trouble: { count: 9, since: NOW - ms, reason: 'away' } });
    const move = (mayHaveStarted: boolean): AwayRule => ({ kind: 'move', afterMs: 5_000, mayHaveStarted });
    const withRule = (task: TaskRecord, rule: AwayRule, failure = AWAY) => decideFailure(task, failure, NOW, POLICY, 0.5, rule);

    it.each<TaskStep>(['stage-in', 'submit', 'run', 'stage-out'])(
      'waits for ever in %s where the settings say so, also in the last attempt',
      (step) => {
        expect(withRule(since(10 * POLICY.patienceMs, step, 3), { kind: 'wait' }).kind).toBe('defer');
      },
    );

    it.each<TaskStep>(['stage-in', 'submit', 'run', 'stage-out', 'retreat'])('moves in %s when it was away for long enough', (step) => {
      expect(withRule(since(4_000, step), move(true))).toMatchObject({ kind: 'defer', delayMs: 1_000 });
      expect(withRule(since(5_000, step), move(true)).kind).toBe('move');
    });

    it.each<TaskStep>(['cancel', 'cleanup'])('never moves in %s: that must be confirmed', (step) => {
      expect(withRule(since(9_000, step), move(false)).kind).toBe('defer');
    });

    it('starts nothing more often than there are attempts, but moves what never started', () => {
      expect(withRule(since(9_000, 'run', 3), move(true)).kind).toBe('defer');
      expect(withRule(since(9_000, 'stage-in', 3), move(false)).kind).toBe('move');
    });

    it('is about absence only: what fails otherwise is retried or fails as ever', () => {
      expect(withRule(since(9_000, 'run'), move(true), RESET).kind).toBe('retreat');
      expect(withRule(at('run'), { kind: 'wait' }, NOT_FOUND).kind).toBe('fail');
    });
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
    expect(backOff(0, { firstDelayMs: 0, longestDelayMs: 0 }, 0)).toBe(100);
    // The store keeps times as whole milliseconds.
    expect(backOff(0, POLICY, 0.12345)).toBe(123);
  });
});

import { queuedTask } from '../../support/records';
import { ENGINE, SILENT } from '../../support/settings';
import type { EngineLog } from '../../../src/engine/engine-log';
import { FailureHandling } from '../../../src/engine/failure-handling';
import { TransferError } from '../../../src/ports/errors';

const handling = (log: EngineLog): FailureHandling =>
  new FailureHandling(
    { retry: ENGINE.retry },
    log,
    { now: () => 0 },
    () => 0,
    () => ({ kind: 'patience' }),
  );

it('what failed is a bounded text, in the record and in the log, however long a URL is', () => {
  const said: string[] = [];
  const warn: EngineLog['warn'] = (reason, fields) => void said.push(reason, JSON.stringify(fields));
  const failures = handling({ ...SILENT, warn });
  const url = `http://h/${'x'.repeat(1_000_000)}`;
  for (const step of ['stage-in', 'await-storage', 'run'] as const) {
    const task = queuedTask({ state: 'RUNNING', step, attempt: 1 });
    const events = [
      failures.eventFor(task, new TransferError(`${url}: refused`, { retryable: true, away: {} })),
      failures.eventFor(task, new TransferError(`${url}: 403`, { retryable: false })),
      failures.eventForJob(task, `${url}: lost`, true, { jobName: 'j', phase: 'lost', executors: [], systemLogs: [] }),
    ];
    for (const event of events) expect(JSON.stringify(event).length).toBeLessThan(10_000);
  }
  expect(Math.max(...said.map(({ length }) => length))).toBeLessThan(10_000);
});

it('a task that waits for a storage is in the log when it begins to wait, and the more rarely the longer it waits', () => {
  const said: string[] = [];
  const log: EngineLog = {
    ...SILENT,
    warn: () => void said.push('warn'),
    info: (_, fields) => void said.push(`info ${String(fields?.['tries'])}`),
  };
  const failures = handling(log);
  const away = new TransferError('the connection was refused', { retryable: true, away: {} });
  const task = queuedTask({ state: 'RUNNING', step: 'await-storage', attempt: 1 });
  failures.eventFor(task, away);
  for (let count = 1; count < 600; count += 1) {
    failures.eventFor({ ...task, storageWait: { of: 'outputs', since: 0, count, reason: 'away', pauseMs: 1 } }, away);
  }
  expect(said).toEqual(['warn', ...[2, 4, 8, 16, 32, 64, 128, 256, 512].map((tries) => `info ${tries}`)]);
});

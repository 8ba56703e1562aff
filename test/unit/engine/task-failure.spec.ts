import { queuedTask } from '../../engine/records';
import { ENGINE, SILENT } from '../../engine/settings';
import type { EngineLog } from '../../../src/engine/engine-log';
import { FailureHandling } from '../../../src/engine/task-failure';
import { TransferError } from '../../../src/ports/errors';

it('a task that waits for a storage is in the log when it begins to wait, and the more rarely the longer it waits', () => {
  const said: string[] = [];
  const log: EngineLog = {
    ...SILENT,
    warn: () => void said.push('warn'),
    info: (_, fields) => void said.push(`info ${String(fields?.['tries'])}`),
  };
  const failures = new FailureHandling(
    { retry: ENGINE.retry },
    log,
    () => 0,
    () => 0,
    () => ({ kind: 'patience' }),
  );
  const away = new TransferError('the connection was refused', { retryable: true, away: {} });
  const task = queuedTask({ state: 'RUNNING', step: 'await-storage', attempt: 1 });
  failures.eventFor(task, away);
  for (let count = 1; count < 600; count += 1) {
    failures.eventFor({ ...task, storageWait: { of: 'outputs', since: 0, count, reason: 'away', pauseMs: 1 } }, away);
  }
  expect(said).toEqual(['warn', ...[2, 4, 8, 16, 32, 64, 128, 256, 512].map((tries) => `info ${tries}`)]);
});
